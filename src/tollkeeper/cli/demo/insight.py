"""The demo's second part: a company's last three months, and what a sidecar makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tollkeeper.cli import forecast
from tollkeeper.cli.demo.office import Office
from tollkeeper.cli.demo.past import record_past
from tollkeeper.cli.tables import dollars
from tollkeeper.client import Client
from tollkeeper.client.advice import Recommendation
from tollkeeper.client.detecting import AnomalyState
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

POLICY = Path(__file__).with_name("company.toml")
DAYS = 90
EVALUATED_SECONDS = 60.0
"""A sidecar begins to evaluate within seconds of its start."""
ADVICE_SHOWN = 3

T = TypeVar("T")


def show(console: Console, report: Path, stays: bool = False) -> bool:
    """Tell what was found in three months, and write a report of it. False: something was not found.

    `stays`: with the page of it, until Ctrl-C.
    """
    calls = 0

    def fill(url: str) -> None:
        nonlocal calls
        calls = _fill(url)

    with Office(POLICY, "", fill) as office, Client(office.url) as client:
        console.print(
            Text(f"A company's last three months: {calls:,} calls, and what the sidecar makes of them", "bold")
        )
        loop = _wait_for(lambda: next(iter(client.anomalies(open=True, kind="runaway").anomalies), None))
        month = _wait_for(lambda: next(iter(client.forecasts(subject="month").forecasts), None))
        advice = _wait_for(lambda: _advice(client)) or []
        if loop is not None:
            _show_loop(console, loop)
        if month is not None:
            forecast.show_one(console, month)
        _show_advice(console, advice)
        report.write_bytes(client.report_file("daily", "pdf", days=30))
        console.print(Text.assemble("A report to hand on: ", (str(report), "cyan")))
        if stays:
            console.print(Text.assemble("Its page, until Ctrl-C: ", (office.url, "cyan underline")), soft_wrap=True)
            with suppress(KeyboardInterrupt):
                Event().wait()
    found = {
        "the loop, and its session": loop is not None and any(one.dimension == "session" for one in loop.cause),
        "the month's end, with a band": month is not None and bool(month.band) and month.high is not None,
        f"{ADVICE_SHOWN} recommendations": len(advice) >= ADVICE_SHOWN,
    }
    for what, is_found in found.items():
        if not is_found:
            console.print(Text(f"Not found: {what}. Please report it.", "bold red"))
    return all(found.values())


def _fill(url: str) -> int:
    database = Database(url)
    database.migrate()
    book = PriceBook(database)
    try:
        return record_past(SqlLedger(database), Pricer(book), time.time_ns(), DAYS)
    finally:
        book.close()
        database.close()


def _wait_for(look: Callable[[], T | None]) -> T | None:
    """What is there once it is evaluated, or nothing after some time."""
    until = time.monotonic() + EVALUATED_SECONDS
    while (found := look()) is None and time.monotonic() < until:
        time.sleep(0.2)
    return found


def _show_loop(console: Console, loop: AnomalyState) -> None:
    lines = Text("\n").join(Text(line) for line in loop.lines)
    console.print(Panel(lines, title=f"[bold red]{loop.severity}[/]: {loop.title}", title_align="left", expand=False))


def _advice(client: Client) -> list[Recommendation] | None:
    found = client.recommendations()
    return None if found.evaluated_at is None else [one for one in found.recommendations if one.saving is not None]


def _show_advice(console: Console, advice: Sequence[Recommendation]) -> None:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="What would be cheaper", title_justify="left", title_style="bold"
    )
    for name in ("", "A month", "From – to", "Sure"):
        table.add_column(name, justify="right" if name == "A month" else "left")
    best: dict[str, Recommendation] = {}
    for one in advice:  # what saves most comes first
        best.setdefault(one.kind, one)
    shown = [*best.values(), *(one for one in advice if one not in best.values())]
    for one in shown[:ADVICE_SHOWN]:
        assert one.saving is not None
        saving = one.saving
        between = Text.assemble(dollars(saving.low), " – ", dollars(saving.high))
        table.add_row(one.title, dollars(saving.mid), between, one.confidence)
    console.print(table)
