"""Retention: calls are deleted after a time; what was summed of them stays.

What was deleted can be told from what never came only by its age. So the moment is noted first, and from then on older
calls are rejected: else a repeat of a deleted one would be counted again.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, exists, func, select, text

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import partitions
from tollkeeper.storage.ledger.months import OTHERS, month_at
from tollkeeper.storage.ledger.store import Store, pruned_before
from tollkeeper.storage.ledger.tables import (
    ADJUSTMENTS,
    CALLS,
    CONFLICTS,
    DAILY,
    DAILY_BROAD,
    HOURLY,
    HOURLY_BROAD,
    NS_A_DAY,
    NS_AN_HOUR,
    RETRACTIONS,
    STARTED,
)

ROWS_AT_ONCE = 5_000
"""In one transaction: others want to write too."""

_NOTE = text(
    "INSERT INTO ledger_state (name, value) VALUES ('pruned_before', :moment) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


def prune(database: Database, store: Store, before: int, rollups_before: int) -> int:
    """Delete what started before, in small steps. Returns how many calls were deleted."""
    with database.write() as connection:
        store.begin_pruning(connection)
        if before > pruned_before(connection):
            connection.execute(_NOTE, {"moment": before})
    count = 0 if database.is_sqlite else _drop_partitions(database, before)
    count += _delete(database, CALLS, before)
    for table in (ADJUSTMENTS, CONFLICTS, RETRACTIONS, STARTED):
        _delete(database, table, before)
    for table, length in ((HOURLY, NS_AN_HOUR), (HOURLY_BROAD, NS_AN_HOUR), (DAILY, NS_A_DAY), (DAILY_BROAD, NS_A_DAY)):
        with database.write() as connection:
            connection.execute(delete(table).where(table.c.bucket < rollups_before // length))
    return count


def _delete(database: Database, table: Table, before: int) -> int:
    moment = table.c.started_at
    oldest = select(moment).where(moment < before).order_by(moment)
    count, more = 0, True
    while more:
        with database.write() as connection:
            last = connection.execute(oldest.offset(ROWS_AT_ONCE - 1).limit(1)).scalar()
            more = last is not None
            chosen = moment <= last if more else moment < before
            count += connection.execute(delete(table).where(chosen)).rowcount
    return count


def _drop_partitions(database: Database, before: int) -> int:
    """Drop the months that are over. One that has a younger call, from a clock that was wrong, is left to `_delete`."""
    count = 0
    with database.read() as connection:
        months = [month for month in partitions.existing(connection) if OTHERS < month < month_at(before)]
    for month in sorted(months):
        with database.write() as connection:
            count += _drop(connection, month, before)
    return count


def _drop(connection: Connection, month: int, before: int) -> int:
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (partitions.LOCK,))
    if month not in partitions.existing(connection):
        return 0
    of_month = CALLS.c.month == month
    younger = select(exists().where(of_month, CALLS.c.started_at >= before))
    if connection.execute(younger).scalar():
        return 0
    count = int(connection.execute(select(func.count()).select_from(CALLS).where(of_month)).scalar() or 0)
    # The whole table first, as everybody else does. Whoever waits for it holds up others, so it is given up soon.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    connection.exec_driver_sql("LOCK TABLE ONLY calls IN ACCESS EXCLUSIVE MODE")
    if connection.execute(younger).scalar():
        return 0
    connection.exec_driver_sql(f"DROP TABLE {partitions.name(month)}")
    return count
