"""The corrections of a period's calls, as they were made: each with the call that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, tuple_

from tollkeeper.storage.ledger.calls import LARGEST_PAGE, conditions_of
from tollkeeper.storage.ledger.contract import Adjusted, Dimension
from tollkeeper.storage.ledger.rows import call_of
from tollkeeper.storage.ledger.tables import ADJUSTMENTS, CALLS


def adjusted(
    connection: Connection, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]], after: tuple[Any, ...]
) -> tuple[list[Adjusted], tuple[Any, ...] | None]:
    """Some of them, by when their calls began, and where to go on."""
    of = ADJUSTMENTS.c
    place = (of.started_at, of.id, of.attempt, of.repricing_id)
    own = [of.recorded_at.label("adjusted_at"), of.repricing_id, of.reason, of.delta_nano_usd, of.nano_usd.label("now")]
    rows = connection.execute(
        select(CALLS, *own)
        .join(ADJUSTMENTS, (of.id == CALLS.c.id) & (of.attempt == CALLS.c.attempt))
        .where(of.started_at >= max(start, after[0]), of.started_at < end, *conditions_of(filters))
        .where(tuple_(*place) > tuple_(*after))
        .order_by(*place)
        .limit(LARGEST_PAGE)
    ).all()
    found = [
        Adjusted(call_of(row._asdict()), row.adjusted_at, row.repricing_id, row.reason, row.delta_nano_usd, row.now)
        for row in rows
    ]
    if len(rows) < LARGEST_PAGE:
        return found, None
    last = rows[-1]
    return found, (last.started_at, last.id, last.attempt, last.repricing_id)
