"""What the views for SQL say is what the ledger says, to the nano-dollar, with all that was corrected since."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.ledger.drawn import DAY, HOUR, NOON, SECOND, call, entry
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Adjustment, Retraction, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text()
VIEWS = ("v_calls", "v_retracted_calls", "v_adjustments", "v_daily_costs", "v_hourly_costs")
NANO = Decimal("1e-9")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Calls of three days: of some the price was lost, found, or changed twice; some are in no total any more."""
    opened = Database(database_url)
    opened.migrate()
    ledger, dice = SqlLedger(opened), random.Random(8)
    made = []
    for number in range(120):
        changes: dict[str, Any] = {"started_at": NOON + number * HOUR // 2 + 123_456_789}
        if number % 10 == 1:
            changes |= {"status_code": 429, "error_type": "limit", "usage_source": "unknown", "cost": None}
        elif number % 10 == 2:
            changes |= {"cost": None, "price_status": "unpriced"}
        made.append(call(number, **changes))
    ledger.record([entry(one) for one in made])
    ledger.adjust("r1", [Adjustment(one.id, 1, dice.randrange(10**9)) for one in made[:40]], "ann", "new prices")
    ledger.adjust("r2", [Adjustment(one.id, 1, None) for one in made[30:50]], "ben", "no price")
    ledger.adjust("r3", [Adjustment(one.id, 1, 0) for one in made[45:60]], "ann", "free")
    ledger.retract([Retraction(one.id, 1, "nested") for one in made[20:35]])
    yield opened
    opened.close()


def read(database: Database, statement: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(text(statement))]


def test_calls_sum_to_what_the_ledger_says(database: Database) -> None:
    groups = SqlLedger(database).usage(UsageQuery(0, 2**63 - 1, ("tenant",)))
    found = read(
        database,
        "SELECT tenant, count(*) AS calls, sum(CASE WHEN is_failed THEN 1 ELSE 0 END) AS failed,"
        " sum(CASE WHEN is_unpriced THEN 1 ELSE 0 END) AS unpriced, sum(input_tokens) AS tokens,"
        " sum(nano_usd) AS nano_usd, count(nano_usd) AS costed FROM v_calls GROUP BY tenant ORDER BY tenant",
    )
    assert [tuple(row.values()) for row in found] == [
        (row.group[0], row.totals.calls, row.totals.failed, row.totals.unpriced, row.totals.input_tokens,
         row.totals.nano_usd, row.totals.costed)
        for row in groups
    ]  # fmt: skip
    assert sum(row["calls"] for row in found) == 105
    assert len(read(database, "SELECT * FROM v_retracted_calls")) == 15


@pytest.mark.parametrize(
    ("view", "column", "length"), [("v_daily_costs", "day", DAY), ("v_hourly_costs", "hour", HOUR)]
)
def test_rollups_sum_to_what_the_ledger_says(database: Database, view: str, column: str, length: int) -> None:
    interval = "day" if length == DAY else "hour"
    wanted = {
        (row.bucket, *row.group): row.totals
        for row in SqlLedger(database).usage(UsageQuery(0, 2**63 - 1, ("tenant", "user"), interval=interval))  # type: ignore[arg-type]
    }
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in read(database, f"SELECT * FROM {view}"):
        key = (moment(row[column]), row["tenant"], row["user_id"])
        sums = found.setdefault(key, [0, 0, 0])
        for place, name in enumerate(("calls", "nano_usd", "calls_with_cost")):
            sums[place] += row[name] or 0
        assert (row["nano_usd"] is None) == (row["usd"] is None)
    assert found == {key: [sums.calls, sums.nano_usd, sums.costed] for key, sums in wanted.items()}


def test_each_call_costs_what_the_ledger_says(database: Database) -> None:
    kept = {one.call.id: one for one in SqlLedger(database).select_calls(0, 2**63 - 1)}
    rows = {row["call_id"]: row for row in read(database, "SELECT * FROM v_calls")}
    assert rows.keys() == kept.keys()
    for id, row in rows.items():
        assert (row["nano_usd"], bool(row["is_unpriced"])) == (kept[id].nano_usd, kept[id].unpriced)
        assert moment(row["started_at"]) == kept[id].call.started_at // 1000 * 1000
        assert row["duration_seconds"] == kept[id].call.duration
        if row["nano_usd"] is not None:
            assert Decimal(row["usd"]).quantize(NANO) == row["nano_usd"] * NANO
    adjusted = read(database, "SELECT * FROM v_adjustments")
    assert sum(bool(row["is_retracted"]) for row in adjusted) == 20
    assert {row["author"] for row in adjusted} == {"ann", "ben"}


def test_every_column_is_documented(database: Database) -> None:
    for view in VIEWS:
        section = PAGE.partition(f"`{view}`\n")[2].partition("\n#")[0]
        listed = [name for line in re.findall(r"^\| (`.*?`) \|", section, re.M) for name in re.findall("`(.*?)`", line)]
        with database.read() as connection:
            columns = list(connection.execute(text(f"SELECT * FROM {view}")).keys())
        assert sorted(listed) == sorted(columns), view


def moment(value: Any) -> int:
    """Nanoseconds since the epoch."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000
