"""`tollkeeper limits …`: how the limits of a sidecar stand, what is under way, and whether a call would be admitted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_verb, answer, given, run
from tollkeeper.cli.tables import count, dollars, table, when
from tollkeeper.client import limiting as asks
from tollkeeper.client.standings import Check, InFlight, LimitAgreement, Limits, LimitStatus, Rebuilt

SCOPE = ("tenant", "project", "user", "session", "service", "feature", "config", "model", "provider")
NUMBERS = ("Used", "Held", "Amount", "Left", "%")
NEAR, OVER = 80, 100


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper limits", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    show = add_verb(verbs, "show", "how the limits stand; without a verb, this is meant", _show)
    for name in SCOPE:
        show.add_argument(f"--{name}", metavar="NAME", help=f"those of this {name} too")
    add_verb(verbs, "in-flight", "calls that were admitted and have not ended", _in_flight)
    add_verb(verbs, "agreement", "whether the counters agree with the ledger", _agreement)
    again = add_verb(verbs, "rebuild", "book what the ledger has and the counters have not", _rebuild)
    again.add_argument("--reason", required=True, help="why, for the audit trail")
    again.add_argument("--lower", action="store_true", help="also take away what is in excess; some may be on its way")
    check = add_verb(verbs, "check", "whether a call would be admitted now", _check)
    check.add_argument("provider", help="as calls name it, such as openai")
    check.add_argument("model", help="as calls name it")
    check.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="tenant=acme, …")
    check.add_argument("--input-tokens", type=int, help="the most that its input can have")
    check.add_argument("--output-tokens", type=int, help="the most that its answer may have")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("limits", parser(), arguments, meant="show")


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.limits(**given(options, *SCOPE)), _print_limits)


def _in_flight(options: argparse.Namespace) -> int:
    return answer(options, asks.in_flight(), _print_in_flight)


def _agreement(options: argparse.Namespace) -> int:
    return answer(options, asks.limit_agreement(), _print_agreement)


def _rebuild(options: argparse.Namespace) -> int:
    return answer(options, asks.rebuild_limits(reason=options.reason, lower=options.lower), _print_rebuilt)


def _check(options: argparse.Namespace) -> int:
    pairs = [text.partition("=") for text in options.tag]
    for text, (name, separator, _) in zip(options.tag, pairs, strict=True):
        if not name or not separator:
            raise ValueError(f"--tag is {text!r}; expected NAME=VALUE, such as tenant=acme")
    tags = {name: value for name, _, value in pairs}
    counts = given(options, "input_tokens", "output_tokens")
    return answer(options, asks.check(options.provider, options.model, tags=tags, **counts), _print_check)


def _print_limits(screen: Console, found: Limits) -> None:
    rows = [_row(one) for one in found.limits]
    columns = ("Limit", "For", *NUMBERS, "Resets")
    screen.print(table(columns, rows, right=NUMBERS) if rows else "No limits: every call is sent.")


def _row(one: LimitStatus) -> tuple[Any, ...]:
    percent = "" if one.percent is None else f"{one.percent:.1f}"
    style = "" if one.percent is None or one.percent < NEAR else "yellow" if one.percent < OVER else "red"
    return (
        f"{one.name} ({one.form})" + (" soft" if one.mode == "soft" else ""), _scope(one.scope),
        *(_amount(one.measure, number) for number in (one.used, one.held, one.amount, one.remaining)),
        Text(percent, style), when(one.resets_at),
    )  # fmt: skip


def _print_in_flight(screen: Console, found: InFlight) -> None:
    rows = [
        (call.id, call.owner, when(call.started_at), when(call.expires_at), charge.limit or charge.key,
         "" if charge.scope is None else _scope(charge.scope), _amount(charge.measure or "", charge.amount))
        for call in found.calls
        for charge in call.charges
    ]  # fmt: skip
    columns = ("Id", "Owner", "Since", "Expires", "Limit", "For", "Held")
    screen.print(table(columns, rows, right=("Held",)) if rows else "Nothing is under way.")


def _print_agreement(screen: Console, found: LimitAgreement) -> None:
    numbers = ("Ledger", "Counters", "Assumed", "Missing", "Excess")
    rows = [
        (one.limit, _scope(one.scope),
         *(_amount(one.measure, each) for each in (one.ledger, one.spent, one.assumed, one.missing, one.excess)))
        for one in found.differences
    ]  # fmt: skip
    if rows:
        screen.print(table(("Limit", "For", *numbers), rows, right=numbers))
    screen.print(f"{found.checked:,} compared, {len(rows):,} differ.")
    if found.expected:
        screen.print(f"{found.expected:,} have more requests than the ledger has calls: retries of SDKs are counted.")
    for each in found.unchecked:
        screen.print(Text(f"{each.limit} was not compared: {each.reason}", "yellow"))


def _print_rebuilt(screen: Console, found: Rebuilt) -> None:
    rows = [(one.limit, _scope(one.scope), _amount(one.measure, one.amount)) for one in found.booked]
    screen.print(table(("Limit", "For", "Booked"), rows, right=("Booked",)) if rows else "Nothing was missing.")


def _print_check(screen: Console, found: Check) -> None:
    if found.can_call:
        measure = next((one.measure for one in found.limits if one.limit == found.limit), "")
        near = f"; {found.limit} has {_amount(measure, found.remaining)} left" if found.remaining is not None else ""
        screen.print(Text(f"It may go{near}." if found.limited else "It may go: no limit binds it.", "green"))
        if found.steps:
            screen.print(Text(f"It would be changed: {', '.join(found.steps)}.", "yellow"))
    else:
        screen.print(Text(f"It would be denied: {found.message}", "red"))


def _scope(scope: dict[str, str]) -> str:
    return " ".join(f"{name}={value or '-'}" for name, value in scope.items()) or "all"


def _amount(measure: str, number: Decimal | None) -> Any:
    if number is None:
        return ""
    return dollars(number) if measure == "usd" else str(count(int(number)))
