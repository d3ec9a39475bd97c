"""The calls themselves: a page of them, one with all that belongs to it, and all of a period."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from tollkeeper.storage.ledger.changes import chunks, corrections, retracted, rows_of
from tollkeeper.storage.ledger.clean import clean, key_of
from tollkeeper.storage.ledger.contract import DIMENSIONS, CallQuery, Dimension, Kept, Traced
from tollkeeper.storage.ledger.months import month_of
from tollkeeper.storage.ledger.rollups import Correction
from tollkeeper.storage.ledger.rows import COLUMNS, call_of, line_items_of
from tollkeeper.storage.ledger.store import Key
from tollkeeper.storage.ledger.tables import (
    ADJUSTMENTS,
    CALLS,
    CONFLICTS,
    DAILY_BROAD,
    NS_A_DAY,
    NS_A_TRACE_BLOCK,
    RETRACTIONS,
    TRACE_END,
)

LARGEST_PAGE = 1000
TRACE_BLOCKS = 12
"""Three days: how long a trace may go on for `find_in_trace`."""
MOST_TRACE_BLOCKS = 4 * 800
"""A longer range is gone through by itself: what is asked about it would be too long a question."""
HIDDEN = frozenset(("digest", "month"))

_not_retracted = ~exists().where(RETRACTIONS.c.id == CALLS.c.id, RETRACTIONS.c.attempt == CALLS.c.attempt)

_of_the_call = and_(ADJUSTMENTS.c.id == CALLS.c.id, ADJUSTMENTS.c.attempt == CALLS.c.attempt)
# Counted, and not `NOT EXISTS`, for which PostgreSQL would read all adjustments rather than those of a few calls.
_not_adjusted = select(func.count()).select_from(ADJUSTMENTS).where(_of_the_call).scalar_subquery() == 0
_recorded_unpriced = func.coalesce(CALLS.c.price_status, "") == "unpriced"

_OUTCOMES: Mapping[str, ColumnElement[bool]] = {
    "succeeded": CALLS.c.error_type.is_(None),
    "failed": CALLS.c.error_type.is_not(None),
    "unmeasured": and_(CALLS.c.error_type.is_(None), CALLS.c.usage_source == "unknown"),
}


def page(connection: Connection, query: CallQuery, now: int) -> tuple[list[dict[str, Any]], str | None]:
    """A page, and the cursor of the next one. Raises `ValueError` for a cursor that is none of ours."""
    limit = max(1, min(query.limit, LARGEST_PAGE))
    after = None if query.after is None else _read_cursor(query.after)
    end = query.end
    if after is not None and query.order == "newest":
        # One bound, or the index might be read from the other one.
        end = min(end, after[0] + 1)
    conditions = [*conditions_of(query.filters), *_by_ids(query, now)]
    if connection.dialect.name == "postgresql":
        # It expects such a page to cost so much that it would compile the query, for much longer than it runs.
        connection.exec_driver_sql("SET LOCAL jit = off")
    if query.outcome is not None:
        conditions.append(_unpriced(query.start, end) if query.outcome == "unpriced" else _OUTCOMES[query.outcome])
    if query.order == "newest":
        keys = _newest(connection, _chosen(query.start, end, conditions), after, limit + 1)
    else:
        keys = _dearest(connection, conditions, query, after, limit + 1)
    rows = rows_of(connection, [(id, attempt) for _, id, attempt in keys[:limit]])
    held = {(id, attempt): rows[id, attempt] for _, id, attempt in keys[:limit]}
    return _described(connection, held), _cursor(*keys[limit - 1]) if len(keys) > limit else None


Place = tuple[int, str, int]
"""Where a call is in a list: by its moment or its cost, then by its key."""
Conditions = Sequence[ColumnElement[bool]]
"""That calls are to meet, besides the range."""


def _newest(connection: Connection, chosen: Select[Any], after: Place | None, limit: int) -> list[Place]:
    columns = (CALLS.c.started_at, CALLS.c.id, CALLS.c.attempt)
    if after is not None:
        chosen = chosen.where(tuple_(*columns) < tuple_(*after))
    chosen = chosen.order_by(*(column.desc() for column in columns)).limit(limit)
    return [(row[0], row[1], row[2]) for row in connection.execute(chosen.with_only_columns(*columns))]


def _dearest(
    connection: Connection, conditions: Conditions, query: CallQuery, after: Place | None, limit: int
) -> list[Place]:
    """The dearest of each day, merged: an index has each day's calls by cost. Those without a price are left out.

    What was adjusted has another cost than that index says, and is merged with them.
    """
    columns = (CALLS.c.nano_usd, CALLS.c.id, CALLS.c.attempt)
    chosen = _chosen(query.start, query.end, conditions).where(CALLS.c.nano_usd.is_not(None), _not_adjusted)
    if after is not None:
        chosen = chosen.where(CALLS.c.nano_usd <= after[0], tuple_(*columns) < tuple_(*after))
    chosen = chosen.order_by(*(column.desc() for column in columns)).limit(limit).with_only_columns(*columns)
    found = _dearest_adjusted(connection, conditions, query, after, limit)
    for day in _days(connection, query.start, query.end):
        of_day = chosen.where(literal_column(f"(started_at / {NS_A_DAY})") == day)
        if len(found) == limit:
            of_day = of_day.where(CALLS.c.nano_usd >= found[-1][0])
        found.extend((row[0], row[1], row[2]) for row in connection.execute(of_day))
        found = sorted(found, reverse=True)[:limit]
    return found


def _dearest_adjusted(
    connection: Connection, conditions: Conditions, query: CallQuery, after: Place | None, limit: int
) -> list[Place]:
    """The dearest of the calls that were adjusted, by what they cost now. The range is that of the adjustments, as
    calls are to be looked up by their keys here."""
    table = ADJUSTMENTS.c
    sums = (
        select(
            table.id,
            table.attempt,
            cast(func.sum(table.delta_nano_usd), BigInteger).label("nano_usd"),
            func.sum(table.delta_costed).label("costed"),
        )
        .where(table.started_at >= query.start, table.started_at < query.end)
        .group_by(table.id, table.attempt)
        .subquery()
    )
    place = (func.coalesce(CALLS.c.nano_usd, 0) + sums.c.nano_usd, CALLS.c.id, CALLS.c.attempt)
    chosen = (
        select(*place)
        .join(sums, and_(CALLS.c.id == sums.c.id, CALLS.c.attempt == sums.c.attempt))
        .where(*conditions, case((CALLS.c.nano_usd.is_(None), 0), else_=1) + sums.c.costed > 0)
        .order_by(*(column.desc() for column in place))
        .limit(limit)
    )
    if after is not None:
        chosen = chosen.where(tuple_(*place) < tuple_(*after))
    return [(row[0], row[1], row[2]) for row in connection.execute(chosen)]


def _days(connection: Connection, start: int, end: int) -> Iterator[int]:
    """The days of UTC in a range that have calls."""
    day, last = start // NS_A_DAY - 1, (end - 1) // NS_A_DAY
    following = select(func.min(DAILY_BROAD.c.bucket))
    while (found := connection.execute(following.where(DAILY_BROAD.c.bucket > day)).scalar()) is not None:
        if found > last:
            return
        yield found
        day = found


def whole(connection: Connection, id: str) -> list[dict[str, Any]]:
    """Every attempt of a call, retracted ones too, with conflicts and adjustments."""
    key = key_of(id)
    found = connection.execute(
        select(CALLS).where(CALLS.c.id == key, CALLS.c.month == month_of(key)).order_by(CALLS.c.attempt)
    )
    described = _described(connection, {(row[0], row[1]): tuple(row) for row in found})
    for one in described:
        one["conflicts"] = _beside(connection, CONFLICTS, key, one["attempt"])
        one["adjustments"] = _beside(connection, ADJUSTMENTS, key, one["attempt"])
        for adjustment in one["adjustments"]:
            adjustment["line_items"] = _items(adjustment["line_items"])
        for conflict in one["conflicts"]:
            conflict["digest"] = bytes(conflict["digest"]).hex()
    return described


def kept(
    connection: Connection, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]], after: tuple[Any, ...]
) -> tuple[list[Kept], tuple[Any, ...] | None]:
    """Some of the calls of a period, oldest first, and where to go on."""
    columns = (CALLS.c.started_at, CALLS.c.id, CALLS.c.attempt)
    chosen = _chosen(max(start, after[0]), end, conditions_of(filters)).where(tuple_(*columns) > tuple_(*after))
    rows = connection.execute(chosen.order_by(*columns).limit(LARGEST_PAGE)).all()
    held = {(row[0], row[1]): tuple(row) for row in rows}
    changed = corrections(connection, held)
    versions = _versions(connection, changed)
    found = []
    for key, row in held.items():
        named = dict(zip(COLUMNS, row, strict=True))
        nano_usd, status = priced_now(named, changed.get(key))
        unpriced = status == "unpriced" and named["usage_source"] != "unknown"
        version = versions.get(key, named["price_version"])
        found.append(Kept(call_of(named), named["emitter"], nano_usd, version, unpriced))
    last = rows[-1]._mapping if len(rows) == LARGEST_PAGE else None
    return found, None if last is None else (last["started_at"], last["id"], last["attempt"])


def in_traces(connection: Connection, trace_ids: Sequence[str], now: int) -> list[Traced]:
    """The calls of these traces that were recorded in the last days, oldest first."""
    names = [name for name in Traced._fields if name != "retracted"]
    newest = now // NS_A_TRACE_BLOCK
    recent = literal_column(f"(recorded_at / {NS_A_TRACE_BLOCK})").in_(range(newest - TRACE_BLOCKS, newest + 2))
    found: list[Traced] = []
    for some in chunks(sorted({clean(trace_id) for trace_id in trace_ids})):
        ends = literal_column(TRACE_END).in_({trace_id[26:] for trace_id in some})
        query = select(*(CALLS.c[name] for name in names)).where(recent, ends, CALLS.c.trace_id.in_(some))
        rows = connection.execute(query).all()
        gone = retracted(connection, {(row[0], row[1]) for row in rows})
        found.extend(Traced(**row._mapping, retracted=(row[0], row[1]) in gone) for row in rows)
    return sorted(found, key=lambda one: (one.started_at, one.id, one.attempt))


def priced_now(row: Mapping[str, Any], changed: Correction | None) -> tuple[int | None, str | None]:
    """What a call costs by now, `None` where nobody knows, and its price status."""
    if changed is None:
        return row["nano_usd"], row["price_status"]
    if (row["nano_usd"] is not None) + changed.delta_costed <= 0:
        return None, "unpriced"
    nano_usd = (row["nano_usd"] or 0) + changed.delta_nano_usd
    return nano_usd, "priced" if nano_usd else "free"


def condition(name: Dimension, values: tuple[str, ...]) -> ColumnElement[bool]:
    """That a dimension has one of these values; '' stands for none."""
    if name not in DIMENSIONS:
        raise ValueError(f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}")
    column = CALLS.c[name]
    wanted = [clean(value) for value in values]
    return or_(column.in_(wanted), column.is_(None)) if "" in wanted else column.in_(wanted)


def _chosen(start: int, end: int, conditions: Conditions) -> Select[Any]:
    return select(CALLS).where(CALLS.c.started_at >= start, CALLS.c.started_at < end, *conditions)


def conditions_of(filters: Mapping[Dimension, tuple[str, ...]]) -> list[ColumnElement[bool]]:
    """That calls count, and are those that filters let through."""
    return [_not_retracted, *(condition(name, values) for name, values in filters.items())]


def _by_ids(query: CallQuery, now: int) -> Iterator[ColumnElement[bool]]:
    """That a call is of a trace, or of an answer of a provider. Traces have an index, by when calls were recorded."""
    if query.trace_id is not None:
        trace_id = clean(query.trace_id)
        yield CALLS.c.trace_id == trace_id
        blocks = range(query.start // NS_A_TRACE_BLOCK - 1, now // NS_A_TRACE_BLOCK + 2)
        if len(blocks) <= MOST_TRACE_BLOCKS:
            yield literal_column(f"(recorded_at / {NS_A_TRACE_BLOCK})").in_(blocks)
            yield literal_column(TRACE_END) == trace_id[26:]
    if query.response_id is not None:
        yield CALLS.c.response_id == clean(query.response_id)


def _unpriced(start: int, end: int) -> ColumnElement[bool]:
    """That a call of this range has no price by now: it had none, or has lost it, and has not got one since.

    Only of such calls are the adjustments added up. What nobody has counted is not unpriced, but unmeasured.
    """
    table = ADJUSTMENTS.c
    lost = select(table.id, table.attempt).where(
        table.started_at >= start, table.started_at < end, table.nano_usd.is_(None)
    )
    since = select(func.coalesce(func.sum(table.delta_unpriced), 0)).where(_of_the_call).scalar_subquery()
    return and_(
        CALLS.c.usage_source != "unknown",
        or_(_recorded_unpriced, tuple_(CALLS.c.id, CALLS.c.attempt).in_(lost)),
        case((_recorded_unpriced, 1), else_=0) + since > 0,
    )


def _described(connection: Connection, rows: Mapping[Key, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows as the world sees them: JSON read, and what became of them since."""
    changed = corrections(connection, rows)
    versions = _versions(connection, changed)
    gone = retracted(connection, rows)
    answer = []
    for key, row in rows.items():
        one = {name: value for name, value in zip(COLUMNS, row, strict=True) if name not in HIDDEN}
        details = json.loads(one["details"]) if one["details"] else {}
        one["id"] = details.pop("exact", {}).get("id", one["id"])
        one["details"] = details
        one["stream"] = bool(one["stream"])
        one["tags"] = json.loads(one["tags"]) if one["tags"] else {}
        one["line_items"] = _items(one["line_items"])
        one["current_nano_usd"], one["current_price_status"] = priced_now(one, changed.get(key))
        one["current_price_version"] = versions.get(key, one["price_version"])
        one["retracted"] = gone.get(key)
        answer.append(one)
    return answer


def _items(text: str | None) -> list[dict[str, Any]]:
    return [item._asdict() for item in line_items_of(text)]


def _beside(connection: Connection, table: Any, key: str, attempt: int) -> list[dict[str, Any]]:
    query = select(table).where(table.c.id == key, table.c.attempt == attempt).order_by(table.c.recorded_at)
    return [dict(row._mapping) for row in connection.execute(query)]


def _versions(connection: Connection, keys: Mapping[Key, Correction]) -> dict[Key, str | None]:
    table, found = ADJUSTMENTS.c, {}
    for some in chunks(sorted(keys)):
        query = (
            select(table.id, table.attempt, table.new_price_version)
            .where(table.id.in_(sorted({id for id, _ in some})))
            .order_by(table.recorded_at, table.repricing_id)
        )
        found.update({(id, attempt): version for id, attempt, version in connection.execute(query)})
    return found


def _cursor(*position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[Any, ...]:
    try:
        first, id, attempt = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(first), str(id), int(attempt)
    except (ValueError, TypeError):
        raise ValueError(f"{text[:40]!r} is no cursor of a page") from None
