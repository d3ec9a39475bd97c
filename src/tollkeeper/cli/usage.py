"""`tollkeeper usage`: what was used and what it cost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import DIMENSIONS, add_connection, add_filters, add_range, answer, narrowed, run
from tollkeeper.cli.tables import count, dollars, failures, table
from tollkeeper.client import asks
from tollkeeper.client.answers import Group, Usage

NUMBERS = ("Calls", "Failed", "Input", "Cached", "Output", "Cost")


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper usage", description=__doc__)
    add_range(flags)
    flags.add_argument(
        "--by", action="append", choices=DIMENSIONS, metavar="NAME",
        help=f"a line for each; several times. One of {', '.join(DIMENSIONS)} (default: model)",
    )  # fmt: skip
    flags.add_argument("--interval", choices=("hour", "day", "week", "month"), help="a line for each")
    add_filters(flags)
    add_connection(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("usage", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    by = options.by or ([] if options.interval else ["model"])
    ask = asks.usage(**narrowed(options), group_by=by, interval=options.interval)
    return answer(options, ask, _show)


def _show(screen: Console, usage: Usage) -> None:
    last = usage.end - timedelta(microseconds=1)
    screen.print(Text(f"{usage.start:%Y-%m-%d} to {last:%Y-%m-%d}, {usage.zone}", "bold"))
    names = list(usage.group_by)
    columns = [*([usage.interval.title()] if usage.interval else []), *(name.title() for name in names), *NUMBERS]
    groups = usage.groups if usage.interval else sorted(usage.groups, key=lambda one: (-(one.cost or 0), -one.calls))
    rows = [
        [*_when(group, usage.interval), *(group.group[name] or "-" for name in names), *_cells(group)]
        for group in groups
    ]
    screen.print(table(columns, rows, right=NUMBERS) if rows else "No calls.")
    total = Text(f"In all: {usage.total_calls:,} calls, ")
    total.append_text(Text.assemble(str(count(usage.total_tokens)), " tokens, ", dollars(usage.total_cost)))
    screen.print(total)
    if usage.unpriced_calls:
        told = f"{usage.unpriced_calls:,} calls have no price, and are in no sum of money: tollkeeper prices unpriced"
        screen.print(Text(told, "yellow"))
    if usage.unmeasured_calls:
        screen.print(Text(f"Of {usage.unmeasured_calls:,} answered calls nobody knows the usage.", "yellow"))


def _when(group: Group, interval: str | None) -> list[str]:
    if group.start is None:
        return []
    form = {"hour": "%Y-%m-%d %H:%M %z", "month": "%Y-%m"}.get(interval or "", "%Y-%m-%d")
    return [group.start.strftime(form)]


def _cells(group: Group) -> list[str | Text]:
    cells = (
        count(group.calls), failures(group.failed_calls), count(group.prompt_tokens), count(group.cache_read_tokens),
        count(group.completion_tokens), dollars(group.cost, group.unpriced_calls),
    )  # fmt: skip
    return [cell if isinstance(cell, Text) else str(cell) for cell in cells]
