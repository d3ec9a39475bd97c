"""`tollkeeper recommendations …`: what could be cheaper, how to do it; to take advice or not; and whether it saved."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import get_args

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import add_verb, answer, given, run
from tollkeeper.cli.tables import dollars, table, when
from tollkeeper.client import advice as asks
from tollkeeper.client.advice import (
    AdviceKind,
    AdviceState,
    Recommendation,
    RecommendationDetail,
    Recommendations,
    SavingRange,
    TrackedSaving,
)

MEASURE_SECONDS = 120.0
"""What was before is read call by call."""
STYLES = {"low": "yellow", "medium": "", "high": "green"}
VERDICTS = {"saved": "green", "costs_more": "red"}


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper recommendations", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    several = add_verb(verbs, "list", "what could be cheaper; without a verb, this is meant", _list)
    several.add_argument("--state", choices=get_args(AdviceState), help="(default: open)")
    several.add_argument("--kind", choices=get_args(AdviceKind))
    show = add_verb(verbs, "show", "one of them: its evidence, how to do it, and whether it has saved", _show)
    taken = add_verb(verbs, "accept", "it is done: whether it saves is told from now on", _accept)
    left = add_verb(verbs, "dismiss", "it is not wanted: not shown again, unless it would save twice as much", _dismiss)
    for one in (show, taken, left):
        one.add_argument("id", help="as `list` shows it")
    taken.add_argument("--reason", help="for the audit trail")
    left.add_argument("--reason", required=True, help="why, for the audit trail")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("recommendations", parser(), arguments, meant="list")


def _list(options: argparse.Namespace) -> int:
    return answer(options, asks.recommendations(**given(options, "state", "kind")), _print_list)


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.recommendation(options.id), _print_one)


def _accept(options: argparse.Namespace) -> int:
    ask = asks.accept_recommendation(options.id, reason=options.reason)
    return answer(options, ask, _print_accepted, MEASURE_SECONDS)


def _dismiss(options: argparse.Namespace) -> int:
    return answer(options, asks.dismiss_recommendation(options.id, reason=options.reason), _print_dismissed)


def _print_list(screen: Console, found: Recommendations) -> None:
    if found.evaluated_at is None:
        screen.print("Nobody has looked yet: it is done once a day, from the last thirty days.")
        return
    if not found.recommendations:
        screen.print(f"No recommendations, as of {when(found.evaluated_at)}.")
        return
    columns = ("Advice", "What", "A month", "From – to", "Sure", "How it stands")
    screen.print(table(columns, [_row(one) for one in found.recommendations], right=("A month",)))
    if found.total.mid_nano_usd:
        told = Text.assemble("In all, of the best for each: ", dollars(found.total.mid), " a month (")
        screen.print(told.append_text(_range(found.total)).append(")."))
    screen.print("`tollkeeper recommendations show ID` tells what it rests on, and how to do it.")


def _row(one: Recommendation) -> tuple[RenderableType, ...]:
    saving = one.saving
    title = Text(one.title)
    if one.alternative_to is not None:
        title.append(f" (or {one.alternative_to})", "dim")
    return (
        one.id,
        title,
        dollars(saving.mid) if saving else "",
        _range(saving) if saving else "",
        Text(one.confidence, STYLES[one.confidence]),
        _standing(one),
    )


def _standing(one: Recommendation) -> Text:
    if one.state == "accepted" and one.tracking is not None:
        return _verdict(one.tracking)
    return Text(f"{one.state} by {one.decided_by}" if one.decided_by and one.state != "open" else one.state)


def _verdict(tracking: TrackedSaving) -> Text:
    told = Text(tracking.verdict.replace("_", " "), VERDICTS.get(tracking.verdict, ""))
    return told if tracking.saved is None else told.append(" ").append_text(dollars(tracking.saved))


def _range(saving: SavingRange) -> Text:
    return Text.assemble(dollars(saving.low), " – ", dollars(saving.high))


def _print_one(screen: Console, one: RecommendationDetail) -> None:
    screen.print(Text(one.title, "bold"))
    if one.saving is not None:
        spend = Text.assemble(" of ", dollars(one.spend)) if one.spend is not None else Text()
        told = Text.assemble("Saves ", dollars(one.saving.mid), spend, " a month, from ", _range(one.saving))
        screen.print(told.append(f"; confidence: {one.confidence}."))
    for line in one.rests_on:
        screen.print(Text(f"  rests on: {line}"), soft_wrap=True)
    for line in one.risks:
        screen.print(Text(f"  beware: {line}", "yellow"), soft_wrap=True)
    for way in one.ways:
        screen.print(Text(f"\n{way.means}:", "bold"))
        # As it is to be pasted.
        print(way.text.rstrip())
    screen.print(Text(f"\n{one.id}: {one.state}, since {when(one.decided_at or one.made_at)}", "dim"))
    if one.tracking is not None:
        _print_tracking(screen, one.tracking)


def _print_tracking(screen: Console, tracking: TrackedSaving) -> None:
    screen.print(_verdict(tracking).append(f": {tracking.says}, by {when(tracking.until)}."))
    made = Text(f"{tracking.calls:,} calls, {tracking.followed_calls:,} of them in the new way: ")
    screen.print(made.append_text(dollars(tracking.cost)))
    if tracking.saved is not None:
        told = Text.assemble("Without it: ", dollars(tracking.cost_without), "; saved from ", dollars(tracking.low))
        screen.print(told.append(" to ").append_text(dollars(tracking.high)).append(" in nineteen of twenty cases."))


def _print_accepted(screen: Console, one: RecommendationDetail) -> None:
    screen.print(Text(f"Accepted: {one.title}. `recommendations show {one.id}` tells whether it saves.", "green"))
    screen.print("Nothing was changed by this: do it by one of the ways that `show` tells.")


def _print_dismissed(screen: Console, one: RecommendationDetail) -> None:
    screen.print(Text(f"Dismissed: {one.title}. It is not shown again, unless it would save twice as much.", "green"))
