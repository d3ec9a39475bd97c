"""Silences in the database. Whoever ends one early makes it end now: what it was stays to be seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from tollkeeper.alerting.muting import Silence
from tollkeeper.storage.alerts.tables import SILENCES
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart

KIND = "silence"


class Silences:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def add(
        self,
        match: Mapping[str, tuple[str, ...]],
        ends_at: int,
        *,
        author: str,
        comment: str,
        starts_at: int | None = None,
    ) -> Silence:
        """Silence what matches, from now on or later. Raises `ValueError` if it would be over before it begins."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            starts_at = self._clock() if starts_at is None else starts_at
            if ends_at <= starts_at:
                raise ValueError("a silence ends after it begins")
            last = connection.execute(select(func.max(SILENCES.c.id))).scalar() or 0
            silence = Silence(last + 1, dict(match), starts_at, ends_at, author, comment)
            row = {**silence._asdict(), "match": json.dumps({name: list(globs) for name, globs in match.items()})}
            connection.execute(insert(SILENCES), row)
            self._note(connection, "silence", author, silence, comment)
            return silence

    def end(self, id: int, *, author: str, reason: str = "") -> Silence | None:
        """End one now. `None`: there is no such silence that is not over."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            now = self._clock()
            rows = select(SILENCES).where(SILENCES.c.id == id, SILENCES.c.ends_at > now)
            row = connection.execute(rows).one_or_none()
            if row is None:
                return None
            silence = _silence(row)._replace(ends_at=now)
            connection.execute(update(SILENCES).where(SILENCES.c.id == id).values(ends_at=now))
            self._note(connection, "unsilence", author, silence, reason)
            return silence

    def all(self, since: int | None = None) -> list[Silence]:
        """Those that were not over at `since`, or are not over now."""
        with told_apart(self._database), self._database.read() as connection:
            rows = select(SILENCES).where(SILENCES.c.ends_at > (self._clock() if since is None else since))
            return [_silence(row) for row in connection.execute(rows.order_by(SILENCES.c.id))]

    def _note(self, connection: Connection, action: str, author: str, silence: Silence, reason: str) -> None:
        said = {"match": {name: list(globs) for name, globs in silence.match.items()}, "ends_at": silence.ends_at}
        self._audit.record(
            connection, author=author, action=action, kind=KIND, object_id=str(silence.id), after=said, reason=reason
        )


def silences_at(connection: Connection, now: int) -> list[Silence]:
    """Those that hold at a moment."""
    rows = select(SILENCES).where(SILENCES.c.starts_at <= now, SILENCES.c.ends_at > now)
    return [_silence(row) for row in connection.execute(rows)]


def _silence(row: Row[Any]) -> Silence:
    match = {name: tuple(globs) for name, globs in json.loads(row.match).items()}
    return Silence(row.id, match, row.starts_at, row.ends_at, row.author, row.comment)
