"""`tollkeeper what-if`: what a past period would have cost with other models, in another tier, or with more cached."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import DIMENSIONS, add_connection, answer, given, run
from tollkeeper.cli.tables import count, dollars, table, when
from tollkeeper.client import advice as asks
from tollkeeper.client.advice import Compared, ComparedModel, ComparedValue, Otherwise

TIERS = ("standard", "batch", "flex", "priority")
REPRICE_SECONDS = 900.0
"""A million calls take a minute or two."""
NUMBERS = ("Calls", "Changed", "Was", "Would be", "Difference", "Percent")
ROWS = 10
FILTERS = tuple(name for name in DIMENSIONS if name != "model")
_DAYS = re.compile(r"([0-9]{1,4})d")


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper what-if", description=__doc__)
    flags.add_argument(
        "--model", action="append", default=[], metavar="A=B",
        help="B in place of A, which may be a glob; a B of another provider is provider/model."
        " Without '=': only the calls of this model. Several times",
    )  # fmt: skip
    flags.add_argument("--tier", choices=TIERS, help="in which calls would be processed")
    flags.add_argument("--cache-hit", metavar="SHARE", help="how much of the text put in is cached, such as 0.6")
    flags.add_argument("--since", default="30d", metavar="WHEN", help="30d, or a day or a moment (default: 30d)")
    flags.add_argument("--end", metavar="WHEN", help="a day, which is included, or a moment, which is not")
    flags.add_argument("--zone", help="whose days these are, such as Europe/Berlin (default: UTC)")
    group = flags.add_argument_group("only the calls of", "several times: any of them; '': those without one")
    for name in FILTERS:
        group.add_argument(f"--{name}", action="append", metavar="NAME")
    add_connection(flags)
    flags.set_defaults(do=_ask)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("what-if", parser(), arguments)


def _ask(options: argparse.Namespace) -> int:
    days = _DAYS.fullmatch(options.since)
    since: dict[str, Any] = {"days": int(days[1])} if days else {"start": options.since}
    changes = [text.partition("=") for text in options.model if "=" in text]
    ask = asks.what_if(
        models={glob: to for glob, _, to in changes},
        cache_hit=_share(options.cache_hit),
        model=[text for text in options.model if "=" not in text] or None,
        **since,
        **given(options, "tier", "end", "zone", *FILTERS),
    )
    return answer(options, ask, _show, REPRICE_SECONDS)


def _share(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no share; expected a number from 0 to 1, such as 0.6") from None


def _show(screen: Console, found: Otherwise) -> None:
    screen.print(Text(f"{when(found.start)} to {when(found.end)}, {found.zone}", "bold"))
    if not found.total.calls:
        screen.print("No calls.")
        return
    rows = [(_names(one), *_numbers(one)) for one in found.by_model if one.changed_calls][:ROWS]
    screen.print(table(("Model", *NUMBERS), [*rows, ("in all", *_numbers(found.total))], right=NUMBERS))
    for title, values in (("Feature", found.by_feature), ("Tenant", found.by_tenant)):
        _show_values(screen, title, values)
    _show_doubts(screen, found)


def _show_values(screen: Console, title: str, values: Sequence[ComparedValue]) -> None:
    changed = [one for one in values if one.changed_calls]
    if any(one.value for one in changed):
        rows = [(one.value or "-", *_numbers(one)) for one in changed[:ROWS]]
        screen.print(table((title, *NUMBERS), rows, right=NUMBERS))
        if len(changed) > ROWS:
            screen.print(f"… and {len(changed) - ROWS:,} more")


def _show_doubts(screen: Console, found: Otherwise) -> None:
    total = found.total
    if not total.changed_calls:
        screen.print(Text("No call would have been different.", "yellow"))
    if total.not_repriced_calls:
        told = f"{total.not_repriced_calls:,} calls could not be priced again, and are in neither sum: they have cost "
        screen.print(Text(told, "yellow").append_text(dollars(total.not_repriced_cost)).append("."), soft_wrap=True)
    for one in found.not_priced:
        screen.print(Text(f"  {one.provider} {one.model or '-'}: {one.reason}", "yellow"), soft_wrap=True)
    if total.unknown_calls:
        told = f"Of {total.unknown_calls:,} calls the cost is not known: they are in neither sum."
        screen.print(Text(told, "yellow"))
    if found.streamed_calls:
        told = f"{found.streamed_calls:,} of the calls were streamed: somebody has waited for them."
        screen.print(Text(told, "yellow"))
    screen.print("Each call is priced at its own moment, with as many tokens as it had; another model may use more.")


def _names(one: ComparedModel) -> str:
    old, new = f"{one.provider} {one.model or '-'}", f"{one.new_provider} {one.new_model or '-'}"
    return old if old == new else f"{old} → {new}"


def _numbers(one: Compared) -> tuple[RenderableType, ...]:
    share = f"{one.delta / one.old_cost:+.1%}" if one.old_cost and one.delta is not None else ""
    costs = dollars(one.old_cost), dollars(one.new_cost), dollars(one.delta)
    return (count(one.calls), count(one.changed_calls), *costs, share)
