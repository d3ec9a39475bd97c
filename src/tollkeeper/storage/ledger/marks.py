"""Marks of calls that were begun. Those that were never reported are orphans: their process died."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, select, text

from tollkeeper.storage.ledger.clean import key_of
from tollkeeper.storage.ledger.contract import Started
from tollkeeper.storage.ledger.tables import CALLS, STARTED
from tollkeeper.telemetry.record import decode, encode

_KEEP = text(
    f"INSERT INTO {STARTED.name} (id, attempt, started_at, recorded_at, record) "
    "VALUES (:id, :attempt, :started_at, :recorded_at, :record) ON CONFLICT DO NOTHING"
)


def keep(connection: Connection, started: Sequence[Started], now: int) -> None:
    """Note them, each once."""
    rows = [
        {
            "id": key_of(call.id),
            "attempt": call.attempt,
            "started_at": call.started_at,
            "recorded_at": now,
            "record": encode(call),
        }
        for (call,) in started
    ]
    if rows:
        connection.execute(_KEEP, sorted(rows, key=lambda row: (row["id"], row["attempt"])))


def orphans(connection: Connection, limit: int) -> list[Started]:
    """Marks without a call, newest first."""
    reported = exists().where(CALLS.c.id == STARTED.c.id, CALLS.c.attempt == STARTED.c.attempt)
    query = select(STARTED.c.record).where(~reported).order_by(STARTED.c.started_at.desc(), STARTED.c.id).limit(limit)
    return [Started(decode(record)) for (record,) in connection.execute(query)]
