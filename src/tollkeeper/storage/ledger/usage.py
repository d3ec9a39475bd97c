"""Sums for a question: whole days and hours come from the rollups, and what is left at the edges from the calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tollkeeper.model.calendar import Span, intervals
from tollkeeper.storage.ledger.asked import Asked
from tollkeeper.storage.ledger.contract import DIMENSIONS, Totals, UsageQuery, UsageRow
from tollkeeper.storage.ledger.store import pruned_before
from tollkeeper.storage.ledger.tables import DAILY, DAILY_BROAD, HOURLY, HOURLY_BROAD, NS_A_DAY, NS_AN_HOUR

LATEST = 2**63 - 1
MOST_LOOKED_UP = 50_000
"""Rows of a rollup that are looked up one by one. Where the filters let through more, its buckets are read whole."""

Found = dict[tuple[int | None, tuple[str, ...]], list[int]]
"""(bucket, group) -> sums."""


class Parts(NamedTuple):
    """A range, taken apart: hours and days are counted from the epoch, moments are nanoseconds."""

    days: list[Span]
    hours: list[Span]
    moments: list[Span]


def usage(connection: Connection, query: UsageQuery, is_sqlite: bool) -> list[UsageRow]:
    """Answer a question. Raises `ValueError` for a zone or a dimension that there is not."""
    for name in (*query.group_by, *query.filters):
        if name not in DIMENSIONS:
            raise ValueError(f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}")
    start, end = _with_data(connection, max(query.start, 0), min(query.end, LATEST))
    spans = (
        intervals(start, end, query.interval, query.zone)
        if query.interval
        else [Span(None, start, end)] * (start < end)
    )
    parts = take_apart(spans, pruned_before(connection))
    broad = "user" not in query.group_by and "user" not in query.filters
    asked = Asked(query.group_by, query.filters, is_sqlite)
    ids = asked.dimensions(connection, broad) if query.filters else None
    found: Found = {}
    for table, part in (
        (DAILY_BROAD if broad else DAILY, parts.days),
        (HOURLY_BROAD if broad else HOURLY, parts.hours),
    ):
        if part and ids is not None and len(ids) * sum(span.end - span.start for span in part) <= MOST_LOOKED_UP:
            gather(found, asked.rows(connection, *asked.rollup_of(table, part, ids)))
        elif part:
            gather(found, asked.rows(connection, *asked.rollup(table, part)))
    if parts.moments:
        gather(found, asked.rows(connection, *asked.calls(parts.moments)))
        gather(found, asked.rows(connection, *asked.adjustments(parts.moments)))
    return [
        UsageRow(bucket, group, Totals(*sums))
        for (bucket, group), sums in sorted(found.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
        if any(sums)
    ]


def take_apart(spans: Iterable[Span], horizon: int) -> Parts:
    """Whole days, then whole hours, then what is left; neighbours in one interval become one span.

    An hour whose calls were deleted cannot be divided: all of it belongs to the interval in which it begins.
    """
    parts = Parts([], [], [])
    for bucket, start, end in spans:
        start, end = (_undivided(moment, horizon) for moment in (start, end))
        first, last = -(-start // NS_AN_HOUR), end // NS_AN_HOUR
        if first >= last:
            _put(parts.moments, bucket, start, min(end, first * NS_AN_HOUR))
            _put(parts.moments, bucket, max(start, min(end, first * NS_AN_HOUR)), end)
            continue
        _put(parts.moments, bucket, start, first * NS_AN_HOUR)
        _put(parts.moments, bucket, last * NS_AN_HOUR, end)
        morning, night = -(-first // 24), last // 24
        if morning >= night:
            _put(parts.hours, bucket, first, last)
            continue
        _put(parts.hours, bucket, first, morning * 24)
        _put(parts.days, bucket, morning, night)
        _put(parts.hours, bucket, night * 24, last)
    return parts


def _undivided(moment: int, horizon: int) -> int:
    hour = moment // NS_AN_HOUR * NS_AN_HOUR
    return moment if hour == moment or hour >= horizon else hour + NS_AN_HOUR


def _put(into: list[Span], bucket: int | None, start: int, end: int) -> None:
    if start < end:
        into.append(Span(bucket, start, end))


def _with_data(connection: Connection, start: int, end: int) -> tuple[int, int]:
    """The range without the time before the first call and after the last one."""
    row = connection.exec_driver_sql(
        f"SELECT (SELECT min(bucket) FROM {DAILY_BROAD.name}), (SELECT max(bucket) FROM {DAILY_BROAD.name})"
    ).one()
    if row[0] is None:
        return 0, 0
    return max(start, row[0] * NS_A_DAY), min(end, (row[1] + 1) * NS_A_DAY)


def gather(found: Found, rows: Iterable[tuple[int | None, tuple[str, ...], Sequence[int]]]) -> None:
    for bucket, group, sums in rows:
        known = found.get((bucket, group))
        values = [int(value or 0) for value in sums]
        found[bucket, group] = values if known is None else [a + b for a, b in zip(known, values, strict=True)]
