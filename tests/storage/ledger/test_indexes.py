"""The questions that people ask are answered by indexes: what the ledger truly sends is explained here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from storage.ledger.drawn import DAY, NOON, call, entry
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

MONTH = UsageQuery(NOON - 20 * DAY, NOON + 10 * DAY)
QUESTIONS: dict[str, tuple[Callable[[SqlLedger], Any], str]] = {
    "daily cost by tenant": (
        lambda ledger: ledger.usage(MONTH._replace(group_by=("tenant",), interval="day")),
        "usage_daily_broad",
    ),
    "cost by model": (lambda ledger: ledger.usage(MONTH._replace(group_by=("model",))), "usage_daily_broad"),
    "cost by operation and feature": (
        lambda ledger: ledger.usage(MONTH._replace(group_by=("operation", "feature"), filters={"service": ("a",)})),
        "usage_daily_broad",
    ),
    "cost of a user in New York": (
        lambda ledger: ledger.usage(MONTH._replace(filters={"user": ("u1",)}, interval="day", zone="America/New_York")),
        "usage_hourly",
    ),
    "failed calls of a tenant": (
        lambda ledger: ledger.calls(CallQuery(filters={"tenant": ("t1",)}, outcome="failed", limit=20)),
        "calls",
    ),
    "dearest calls of a month": (
        lambda ledger: ledger.calls(CallQuery(MONTH.start, MONTH.end, order="dearest")),
        "calls",
    ),
    "newest calls without a price": (
        lambda ledger: ledger.calls(CallQuery(MONTH.start, MONTH.end, outcome="unpriced")),
        "calls",
    ),
    "newest call of each provider": (lambda ledger: ledger.newest(MONTH.end), "calls"),
    "newest calls": (lambda ledger: ledger.calls(CallQuery(MONTH.start, MONTH.end)), "calls"),
    "a call": (lambda ledger: ledger.call("x"), "calls"),
    "calls of a trace": (lambda ledger: ledger.find_in_trace(["a", "b"]), "calls"),
    "calls of a trace in a range": (
        lambda ledger: ledger.calls(CallQuery(ledger._clock() - 30 * DAY, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")),
        "calls",
    ),
    "calls to be re-priced": (lambda ledger: list(ledger.select_calls(MONTH.start, MONTH.end)), "calls"),
}


def explained(database: Database, ask: Callable[[], Any]) -> str:
    """The plans of every statement that is sent meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    plans = []
    with database.write() as connection:
        if not database.is_sqlite:
            # With so few rows it would rather read them all, and be right.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in sent:
            if statement.lstrip().startswith("SELECT"):
                explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
                rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
                plans += [str(row[-1]) for row in rows]
    return "\n".join(plans)


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_reads_a_whole_table(ledger: SqlLedger, database: Database, name: str) -> None:
    ledger.record([entry(call(number, started_at=NOON - number * DAY, trace_id="a")) for number in range(5)])
    ask, table = QUESTIONS[name]
    plan = explained(database, lambda: ask(ledger))
    if database.is_sqlite:
        alias = "r" if table.startswith("usage") else table
        assert f"SEARCH {alias} USING" in plan, plan
        assert "SCAN calls" not in plan, plan
        assert "SCAN r" not in plan, plan
    else:
        assert f"Seq Scan on {table}" not in plan, plan
        assert "Index" in plan, plan


def test_the_partial_and_the_day_index_are_used(ledger: SqlLedger, database: Database) -> None:
    """The names, where the database tells them."""
    if not database.is_sqlite:
        pytest.skip("the names of a partition's indexes are PostgreSQL's own")
    ledger.record([entry(call(1, started_at=MONTH.start))])
    for name, index in (
        ("failed calls of a tenant", "ix_calls_failed"),
        ("dearest calls of a month", "ix_calls_dearest"),
        ("calls of a trace", "ix_calls_trace"),
        ("calls of a trace in a range", "ix_calls_trace"),
        ("newest calls", "ix_calls_started_at"),
    ):
        ask = QUESTIONS[name][0]
        assert index in explained(database, lambda ask=ask: ask(ledger)), name  # type: ignore[misc]
