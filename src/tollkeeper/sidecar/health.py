"""How this sidecar is: what only the running process knows, for `GET /api/v1/overview`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from tollkeeper.sidecar.api.answer import moment
from tollkeeper.sidecar.api.vitals import DatabaseState, Forwarding, Ingest, Spool, Vitals
from tollkeeper.sidecar.forward import ForwardCounts
from tollkeeper.sidecar.pipeline import Pipeline
from tollkeeper.sidecar.receive.counts import Loss, ReceiveCounts
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.tables import CALLS, CONFLICTS

MADE_OF = ("tollkeeper", "genai-prices", "sqlalchemy", "fastapi", "uvicorn", "grpcio", "opentelemetry-proto")
NANO = 1_000_000_000
MOST_SPOOLS = 100


class SidecarHealth:
    """Asks the parts. A database that cannot be reached is reported, not raised."""

    def __init__(
        self,
        database: Database,
        pipeline: Pipeline,
        received: ReceiveCounts,
        forwarded: ForwardCounts | None,
        lost: Callable[[], Mapping[str, Loss]],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._received = received
        self._forwarded = forwarded
        self._lost = lost
        self._started_at = now()

    def vitals(self) -> Vitals:
        """As things are now."""
        lag, last, conflicts = self.last_call()
        return Vitals(
            started_at=self._started_at,
            ingest=self._ingest(lag, last),
            database=self._state(),
            versions={"python": platform.python_version(), **_versions()},
            conflicts=conflicts,
            forwarding=_forwarding(self._forwarded),
            spools=_spools(self._lost()),
        )

    def _ingest(self, lag: float | None, last: datetime | None) -> Ingest:
        counts = self._pipeline.counts
        kept = sum(number for (_, kind), number in self._received.records.items() if kind in ("call", "emission"))
        return Ingest(
            received=kept,
            recorded=counts.new,
            duplicates=counts.duplicates,
            conflicts=counts.conflicts,
            refused=sum(self._received.refused.values()),
            waiting=self._pipeline.waiting,
            lag_seconds=lag,
            last_recorded_at=last,
        )

    def last_call(self) -> tuple[float | None, datetime | None, int | None]:
        """Seconds from the end of the newest call to its being recorded, when that was, and how many conflicts."""
        newest = select(CALLS.c.started_at, CALLS.c.duration, CALLS.c.recorded_at).order_by(CALLS.c.id.desc()).limit(1)
        try:
            with self._database.read() as connection:
                row = connection.execute(newest).first()
                conflicts = connection.execute(select(func.count()).select_from(CONFLICTS)).scalar_one()
        except SQLAlchemyError:
            return None, None, None
        if row is None:
            return None, None, conflicts
        ended = row.started_at / NANO + (row.duration or 0)
        return row.recorded_at / NANO - ended, datetime.fromtimestamp(row.recorded_at / NANO, UTC), conflicts

    def _state(self) -> DatabaseState:
        kind = "sqlite" if self._database.is_sqlite else "postgresql"
        try:
            with self._database.read() as connection:
                revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
                size = None
                if not self._database.is_sqlite:
                    size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar()
        except SQLAlchemyError:
            return DatabaseState(kind=kind, reachable=False, revision=None, bytes=None)
        return DatabaseState(kind=kind, reachable=True, revision=revision, bytes=size or self._bytes_on_disk())

    def _bytes_on_disk(self) -> int:
        file = Path(str(self._database.url.database))
        parts = (file, file.with_name(file.name + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())


def _forwarding(counts: ForwardCounts | None) -> Forwarding | None:
    if counts is None:
        return None
    return Forwarding(
        sent=sum(counts.sent.values()),
        dropped=sum(counts.dropped.values()),
        waiting=counts.queued,
        waiting_bytes=counts.queued_bytes,
        retries=counts.retries,
    )


def _spools(lost: Mapping[str, Loss]) -> list[Spool]:
    latest = sorted(lost.items(), key=lambda one: -one[1].told_at)[:MOST_SPOOLS]
    return [Spool(name=name, dropped=loss.dropped, seen_at=moment(loss.told_at)) for name, loss in latest]


def _versions() -> dict[str, str]:
    found = {}
    for name in MADE_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # not installed as a package: run from a checkout
            continue
    return found
