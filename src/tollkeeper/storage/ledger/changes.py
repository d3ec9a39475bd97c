"""What is decided about calls later: that one counts twice, or costs something else. Their rows stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select, text

from tollkeeper.storage.ledger.clean import clean, key_of
from tollkeeper.storage.ledger.contract import Adjustment, Retraction
from tollkeeper.storage.ledger.months import month_of
from tollkeeper.storage.ledger.rollups import Correction, Hours, correct, take_out
from tollkeeper.storage.ledger.rows import COLUMNS, Row, line_items_text
from tollkeeper.storage.ledger.store import Key, Store
from tollkeeper.storage.ledger.tables import ADJUSTMENTS, CALLS, RETRACTIONS

AT_ONCE = 500
"""Keys in one statement."""

Item = TypeVar("Item")

_RETRACT = text(
    f"INSERT INTO {RETRACTIONS.name} (id, attempt, started_at, recorded_at, reason) "
    "VALUES (:id, :attempt, :started_at, :recorded_at, :reason) ON CONFLICT DO NOTHING"
)
_ADJUST = text(
    f"INSERT INTO {ADJUSTMENTS.name} ({', '.join(ADJUSTMENTS.columns.keys())}) "
    f"VALUES ({', '.join(f':{column.name}' for column in ADJUSTMENTS.columns)}) ON CONFLICT DO NOTHING"
)


def retract(connection: Connection, store: Store, retractions: Sequence[Retraction], now: int, hours: Hours) -> int:
    """Mark calls as retracted, and take them out of `hours`. Returns how many were counted until now."""
    store.serialise(connection)
    wanted = {(key_of(one.id), one.attempt): one for one in retractions}
    rows = rows_of(connection, wanted)
    gone = []
    for key, row in sorted(rows.items()):
        values = {"started_at": row[_STARTED], "recorded_at": now, "reason": clean(wanted[key].reason)}
        if connection.execute(_RETRACT, {"id": key[0], "attempt": key[1], **values}).rowcount:
            gone.append(row)
    take_out(hours, gone, corrections(connection, rows))
    return len(gone)


def adjust(
    connection: Connection,
    store: Store,
    adjustments: Sequence[Adjustment],
    signed: Mapping[str, Any],
    hours: Hours,
) -> int:
    """Keep what calls cost from now on, and add the differences to `hours`.

    `signed` has the columns that all adjustments share: repricing_id, author, reason, recorded_at.
    """
    store.serialise(connection)
    wanted = {(key_of(one.id), one.attempt): one for one in adjustments}
    rows = rows_of(connection, wanted)
    earlier = corrections(connection, rows)
    done = repriced(connection, rows, signed["repricing_id"])
    gone = retracted(connection, rows)
    count = 0
    for key, row in sorted(rows.items()):
        if key in done or key in gone:
            continue
        one = wanted[key]
        difference = _difference(row, earlier.get(key), one)
        if not any(difference):
            continue
        old_version = last_version(connection, key) if key in earlier else row[_PRICE_VERSION]
        values = {
            "id": key[0],
            "attempt": key[1],
            "started_at": row[_STARTED],
            **difference._asdict(),
            "nano_usd": one.nano_usd,
            "old_price_version": old_version,
            "new_price_version": None if one.price_version is None else clean(one.price_version),
            "line_items": line_items_text(one.line_items),
        }
        connection.execute(_ADJUST, {**signed, **values})
        correct(hours, row, difference)
        count += 1
    return count


def _difference(row: Row, earlier: Correction | None, one: Adjustment) -> Correction:
    nano_usd, unpriced, costed = earlier or Correction(0, 0, 0)
    nano_usd += row[_NANO_USD] or 0
    measured = row[_USAGE_SOURCE] != "unknown"
    unpriced += measured and row[_PRICE_STATUS] == "unpriced"
    costed += row[_NANO_USD] is not None
    return Correction(
        (one.nano_usd or 0) - nano_usd,
        (measured and one.nano_usd is None) - unpriced,
        (one.nano_usd is not None) - costed,
    )


_STARTED, _NANO_USD = COLUMNS.index("started_at"), COLUMNS.index("nano_usd")
_PRICE_STATUS, _PRICE_VERSION = COLUMNS.index("price_status"), COLUMNS.index("price_version")
_USAGE_SOURCE = COLUMNS.index("usage_source")


def rows_of(connection: Connection, keys: Iterable[Key]) -> dict[Key, Row]:
    """The rows that there are under these keys."""
    found: dict[Key, Row] = {}
    wanted = set(keys)
    for some in chunks(sorted(wanted)):
        ids = sorted({id for id, _ in some})
        months = sorted({month_of(id) for id in ids})
        query = select(CALLS).where(CALLS.c.id.in_(ids), CALLS.c.month.in_(months))
        for row in connection.execute(query):
            if (row[0], row[1]) in wanted:
                found[row[0], row[1]] = tuple(row)
    return found


def corrections(connection: Connection, keys: Iterable[Key]) -> dict[Key, Correction]:
    """The sums of the adjustments of these calls, where there are any."""
    table, found = ADJUSTMENTS.c, {}
    for some in chunks(sorted(keys)):
        query = (
            select(table.id, table.attempt, *(func.sum(table[name]) for name in Correction._fields))
            .where(table.id.in_(sorted({id for id, _ in some})))
            .group_by(table.id, table.attempt)
        )
        for id, attempt, *deltas in connection.execute(query):
            found[id, attempt] = Correction(*map(int, deltas))
    return found


def repriced(connection: Connection, keys: Iterable[Key], repricing_id: str) -> set[Key]:
    """Those of the calls that this re-pricing has adjusted already."""
    table = ADJUSTMENTS.c
    found: set[Key] = set()
    for some in chunks(sorted(keys)):
        ids = sorted({id for id, _ in some})
        query = select(table.id, table.attempt).where(table.id.in_(ids), table.repricing_id == repricing_id)
        found.update((id, attempt) for id, attempt in connection.execute(query))
    return found


def retracted(connection: Connection, keys: Iterable[Key]) -> dict[Key, str]:
    """Those of the calls that were retracted, and why."""
    table, found = RETRACTIONS.c, {}
    for some in chunks(sorted(keys)):
        ids = sorted({id for id, _ in some})
        query = select(table.id, table.attempt, table.reason).where(table.id.in_(ids))
        found.update({(id, attempt): reason for id, attempt, reason in connection.execute(query)})
    return found


def last_version(connection: Connection, key: Key) -> str | None:
    """The price version of the last adjustment of a call."""
    table = ADJUSTMENTS.c
    query = (
        select(table.new_price_version)
        .where(table.id == key[0], table.attempt == key[1])
        .order_by(table.recorded_at.desc(), table.repricing_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of up to `AT_ONCE` items."""
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
