"""Marks of calls that were begun. Those that were never reported are orphans: their process died."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, exists, select, text

from tollkeeper.storage.ledger.contract import Entry, Started
from tollkeeper.storage.ledger.rows import Unrecordable, row_of
from tollkeeper.storage.ledger.tables import CALLS, STARTED
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import encode

logger = logging.getLogger(__name__)

_KEEP = text(
    f"INSERT INTO {STARTED.name} (id, attempt, started_at, recorded_at, record) "
    "VALUES (:id, :attempt, :started_at, :recorded_at, :record) ON CONFLICT DO NOTHING"
)


def keep(connection: Connection, started: Sequence[Started], now: int) -> None:
    """Note them, each once. One that fits in no row is left out."""
    rows = []
    for (call,) in started:
        try:
            id, attempt, _, started_at, *_ = row_of(Entry(call, b""), now)
        except Unrecordable as error:
            logger.warning("a mark of a call that was begun cannot be kept: %s", error)
            continue
        moments = {"started_at": started_at, "recorded_at": now}
        rows.append({"id": id, "attempt": attempt, **moments, "record": encode(call)})
    if rows:
        connection.execute(_KEEP, sorted(rows, key=lambda row: (row["id"], row["attempt"])))


def orphans(connection: Connection, limit: int) -> list[Started]:
    """Marks without a call, newest first."""
    reported = exists().where(CALLS.c.id == STARTED.c.id, CALLS.c.attempt == STARTED.c.attempt)
    query = select(STARTED.c.record).where(~reported).order_by(STARTED.c.started_at.desc(), STARTED.c.id).limit(limit)
    return [Started(decode(record)) for (record,) in connection.execute(query)]
