"""Sums of calls by hour, day and dimension, kept in the transaction that keeps the calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Table

from tollkeeper.storage.ledger.contract import DIMENSIONS, Totals
from tollkeeper.storage.ledger.dimensions import Dimensions, Values, broadened
from tollkeeper.storage.ledger.rows import PLACE, Row
from tollkeeper.storage.ledger.store import RollupRow, Store
from tollkeeper.storage.ledger.tables import DAILY, DAILY_BROAD, HOURLY, HOURLY_BROAD, NS_AN_HOUR

Key = TypeVar("Key")
Sums = list[int]
"""In the order of `Totals`."""
Hours = dict[tuple[int, tuple[str | None, ...]], Sums]
"""(hour since the epoch, dimension values) -> sums."""

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
        elif source == "unknown":
            sums[2] += 1
        if status == "unpriced":
            sums[3] += 1
        sums[4] += sent or 0
        sums[5] += received or 0
        sums[6] += read or 0
        sums[7] += written or 0
        sums[8] += reasoned or 0
        sums[9] += nano_usd or 0
        if duration:
            sums[10] += int(duration * 1e9)
    return hours


def take_out(hours: Hours, rows: Iterable[Row], corrections: Mapping[tuple[str, int], Correction]) -> None:
    """Take these calls, and the adjustments of them, out of the sums."""
    for row in rows:
        for key, sums in fold([row]).items():
            into = hours.setdefault(key, [*ZERO])
            for place, value in enumerate(sums):
                into[place] -= value
            if correction := corrections.get((row[0], row[1])):
                into[UNPRICED] -= correction.delta_unpriced
                into[NANO_USD] -= correction.delta_nano_usd


def correct(hours: Hours, row: Row, correction: Correction) -> None:
    """Add an adjustment of a call's price to the sums."""
    into = hours.setdefault((row[_STARTED] // NS_AN_HOUR, _values_of(row)), [*ZERO])
    into[UNPRICED] += correction.delta_unpriced
    into[NANO_USD] += correction.delta_nano_usd


UNPRICED, NANO_USD = Totals._fields.index("unpriced"), Totals._fields.index("nano_usd")


def add(connection: Connection, store: Store, dimensions: Dimensions, hours: Hours) -> Mapping[Values, int]:
    """Add sums to all rollups. Returns the dimensions' ids, to be remembered once the transaction is committed."""
    plain: dict[tuple[int, Values], Sums] = {}
    for (hour, raw), sums in hours.items():
        _merge(plain, (hour, tuple([value or "" for value in raw])), sums)
    wanted = {values for _, values in plain}
    wanted.update([broadened(values) for values in wanted])
    ids = dimensions.ids(connection, store, wanted)
    for table, rows in spread(plain, ids).items():
        store.add(connection, table, rows)
    return ids


def spread(
    hours: Mapping[tuple[int, Values], Sequence[int]], ids: Mapping[Values, int]
) -> dict[Table, list[RollupRow]]:
    """The rows of each rollup that come of sums by hour, in the order in which all writers lock them."""
    hourly: dict[tuple[int, int], Sums] = {}
    hourly_broad: dict[tuple[int, int], Sums] = {}
    daily: dict[tuple[int, int], Sums] = {}
    daily_broad: dict[tuple[int, int], Sums] = {}
    for (hour, values), sums in hours.items():
        fine = ids[values]
        _merge(hourly, (hour, fine), sums)
        _merge(daily, (hour // 24, fine), sums)
        _merge(hourly_broad, (hour, ids[broadened(values)]), sums)
    for (hour, broad), sums in hourly_broad.items():
        _merge(daily_broad, (hour // 24, broad), sums)
    return {
        table: [(*key, *sums) for key, sums in sorted(rows.items())]
        for table, rows in ((HOURLY, hourly), (DAILY, daily), (HOURLY_BROAD, hourly_broad), (DAILY_BROAD, daily_broad))
    }


def _merge(into: dict[Key, Sums], key: Key, sums: Sequence[int]) -> None:
    known = into.get(key)
    into[key] = [*sums] if known is None else [a + b for a, b in zip(known, sums, strict=True)]
