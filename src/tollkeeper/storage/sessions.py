"""Who is signed in to the page: sessions in the database, so that any sidecar of it knows them, and any can end them.

A session's token has 256 random bits and is with its browser only; kept is its SHA-256. Moments are nanoseconds.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, Row, Table, Text, delete, insert, select
from sqlalchemy import update as update_rows

from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.contract import LedgerUnavailable
from tollkeeper.storage.ledger.failures import told_apart

HOUR_NS = 3_600_000_000_000
IDLE_NS = 12 * HOUR_NS
"""So long a session lasts that nobody uses."""
LONGEST_NS = 7 * 24 * HOUR_NS
"""So long one lasts at the most."""
USE_NOTED_AFTER_NS = 60_000_000_000
LONGEST_AGENT = 200

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Text, primary_key=True),  # to name it by; opens nothing
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the token
    Column("user", Text),  # whose it is …
    Column("key_prefix", Text),  # … or by which key somebody is signed in
    Column("password_set_at", BigInteger),  # of the user's password that was given
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),  # to the minute
    Column("expires_at", BigInteger, nullable=False),  # not included
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),  # what the browser calls itself
    Index("uq_sessions_hash", "hash", unique=True),
)


class Holder(NamedTuple):
    """Whose a session is: a user's, by a password set at this moment, or of whoever has this key."""

    name: str
    user: str | None = None
    password_set_at: int | None = None
    key_prefix: str | None = None


class Session(NamedTuple):
    """A session, without its token."""

    id: str
    user: str | None
    key_prefix: str | None
    password_set_at: int | None
    created_at: int
    last_seen_at: int
    expires_at: int
    address: str
    agent: str

    def is_good(self, now: int) -> bool:
        """Whether it is neither over nor forgotten."""
        return now < self.expires_at and now - self.last_seen_at < IDLE_NS


class Sessions:
    """The sessions of one database. All of it raises `LedgerUnavailable` while that is away."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def start(self, holder: Holder, *, address: str = "", agent: str = "") -> tuple[str, Session]:
        """A new session: its token, for the browser, and its row. Those that are over are forgotten."""
        now = self._clock()
        token = secrets.token_urlsafe(32)
        session = Session(
            secrets.token_hex(8), holder.user, holder.key_prefix, holder.password_set_at, now, now, now + LONGEST_NS,
            _readable(address), _readable(agent),
        )  # fmt: skip
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            connection.execute(
                delete(SESSIONS).where((SESSIONS.c.expires_at <= now) | (SESSIONS.c.last_seen_at <= now - IDLE_NS))
            )
            connection.execute(insert(SESSIONS), {**session._asdict(), "hash": _hash(token)})
            self._record(connection, "sign_in", session, holder.name, "", after=True)
        return token, session

    def find(self, token: str) -> Session | None:
        """The session of this token, if it is good still. Whether who has it is, is for those to say who know them."""
        now = self._clock()
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.hash == _hash(token))).one_or_none()
        if row is None or not (session := _session(row)).is_good(now):
            return None
        if now - session.last_seen_at >= USE_NOTED_AFTER_NS:
            # A session is good even where its use cannot be written down.
            with suppress(LedgerUnavailable), told_apart(self._database), self._database.write() as connection:
                connection.execute(
                    update_rows(SESSIONS)
                    .where(SESSIONS.c.id == session.id, SESSIONS.c.last_seen_at < now)
                    .values(last_seen_at=now)
                )
        return session

    def sessions(self, *, user: str | None = None, key_prefix: str | None = None) -> list[Session]:
        """Those that are good, of everybody or of one holder, the newest first."""
        now = self._clock()
        rows = select(SESSIONS).order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.id)
        for column, wanted in ((SESSIONS.c.user, user), (SESSIONS.c.key_prefix, key_prefix)):
            rows = rows if wanted is None else rows.where(column == wanted)
        with told_apart(self._database), self._database.read() as connection:
            found = [_session(row) for row in connection.execute(rows)]
        return [session for session in found if session.is_good(now)]

    def end(self, id: str, *, author: str, reason: str = "") -> Session | None:
        """End one, at once and everywhere; `None`: there is none."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.id == id)).one_or_none()
            if row is None:
                return None
            session = _session(row)
            connection.execute(delete(SESSIONS).where(SESSIONS.c.id == id))
            self._record(connection, "sign_out", session, author, reason, after=False)
            return session

    def end_all(
        self, *, user: str | None = None, key_prefix: str | None = None, author: str, reason: str = "",
        keep: str | None = None,
    ) -> int:  # fmt: skip
        """End those of one holder, but for the one with the id `keep`; how many there were."""
        ended = self.sessions(user=user, key_prefix=key_prefix) if user or key_prefix else []
        return sum(self.end(each.id, author=author, reason=reason) is not None for each in ended if each.id != keep)

    def _record(
        self, connection: Connection, action: str, session: Session, author: str, reason: str, *, after: bool
    ) -> None:
        said = {"user": session.user, "key": session.key_prefix, "address": session.address, "agent": session.agent}
        self._audit.record(
            connection, author=author, action=action, kind="session", object_id=session.id,
            before=None if after else said, after=said if after else None, reason=reason,
        )  # fmt: skip


def forget_sessions_of(connection: Connection, user: str, keep: str | None = None) -> int:
    """In a transaction that changes what a user may do: end all sessions but `keep`; how many there were."""
    rows = delete(SESSIONS).where(SESSIONS.c.user == user, SESSIONS.c.id != (keep or ""))
    return connection.execute(rows).rowcount


def keep_session(connection: Connection, id: str, password_set_at: int) -> None:
    """In a transaction that sets a password: this session goes on with the new one."""
    connection.execute(update_rows(SESSIONS).where(SESSIONS.c.id == id).values(password_set_at=password_set_at))


def _readable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:LONGEST_AGENT]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _session(row: Row[Any]) -> Session:
    values = row._asdict()
    return Session(**{name: values[name] for name in Session._fields})
