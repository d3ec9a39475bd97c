"""What goes into the ledger: once, whole, and whatever else is in the batch."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from storage.ledger.drawn import NOON, call, changed, entries, entry, totals, uuid7
from telemetry.drawn import calls as drawn_calls
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, Entry, LedgerUnavailable, Totals, UsageQuery
from tollkeeper.storage.ledger.dimensions import Dimensions
from tollkeeper.storage.ledger.rows import call_of
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.ledger.tables import CALLS, CONFLICTS

EVERYTHING = UsageQuery(0, 2**63 - 1)


def stored(database: Database) -> list[Call]:
    with database.read() as connection:
        return [call_of(row._mapping) for row in connection.execute(select(CALLS).order_by(CALLS.c.id))]


def test_a_batch_is_kept_and_summed(ledger: SqlLedger, database: Database) -> None:
    batch = entries(50)
    assert ledger.record(batch) == (50, 0, 0, ())
    assert stored(database) == sorted((one.call for one in batch), key=lambda one: one.id)
    assert [row.totals for row in ledger.usage(EVERYTHING)] == [totals(one.call for one in batch)]


def test_nothing_is_a_batch_too(ledger: SqlLedger) -> None:
    assert ledger.record([]) == (0, 0, 0, ())
    assert ledger.usage(EVERYTHING) == []


@given(batch=st.lists(drawn_calls, max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_call_comes_back_as_it_was(ledger: SqlLedger, database: Database, batch: list[Call]) -> None:
    """Every field, with any text and any number in it, in both databases."""
    with database.write() as connection:
        connection.execute(CALLS.delete())
    unique = {(one.id, one.attempt): one for one in batch}
    assert ledger.record([entry(one) for one in unique.values()]).new == len(unique)
    found = {(one.id, one.attempt): one for one in stored(database)}
    assert found == unique


def test_the_same_again_is_a_duplicate(ledger: SqlLedger) -> None:
    batch = entries(20)
    ledger.record(batch[:10])
    assert ledger.record(batch) == (10, 10, 0, ())
    assert ledger.record(batch[::-1] + batch) == (0, 40, 0, ())
    assert ledger.usage(EVERYTHING)[0].totals == totals(one.call for one in batch)


def test_an_attempt_is_a_call_of_its_own(ledger: SqlLedger) -> None:
    first = call(1)
    second = dataclasses.replace(first, attempt=2)
    assert ledger.record([entry(second), entry(first)]).new == 2
    assert [row["attempt"] for row in ledger.call(first.id)] == [1, 2]


def test_other_content_is_a_conflict_and_is_kept(ledger: SqlLedger, database: Database) -> None:
    """The first report stays, the other is kept beside it, once, and counts nowhere."""
    first = entry(call(1))
    other = changed(first, status_code=500)
    ledger.record([first])
    assert ledger.record([other]) == (0, 0, 1, ())
    assert ledger.record([other, first]) == (0, 2, 0, ())
    assert stored(database) == [first.call]
    assert ledger.usage(EVERYTHING)[0].totals == totals([first.call])
    (row,) = ledger.call(first.call.id)
    (conflict,) = row["conflicts"]
    assert conflict["digest"] == other.digest.hex()


def test_a_conflict_within_one_batch(ledger: SqlLedger, database: Database) -> None:
    first = entry(call(1))
    batch = [first, changed(first, status_code=500), first, changed(first, status_code=501)]
    assert ledger.record(batch) == (1, 1, 2, ())
    assert stored(database) == [first.call]


def test_others_never_conflict(ledger: SqlLedger) -> None:
    """A span and an event of one call differ."""
    span = entry(call(1), "opentelemetry.instrumentation.openai")
    event = changed(span, duration=9.0)
    assert ledger.record([span]).new == 1
    assert ledger.record([event, event._replace(emitter="tollkeeper")]) == (0, 2, 0, ())


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("started_at", -1, "started_at"),
        ("started_at", 2**63, "started_at"),
        ("started_at", "now", "started_at"),
        ("attempt", 2**31, "attempt"),
        ("attempt", None, "attempt"),
        ("id", "", "no id"),
        ("id", 7, ""),
        ("stream", None, "stream"),
        ("status_code", 2**64, "status_code"),
        ("tags", {"tenant": 7}, "text"),
        ("tags", None, ""),
        ("usage", Usage(input_tokens="many"), "count"),  # type: ignore[arg-type]
        ("duration", "long", ""),
        ("cost", Cost(Decimal("NaN"), "catalog"), ""),
        ("parameters", {"gen_ai.request.x": ENDLESS}, ""),
        ("error_type", [], "text"),
    ],
)
def test_a_bad_entry_does_not_cost_the_others(ledger: SqlLedger, field: str, value: Any, reason: str) -> None:
    good = entries(5)
    bad = Entry(dataclasses.replace(call(9), **{field: value}), b"0" * 16)
    recorded = ledger.record([*good[:2], bad, *good[2:]])
    assert recorded.new == 5
    (rejected,) = recorded.rejected
    assert reason in rejected.reason
    assert ledger.usage(EVERYTHING)[0].totals == totals(one.call for one in good)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 100_000, "é" * 3000, "'; DROP TABLE calls; --", "😀\ud83d"])
def test_odd_texts_are_kept_exactly(ledger: SqlLedger, database: Database, text: str) -> None:
    """Whatever a column cannot hold is in the details; what it holds can be asked for."""
    odd = dataclasses.replace(
        call(1), id=text, error_type=text, response_model=text, endpoint=text, trace_id=text, finish_reasons=(text,),
        tags={"tenant": text, text: text}, server_address=text, cost=Cost(Decimal(1), "catalog", (), text),
    )  # fmt: skip
    assert ledger.record([Entry(odd, b"0" * 16), *entries(2, 5)]).new == 3
    assert odd in stored(database)
    assert ledger.call(text)[0]["id"] == text
    (row,) = [
        row for row in ledger.usage(EVERYTHING._replace(group_by=("tenant",))) if row.group[0] not in ("t2", "t0")
    ]
    rows, _ = ledger.calls(CallQuery(filters={"tenant": row.group}))
    assert [one["id"] for one in rows] == [text]
    assert len(ledger.find_in_trace([text])) == 1


def test_ids_that_cannot_be_held_stay_distinct(ledger: SqlLedger) -> None:
    ids = ["a\0", "a\ufffd", "a\ud800", "x" * 5000, "x" * 5001, "sha256:" + "0" * 64]
    assert ledger.record([entry(call(number, id=id)) for number, id in enumerate(ids)]).new == len(ids)
    assert all(ledger.call(id)[0]["id"] == id for id in ids)


def test_what_cannot_be_true_is_unknown(ledger: SqlLedger, database: Database) -> None:
    """A trillion tokens would spoil every sum; they are kept with the call, and nowhere else."""
    odd = call(
        1, usage=Usage(2**60, -5), cost=Cost(Decimal(10) ** 12, "provider"), duration=-1.0, time_to_first_chunk=1e30
    )
    ledger.record([entry(odd)])
    assert stored(database) == [odd]
    (row,) = ledger.usage(EVERYTHING)
    assert row.totals == Totals(calls=1, unmeasured=1)


def test_not_a_number_is_kept_as_unknown(ledger: SqlLedger, database: Database) -> None:
    ledger.record([entry(call(1, duration=math.nan, time_to_first_chunk=math.inf))])
    (kept,) = stored(database)
    assert kept.duration is not None
    assert math.isnan(kept.duration)
    assert kept.time_to_first_chunk == math.inf


def test_meters_of_anybodys_making(ledger: SqlLedger, database: Database) -> None:
    """What names the meter may have come from outside."""
    item = LineItem('in"put', 1, Decimal(1), Decimal(1), 'mo"del')  # type: ignore[arg-type]
    odd = call(1, cost=Cost(Decimal(1), "catalog", (item,), "v"))
    ledger.record([entry(odd)])
    assert stored(database) == [odd]


def test_dimensions_whose_hashes_are_the_same(database: Database) -> None:
    """Each still has an id of its own, in every process."""
    batch = entries(30)
    for half in (batch[:20], batch[10:]):
        ledger = SqlLedger(database, dimensions=Dimensions(lambda values, tried: tried))
        ledger.record(half)
    rows = ledger.usage(EVERYTHING._replace(group_by=("tenant", "user")))
    assert len(rows) == 21
    assert sum(row.totals.calls for row in rows) == 30
    assert ledger.check_rollups(0, 2**63 - 1) == []


def test_ids_of_every_month_and_of_none(ledger: SqlLedger) -> None:
    """PostgreSQL has a partition for each month that comes, and one for ids that have no month."""
    months = [call(number, started_at=NOON + number * 30 * 86_400 * 10**9) for number in range(24)]
    odd = [
        call(100 + number, id=id) for number, id in enumerate(("x", uuid7(1, 10**15), "f" * 36, uuid7(2, 5 * 10**18)))
    ]
    assert ledger.record([entry(one) for one in (*months, *odd)]).new == 28
    assert ledger.record([entry(one) for one in (*months, *odd)]).duplicates == 28
    assert all(ledger.call(one.id) for one in (*months, *odd))


def test_a_locked_database_is_said_to_be(database_url: str, database: Database) -> None:
    """The caller can come again with the same batch; nothing of it was kept."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL locks rows, and waits for them")
    impatient = Database(database_url, busy_milliseconds=20)
    ledger = SqlLedger(impatient)
    with database.write(), pytest.raises(LedgerUnavailable, match="locked"):
        ledger.record(entries(3))
    assert ledger.record(entries(3)).new == 3
    impatient.close()


def test_a_lost_connection_is_said_to_be(database_url: str, database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no connection to lose")
    ledger = SqlLedger(database)
    ledger.record(entries(1))
    other = Database(database_url)
    with other.read() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(LedgerUnavailable):
        ledger.record(entries(3))
    assert ledger.record(entries(3)) == (2, 1, 0, ())
    other.close()


def test_a_full_disk_is_said_to_be(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("a PostgreSQL server's disk cannot be filled from here")
    with database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @event.listens_for(database.engine, "checkout")
    def _limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages + 10}")

    ledger = SqlLedger(database)
    with pytest.raises(LedgerUnavailable, match="full"):
        ledger.record(entries(2000))
    event.remove(database.engine, "checkout", _limit)
    database.engine.dispose()
    assert ledger.usage(EVERYTHING) == []
    assert ledger.record(entries(2000)).new == 2000
    assert ledger.check_rollups(0, 2**63 - 1) == []


def test_conflicts_are_rows(ledger: SqlLedger, database: Database) -> None:
    first = entry(call(1))
    ledger.record([first, changed(first, status_code=500)])
    with database.read() as connection:
        assert len(connection.execute(select(CONFLICTS)).all()) == 1
