"""Calls are kept for a time; their sums for longer. What was deleted is never counted again."""

from __future__ import annotations

from sqlalchemy import func, select

from storage.ledger.drawn import DAY, HOUR, NOON, call, entry
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Retraction, Started, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.ledger.tables import CALLS, CONFLICTS, RETRACTIONS, STARTED

ALWAYS = 2**63 - 1
BY_DAY = UsageQuery(0, ALWAYS, ("tenant",), interval="day")


def count(database: Database, table: object) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)  # type: ignore[arg-type]


def test_old_calls_go_and_their_sums_stay(ledger: SqlLedger, database: Database) -> None:
    calls = [call(number, started_at=NOON + number * 10 * DAY) for number in range(20)]
    batch = [entry(one) for one in calls]
    ledger.record(batch)
    ledger.record([entry(call(0, started_at=NOON, status_code=500))])
    ledger.retract([Retraction(calls[1].id, 1, "x")])
    ledger.mark_started([Started(calls[0])])
    before = ledger.usage(BY_DAY)
    assert ledger.prune(calls[10].started_at) == 10
    assert ledger.usage(BY_DAY) == before
    assert [count(database, table) for table in (CALLS, CONFLICTS, RETRACTIONS, STARTED)] == [10, 0, 0, 0]
    assert ledger.prune(calls[10].started_at) == 0


def test_what_was_deleted_is_not_counted_again(ledger: SqlLedger, database: Database) -> None:
    """A repeat of it cannot be told from a late call: both are refused, with the reason."""
    batch = [entry(call(number, started_at=NOON + number * 10 * DAY)) for number in range(20)]
    ledger.record(batch)
    before = ledger.usage(BY_DAY)
    ledger.prune(batch[10].call.started_at)
    recorded = SqlLedger(database).record(batch)
    assert (recorded.new, recorded.duplicates, len(recorded.rejected)) == (0, 10, 10)
    assert "before the calls that are kept" in recorded.rejected[0].reason
    assert ledger.usage(BY_DAY) == before


def test_the_horizon_never_goes_back(ledger: SqlLedger) -> None:
    ledger.prune(NOON)
    ledger.prune(NOON - DAY)
    assert len(ledger.record([entry(call(1, started_at=NOON - HOUR))]).rejected) == 1


def test_a_call_whose_id_is_of_another_month(ledger: SqlLedger) -> None:
    """Its clock was wrong: it stays until its own time has come."""
    odd = call(1, id=call(2, started_at=NOON).id, started_at=NOON + 90 * DAY)
    plain = call(3, started_at=NOON)
    ledger.record([entry(odd), entry(plain)])
    assert ledger.prune(NOON + 60 * DAY) == 1
    assert ledger.call(odd.id)
    assert ledger.prune(NOON + 100 * DAY) == 1
    assert not ledger.call(odd.id)


def test_months_that_another_process_dropped(ledger: SqlLedger, database: Database) -> None:
    """A writer that knew of the partition finds it gone, and makes it again."""
    other = SqlLedger(database)
    first = call(1, started_at=NOON)
    other.record([entry(first)])
    assert ledger.prune(NOON + 60 * DAY) == 1
    late = call(2, id=call(5, started_at=NOON).id, started_at=NOON + 90 * DAY)
    assert other.record([entry(late)]).new == 1


def test_more_than_one_step(ledger: SqlLedger, database: Database) -> None:
    ledger.record([entry(call(number, started_at=NOON, id=f"plain-{number}")) for number in range(5200)])
    ledger.record([entry(call(6000, started_at=NOON + DAY))])
    assert ledger.prune(NOON + HOUR) == 5200
    assert count(database, CALLS) == 1
    assert ledger.usage(UsageQuery(0, ALWAYS))[0].totals.calls == 5201


def test_rollups_have_a_horizon_of_their_own(ledger: SqlLedger) -> None:
    ledger.record([entry(call(number, started_at=NOON + number * DAY)) for number in range(10)])
    ledger.prune(NOON + 8 * DAY, rollups_before=NOON + 5 * DAY)
    left = [row.bucket for row in ledger.usage(UsageQuery(0, ALWAYS, interval="day"))]
    assert left == [NOON - NOON % DAY + number * DAY for number in range(5, 10)]


def test_sums_of_deleted_calls_are_neither_checked_nor_made_again(ledger: SqlLedger) -> None:
    ledger.record([entry(call(number, started_at=NOON + number * DAY)) for number in range(10)])
    before = ledger.usage(BY_DAY)
    ledger.prune(NOON + 5 * DAY)
    assert ledger.check_rollups(0, ALWAYS) == []
    ledger.rebuild_rollups(0, ALWAYS)
    assert ledger.usage(BY_DAY) == before


def test_an_hour_that_can_no_longer_be_divided(ledger: SqlLedger) -> None:
    """In a zone of half hours, all of it belongs to the day in which it begins."""
    zone = UsageQuery(0, ALWAYS, interval="day", zone="Asia/Kolkata")  # a day begins at 18:30 UTC
    evening = NOON + 6 * HOUR
    calls = [call(number, started_at=evening + number * HOUR // 4) for number in range(4)]
    ledger.record([entry(one) for one in calls])
    assert [row.totals.calls for row in ledger.usage(zone)] == [2, 2]
    ledger.prune(evening + DAY)
    assert [row.totals.calls for row in ledger.usage(zone)] == [4]
