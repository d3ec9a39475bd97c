"""Whether the rollups are the sums of the calls, and making them so."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, func, select

from tollkeeper.model.calendar import Span
from tollkeeper.storage.ledger.asked import Asked
from tollkeeper.storage.ledger.contract import DIMENSIONS, Difference, Totals
from tollkeeper.storage.ledger.dimensions import Dimensions, Places, broadened
from tollkeeper.storage.ledger.rollups import ZERO, Hours, add
from tollkeeper.storage.ledger.store import TOTALS, Store, pruned_before
from tollkeeper.storage.ledger.tables import (
    CALLS,
    DAILY,
    DAILY_BROAD,
    DIMENSION_VALUES,
    HOURLY,
    HOURLY_BROAD,
    NS_A_DAY,
    NS_AN_HOUR,
)
from tollkeeper.storage.ledger.usage import Found, gather

ROLLUPS = ((HOURLY, NS_AN_HOUR), (DAILY, NS_A_DAY), (HOURLY_BROAD, NS_AN_HOUR), (DAILY_BROAD, NS_A_DAY))
"""Each with the length of its buckets."""

Sums = dict[tuple[int, tuple[str, ...]], tuple[int, ...]]
"""(bucket, dimension values) -> totals."""


def days(connection: Connection, start: int, end: int) -> Iterator[int]:
    """The days of UTC, counted from the epoch, whose rollups can still be made from calls, and that have any."""
    first = max(start, pruned_before(connection))
    called = connection.execute(select(func.min(CALLS.c.started_at), func.max(CALLS.c.started_at))).one()
    counted = connection.execute(select(func.min(DAILY.c.bucket), func.max(DAILY.c.bucket))).one()
    bounds = [moment for moment in called if moment is not None]
    bounds += [day * NS_A_DAY for day in counted if day is not None]
    if bounds:
        first, last = max(first, min(bounds)), min(end - 1, max(bounds))
        first_day = first // NS_A_DAY if first > pruned_before(connection) else -(-first // NS_A_DAY)
        yield from range(first_day, last // NS_A_DAY + 1)


def differences(connection: Connection, day: int, is_sqlite: bool) -> list[Difference]:
    """Where the rollups of a day are not the sums of its calls."""
    found = []
    true = _true(connection, day, is_sqlite)
    for table, length in ROLLUPS:
        expected = _bucketed(true, table)
        held = _held(connection, table, day, length)
        for key in sorted(expected.keys() | held.keys()):
            kept, summed = held.get(key, ZERO), expected.get(key, ZERO)
            if kept != summed:
                found.append(Difference(table.name, key[0] * length, key[1], Totals(*kept), Totals(*summed)))
    return found


def rebuild(connection: Connection, store: Store, dimensions: Dimensions, day: int, is_sqlite: bool) -> Places:
    """Make the rollups of a day again. Returns the dimensions' ids, to be remembered after the commit."""
    store.lock_rollups(connection)
    hours: Hours = {key: list(sums) for key, sums in _true(connection, day, is_sqlite).items()}
    for table, length in ROLLUPS:
        first, last = day * NS_A_DAY // length, (day + 1) * NS_A_DAY // length
        connection.execute(table.delete().where(table.c.bucket >= first, table.c.bucket < last))
    return add(connection, store, dimensions, hours)


def _true(connection: Connection, day: int, is_sqlite: bool) -> Sums:
    """Sums of the calls of a day, by hour and all dimensions."""
    spans = [Span(hour, hour * NS_AN_HOUR, (hour + 1) * NS_AN_HOUR) for hour in range(day * 24, day * 24 + 24)]
    asked = Asked(DIMENSIONS, {}, is_sqlite)
    found: Found = {}
    gather(found, asked.rows(connection, *asked.calls(spans)))
    gather(found, asked.rows(connection, *asked.adjustments(spans)))
    return {(hour or 0, values): tuple(sums) for (hour, values), sums in found.items()}


def _bucketed(hourly: Sums, table: Table) -> Sums:
    sums: Sums = {}
    for (hour, values), added in hourly.items():
        bucket = hour if table in (HOURLY, HOURLY_BROAD) else hour // 24
        key = (bucket, values if table in (HOURLY, DAILY) else broadened(values))
        sums[key] = tuple(a + b for a, b in zip(sums.get(key, ZERO), added, strict=True))
    return sums


def _held(connection: Connection, table: Table, day: int, length: int) -> Sums:
    first, last = day * NS_A_DAY // length, (day + 1) * NS_A_DAY // length
    values = [DIMENSION_VALUES.c[name] for name in DIMENSIONS]
    query = (
        select(table.c.bucket, *values, *(table.c[name] for name in TOTALS))
        .join(DIMENSION_VALUES, DIMENSION_VALUES.c.id == table.c.dimension, isouter=True)
        .where(table.c.bucket >= first, table.c.bucket < last)
    )
    width = 1 + len(DIMENSIONS)
    return {(row[0], tuple(row[1:width])): tuple(row[width:]) for row in connection.execute(query)}
