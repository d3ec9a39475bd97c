"""Sums of calls by hour, day and dimension, kept in the transaction that keeps the calls."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, Table

from tollkeeper.storage.ledger.contract import DIMENSIONS, Totals
from tollkeeper.storage.ledger.dimensions import Dimensions, Places, Raw
from tollkeeper.storage.ledger.rows import PLACE, Row
from tollkeeper.storage.ledger.store import RollupRow, Store
from tollkeeper.storage.ledger.tables import DAILY, DAILY_BROAD, HOURLY, HOURLY_BROAD, NS_AN_HOUR

Sums = list[int]
"""In the order of `Totals`."""
Hours = dict[tuple[int, Raw], Sums]
"""(hour since the epoch, values) -> sums."""
Buckets = dict[tuple[int, int], Sequence[int]]
"""(bucket, dimension) -> sums."""

ZERO = (0,) * len(Totals._fields)

_STARTED = PLACE["started_at"]
_values_of = itemgetter(*(PLACE[name] for name in DIMENSIONS))
_counted_of = itemgetter(
    *(
        PLACE[name]
        for name in (
            "error_type", "usage_source", "price_status", "input_tokens", "output_tokens", "cache_read_tokens",
            "cache_write_tokens", "reasoning_tokens", "nano_usd", "duration",
        )
    )
)  # fmt: skip


class Correction(NamedTuple):
    """What a row of `calls` no longer says of itself: adjustments of its price."""

    delta_nano_usd: int
    delta_unpriced: int
    delta_costed: int


def fold(rows: Iterable[Row]) -> Hours:
    """The sums of these calls, by hour and dimension."""
    hours: Hours = {}
    for row in rows:
        key = (row[_STARTED] // NS_AN_HOUR, _values_of(row))
        sums = hours.get(key)
        if sums is None:
            sums = hours[key] = [*ZERO]
        error, source, status, sent, received, read, written, reasoned, nano_usd, duration = _counted_of(row)
        sums[0] += 1
        if error is not None:
            sums[1] += 1
        if source == "unknown":
            if error is None:
                sums[2] += 1
        elif status == "unpriced":
            sums[3] += 1
        sums[4] += sent or 0
        sums[5] += received or 0
        sums[6] += read or 0
        sums[7] += written or 0
        sums[8] += reasoned or 0
        if nano_usd is not None:
            sums[9] += nano_usd
            sums[10] += 1
        if duration is not None:
            sums[11] += int(duration * 1e9)
            sums[12] += 1
    return hours


def take_out(hours: Hours, rows: Iterable[Row], corrections: Mapping[tuple[str, int], Correction]) -> None:
    """Take these calls, and the adjustments of them, out of the sums."""
    for row in rows:
        for key, sums in fold([row]).items():
            into = hours.setdefault(key, [*ZERO])
            for place, value in enumerate(sums):
                into[place] -= value
            if correction := corrections.get((row[0], row[1])):
                for place, value in zip(CORRECTED, correction, strict=True):
                    into[place] -= value


def correct(hours: Hours, row: Row, correction: Correction) -> None:
    """Add an adjustment of a call's price to the sums."""
    into = hours.setdefault((row[_STARTED] // NS_AN_HOUR, _values_of(row)), [*ZERO])
    for place, value in zip(CORRECTED, correction, strict=True):
        into[place] += value


CORRECTED = tuple(Totals._fields.index(name.removeprefix("delta_")) for name in Correction._fields)
"""The totals that an adjustment changes."""


def add(connection: Connection, store: Store, dimensions: Dimensions, hours: Hours) -> Places:
    """Add sums to all rollups. Returns the dimensions that are new, to be remembered once this is committed."""
    known = dimensions.known
    learned = dimensions.learn(connection, store, {raw for _, raw in hours if raw not in known})
    for table, rows in spread(hours, known, learned).items():
        store.add(connection, table, rows)
    return learned


def spread(hours: Hours, known: Places, learned: Places) -> dict[Table, list[RollupRow]]:
    """The rows of each rollup that come of sums by hour, in the order in which all writers lock them."""
    hourly: Buckets = {}
    broad: Buckets = {}
    for (hour, raw), sums in hours.items():
        fine_id, broad_id = known.get(raw) or learned[raw]
        _merge(hourly, (hour, fine_id), sums)
        _merge(broad, (hour, broad_id), sums)
    fine_rows, broad_rows = _rows(hourly), _rows(broad)
    return {
        HOURLY: fine_rows,
        DAILY: _by_day(fine_rows),
        HOURLY_BROAD: broad_rows,
        DAILY_BROAD: _by_day(broad_rows),
    }


def _rows(buckets: Buckets) -> list[RollupRow]:
    return sorted([(bucket, dimension, *sums) for (bucket, dimension), sums in buckets.items()])


def _by_day(hourly: Sequence[RollupRow]) -> list[RollupRow]:
    """From sorted rows, in the same order."""
    if hourly and hourly[0][0] == hourly[-1][0]:
        day = hourly[0][0] // 24
        return [(day, *row[1:]) for row in hourly]
    daily: Buckets = {}
    for hour, dimension, *sums in hourly:
        _merge(daily, (hour // 24, dimension), sums)
    return _rows(daily)


def _merge(into: Buckets, key: tuple[int, int], sums: Sequence[int]) -> None:
    known = into.get(key)
    into[key] = sums if known is None else tuple(map(operator.add, known, sums))
