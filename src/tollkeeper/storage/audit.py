"""The audit trail: who changed what, from what to what, and why. Rows are only ever added.

Each row's hash covers the hash of the row before. So a row that was changed, taken out or put in shows, unless every
later hash was made anew; against that, and against rows cut off at the end, keep the last hash somewhere else.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Row, Table, Text, insert, select, text

from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.failures import told_apart

TURN = 7_611_040_120
"""PostgreSQL's advisory lock of everyone who adds to the trail; the number means nothing."""

AUDIT_LOG = Table(
    "audit_log",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # without gaps
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("before", Text),  # JSON
    Column("after", Text),  # JSON
    Column("reason", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_audit_log_object", "kind", "object_id"),
)

START = "0" * 64
"""What the first row's hash covers in place of a row before."""


class AuditEntry(NamedTuple):
    """One change. `at` is in nanoseconds since the epoch; `before` and `after` are what JSON can say."""

    id: int
    at: int
    author: str
    action: str
    kind: str
    object_id: str
    before: Any
    after: Any
    reason: str
    hash: str


class AuditQuery(NamedTuple):
    """Changes from `start` to `end` (not included), newest first. `after` is the cursor that the page before gave."""

    start: int = 0
    end: int = 2**63 - 1
    author: str | None = None
    action: str | None = None
    kind: str | None = None
    object_id: str | None = None
    after: str | None = None
    limit: int = 50


class Verification(NamedTuple):
    """How far the trail is sound: rows, the hash of the last one, and the id of the first that is not as it was."""

    entries: int
    head: str
    broken_at: int | None


class AuditTrail:
    """The trail of one database. What only reads raises `LedgerUnavailable` while that is away."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock

    def take_turn(self, connection: Connection) -> None:
        """Wait for the others who write what is audited, until they have committed.

        To be called first in a transaction that decides by what it reads: `record` does it too late for that.
        """
        if not self._database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})

    def record(
        self,
        connection: Connection,
        *,
        author: str,
        action: str,
        kind: str,
        object_id: str,
        before: Any = None,
        after: Any = None,
        reason: str = "",
    ) -> AuditEntry:
        """Add a row, in the caller's transaction: the change and its trail are kept together, or neither is."""
        self.take_turn(connection)
        last = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.id.desc()).limit(1)).one_or_none()
        values = {
            "id": 1 if last is None else last.id + 1,
            "at": self._clock() if last is None else max(self._clock(), last.at),
            "author": author,
            "action": action,
            "kind": kind,
            "object_id": object_id,
            "before": _written(before),
            "after": _written(after),
            "reason": reason,
        }
        values["hash"] = _chained(START if last is None else last.hash, values)
        connection.execute(insert(AUDIT_LOG), values)
        return AuditEntry(**{**values, "before": before, "after": after})

    def note(
        self, *, author: str, action: str, kind: str, object_id: str, before: Any, after: Any, reason: str
    ) -> None:
        """Add a row about what is not in this database, in a transaction of its own."""
        with told_apart(self._database), self._database.write() as connection:
            self.record(
                connection, author=author, action=action, kind=kind, object_id=object_id, before=before, after=after,
                reason=reason,
            )  # fmt: skip

    def entries(self, query: AuditQuery = AuditQuery()) -> tuple[list[AuditEntry], str | None]:  # noqa: B008  immutable
        """A page of changes, and the cursor of the next page, if there is one. Raises `ValueError` for a false one."""
        rows = select(AUDIT_LOG).where(AUDIT_LOG.c.at >= query.start, AUDIT_LOG.c.at < query.end)
        for name in ("author", "action", "kind", "object_id"):
            if (wanted := getattr(query, name)) is not None:
                rows = rows.where(AUDIT_LOG.c[name] == wanted)
        if query.after is not None:
            if not (query.after.isascii() and query.after.isdigit() and len(query.after) < 10):
                raise ValueError(f"{query.after!r} is no cursor of the audit trail")
            rows = rows.where(AUDIT_LOG.c.id < int(query.after))
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.order_by(AUDIT_LOG.c.id.desc()).limit(query.limit + 1)).all()
        entries = [_entry(row) for row in found[: query.limit]]
        return entries, str(entries[-1].id) if len(found) > query.limit else None

    def verify(self) -> Verification:
        """Compute every hash again."""
        expected, head = 0, START
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execution_options(yield_per=1000).execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.id))
            for row in rows:
                expected += 1
                if row.id != expected or row.hash != _chained(head, row._asdict()):
                    return Verification(expected - 1, head, expected)
                head = row.hash
        return Verification(expected, head, None)


def _chained(before: str, values: dict[str, Any]) -> str:
    covered = [before, *(values[column.name] for column in AUDIT_LOG.columns if column.name != "hash")]
    return hashlib.sha256(json.dumps(covered).encode()).hexdigest()


def _written(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def _entry(row: Row[Any]) -> AuditEntry:
    values = row._asdict()
    for name in ("before", "after"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return AuditEntry(**values)
