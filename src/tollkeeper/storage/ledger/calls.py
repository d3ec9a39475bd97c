"""The calls themselves: a page of them, one with all that belongs to it, and all of a period."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, tuple_

from tollkeeper.storage.ledger.changes import chunks, corrections, retracted
from tollkeeper.storage.ledger.clean import clean, key_of
from tollkeeper.storage.ledger.contract import DIMENSIONS, CallQuery, Dimension, Kept, Traced
from tollkeeper.storage.ledger.months import month_of
from tollkeeper.storage.ledger.rollups import Correction
from tollkeeper.storage.ledger.rows import COLUMNS, call_of, line_items_of
from tollkeeper.storage.ledger.store import Key
from tollkeeper.storage.ledger.tables import ADJUSTMENTS, CALLS, CONFLICTS, RETRACTIONS

LARGEST_PAGE = 1000
HIDDEN = frozenset(("digest", "month"))

_not_retracted = ~exists().where(RETRACTIONS.c.id == CALLS.c.id, RETRACTIONS.c.attempt == CALLS.c.attempt)

_OUTCOMES: Mapping[str, ColumnElement[bool]] = {
    "succeeded": CALLS.c.error_type.is_(None),
    "failed": CALLS.c.error_type.is_not(None),
    "unpriced": CALLS.c.price_status == "unpriced",
    "unmeasured": and_(CALLS.c.error_type.is_(None), CALLS.c.usage_source == "unknown"),
}


def page(connection: Connection, query: CallQuery) -> tuple[list[dict[str, Any]], str | None]:
    """A page, and the cursor of the next one. Raises `ValueError` for a cursor that is none of ours."""
    limit = max(1, min(query.limit, LARGEST_PAGE))
    chosen = _chosen(query.start, query.end, query.filters)
    if query.outcome is not None:
        chosen = chosen.where(_OUTCOMES[query.outcome])
    first: ColumnElement[int] = CALLS.c.started_at
    if query.order == "dearest":
        first = func.coalesce(CALLS.c.nano_usd, -1)
    columns = (first, CALLS.c.id, CALLS.c.attempt)
    if query.after is not None:
        chosen = chosen.where(tuple_(*columns) < tuple_(*_read_cursor(query.after)))
    rows = connection.execute(chosen.order_by(*(column.desc() for column in columns)).limit(limit + 1)).all()
    more = len(rows) > limit
    held = {(row[0], row[1]): tuple(row) for row in rows[:limit]}
    answer = _described(connection, held)
    if not more:
        return answer, None
    last = rows[limit - 1]._mapping
    place = last["started_at"] if query.order == "newest" else -1 if last["nano_usd"] is None else last["nano_usd"]
    return answer, _cursor(place, last["id"], last["attempt"])


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
    chosen = _chosen(start, end, filters).where(tuple_(*columns) > tuple_(*after))
    rows = connection.execute(chosen.order_by(*columns).limit(LARGEST_PAGE)).all()
    held = {(row[0], row[1]): tuple(row) for row in rows}
    changed = corrections(connection, held)
    versions = _versions(connection, changed)
    found = []
    for key, row in held.items():
        named = dict(zip(COLUMNS, row, strict=True))
        nano_usd = costs_now(named, changed.get(key))
        found.append(Kept(call_of(named), named["emitter"], nano_usd, versions.get(key, named["price_version"])))
    last = rows[-1]._mapping if len(rows) == LARGEST_PAGE else None
    return found, None if last is None else (last["started_at"], last["id"], last["attempt"])


def in_traces(connection: Connection, trace_ids: Sequence[str]) -> list[Traced]:
    """The calls of these traces, oldest first."""
    names = [name for name in Traced._fields if name != "retracted"]
    found: list[Traced] = []
    for some in chunks(sorted({clean(trace_id) for trace_id in trace_ids})):
        rows = connection.execute(select(*(CALLS.c[name] for name in names)).where(CALLS.c.trace_id.in_(some))).all()
        gone = retracted(connection, {(row[0], row[1]) for row in rows})
        found.extend(Traced(**row._mapping, retracted=(row[0], row[1]) in gone) for row in rows)
    return sorted(found, key=lambda one: (one.started_at, one.id, one.attempt))


def costs_now(row: Mapping[str, Any], changed: Correction | None) -> int | None:
    """What a call costs by now; `None` where nobody knows."""
    if changed is None:
        return row["nano_usd"]  # type: ignore[no-any-return]
    unpriced = (row["price_status"] == "unpriced") + changed.delta_unpriced
    return None if unpriced > 0 else (row["nano_usd"] or 0) + changed.delta_nano_usd


def condition(name: Dimension, values: tuple[str, ...]) -> ColumnElement[bool]:
    """That a dimension has one of these values; '' stands for none."""
    if name not in DIMENSIONS:
        raise ValueError(f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}")
    column = CALLS.c[name]
    wanted = [clean(value) for value in values]
    return or_(column.in_(wanted), column.is_(None)) if "" in wanted else column.in_(wanted)


def _chosen(start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]]) -> Select[Any]:
    chosen = select(CALLS).where(CALLS.c.started_at >= start, CALLS.c.started_at < end, _not_retracted)
    for name, values in filters.items():
        chosen = chosen.where(condition(name, values))
    return chosen


def _described(connection: Connection, rows: Mapping[Key, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows as the world sees them: JSON read, and what became of them since."""
    changed = corrections(connection, rows)
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
        one["current_nano_usd"] = costs_now(one, changed.get(key))
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
