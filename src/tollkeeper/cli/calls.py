"""`tollkeeper calls`: the log of calls; with an id, everything about one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_connection, add_filters, add_range, answer, narrowed, run
from tollkeeper.cli.tables import count, dollars, milliseconds, table, when
from tollkeeper.client import asks
from tollkeeper.client.answers import Attempt, CallDetail, CallRow, CallsPage

COLUMNS = ("When", "Provider", "Model", "Tenant", "Feature", "Input", "Output", "Took", "Cost", "Id")
NUMBERS = ("Input", "Output", "Took", "Cost")


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper calls", description=__doc__)
    flags.add_argument("id", nargs="?", help="the id of a call")
    add_range(flags)
    kinds = flags.add_mutually_exclusive_group()
    for outcome, meaning in (
        ("succeeded", "only those that were answered"), ("failed", "only those that were not"),
        ("unpriced", "only those without a price"), ("unmeasured", "only those whose usage nobody knows"),
    ):  # fmt: skip
        kinds.add_argument(f"--{outcome}", dest="outcome", action="store_const", const=outcome, help=meaning)
    flags.add_argument("--dearest", action="store_true", help="the dearest first, not the newest")
    flags.add_argument("--limit", type=int, default=20, help="how many (default: %(default)s)")
    flags.add_argument("--cursor", help="where the page before ended")
    add_filters(flags)
    add_connection(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("calls", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    if options.id is not None:
        return answer(options, asks.call(options.id), _show_one)
    ask = asks.calls(
        **narrowed(options), outcome=options.outcome, order="dearest" if options.dearest else "newest",
        limit=options.limit, cursor=options.cursor,
    )  # fmt: skip
    return answer(options, ask, _show)


def _show(screen: Console, page: CallsPage) -> None:
    screen.print(table(COLUMNS, map(_row, page.calls), right=NUMBERS) if page.calls else "No calls.")
    if page.next_cursor is not None:
        screen.print(Text(f"More: --cursor {page.next_cursor}", "dim"), soft_wrap=True)


def _row(row: CallRow) -> Sequence[Any]:
    cost = Text(row.error_type or "", "red") if row.outcome == "failed" and row.cost is None else _cost(row)
    return (
        when(row.started_at), row.provider, row.model or "-", row.tenant or "-", row.feature or "-",
        count(row.prompt_tokens), count(row.completion_tokens), milliseconds(row.duration_ms), cost, row.id,
    )  # fmt: skip


def _cost(row: CallRow) -> Text:
    return Text("unpriced", "yellow") if row.price_status == "unpriced" and row.cost is None else dollars(row.cost)


def _show_one(screen: Console, call: CallDetail) -> None:
    screen.print(Text(call.id, "bold"))
    for attempt in call.attempts:
        _show_attempt(screen, attempt)


def _show_attempt(screen: Console, attempt: Attempt) -> None:
    known = {
        "attempt": attempt.attempt,
        "when": when(attempt.started_at),
        "took": milliseconds(attempt.duration_ms),
        "provider": attempt.provider,
        "model": attempt.model,
        "asked for": attempt.request_model if attempt.request_model != attempt.model else None,
        "endpoint": attempt.endpoint,
        "outcome": attempt.outcome,
        "error": " ".join(str(each) for each in (attempt.status_code, attempt.error_type) if each is not None),
        "usage": ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in attempt.usage.items()),
        "counted by": attempt.usage_source,
        "tags": " ".join(f"{name}={value}" for name, value in _tags(attempt).items()),
        "reported by": attempt.emitter,
        "retracted": attempt.retracted,
    }
    for name, value in known.items():
        if value:
            screen.print(Text.assemble((f"  {name:<12}", "dim"), str(value)), soft_wrap=True)
    for item in attempt.line_items:
        screen.print(Text(f"    {item.formula}"), soft_wrap=True)
    screen.print(Text.assemble(("  cost        ", "dim"), (attempt.formula, "green")), soft_wrap=True)
    for correction in attempt.adjustments:
        told = f"  re-priced {when(correction.recorded_at)} by {correction.author}: {correction.reason}"
        screen.print(Text(told), soft_wrap=True)
    if attempt.conflicts:
        told = f"  reported {len(attempt.conflicts)} more time(s) with other content, which is not counted"
        screen.print(Text(told, "yellow"))


def _tags(attempt: Attempt) -> dict[str, str]:
    named = {name: getattr(attempt, name) for name in
             ("tenant", "project", "user", "session", "service", "feature", "config")}  # fmt: skip
    return {**{name: value for name, value in named.items() if value is not None}, **attempt.tags}
