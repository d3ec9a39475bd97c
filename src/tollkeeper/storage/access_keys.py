"""Keys to the sidecar's API: random texts that are shown once. What is stored cannot be turned into one.

A key has 256 random bits, so its SHA-256 needs neither salt nor stretching. Moments are nanoseconds since the epoch.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Row, Table, Text, func, insert, or_, select, update

from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.contract import LedgerUnavailable
from tollkeeper.storage.ledger.failures import told_apart

Scope = Literal["read", "write", "edit", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each allows what the ones before it allow: to ask; to send usage; to change prices, limits and the like; to
change who may do what, and where alerts are sent."""

MARK = "tk"
USE_NOTED_AFTER_NS = 60_000_000_000
"""The moment of the last use is written no more often than this."""
BOOTSTRAP_NAME = "bootstrap"
LONGEST_NAME = 100

ACCESS_KEYS = Table(
    "access_keys",
    METADATA,
    Column("prefix", Text, primary_key=True),  # of the key, to find it by, and to name it
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the whole key
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # with commas
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),  # not included; NULL: never
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),  # to the minute
)


def allows(scopes: Collection[Scope], wanted: Scope) -> bool:
    """Whether one of these scopes is good for this."""
    return any(SCOPES.index(own) >= SCOPES.index(wanted) for own in scopes)


class AccessKeyError(ValueError):
    """Everything that is wrong with what was asked for, a line each."""


class AccessKey(NamedTuple):
    """A key, without what it opens the door with."""

    prefix: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it is good for this."""
        return allows(self.scopes, scope)

    def is_good(self, now: int) -> bool:
        """Whether it has neither expired nor been revoked."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class AccessKeys:
    """The keys of one database. Changes are audited. All of it raises `LedgerUnavailable` while that is away."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)
        self._noted: dict[str, int] = {}

    def create(
        self, name: str, scopes: Collection[str], *, author: str, reason: str = "", expires_at: int | None = None
    ) -> tuple[str, AccessKey]:
        """A new key: its text, which nobody can be shown again, and its row. Raises `AccessKeyError`."""
        now = self._clock()
        _check(name, scopes, author, expires_at, now)
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            return self._create(connection, _new_row(name, scopes, author, expires_at, now), author, reason)

    def bootstrap(self) -> tuple[str, AccessKey] | None:
        """The first key, good for everything; `None` if there has ever been one. Of several processes, one gets it."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            if connection.execute(select(func.count()).select_from(ACCESS_KEYS)).scalar_one():
                return None
            row = _new_row(BOOTSTRAP_NAME, ("admin",), BOOTSTRAP_NAME, None, self._clock())
            return self._create(connection, row, BOOTSTRAP_NAME, "there was no key")

    def authenticate(self, text: str, now: int | None = None) -> AccessKey | None:
        """Whose key this is; `None` for one that is unknown, expired or revoked."""
        moment = self._clock() if now is None else now
        mark, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        if mark != MARK or not secret or not text.isascii():
            return None
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix)).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, _hash(text)):
            return None
        key = _key(row)
        if not key.is_good(moment):
            return None
        return self._note_use(key, moment)

    def key(self, prefix: str) -> AccessKey | None:
        """The one with this prefix, if it is good."""
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix)).one_or_none()
        return None if row is None or not (key := _key(row)).is_good(self._clock()) else key

    def keys(self) -> list[AccessKey]:
        """All of them, those that are good no more too, the newest first."""
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(
                select(ACCESS_KEYS).order_by(ACCESS_KEYS.c.created_at.desc(), ACCESS_KEYS.c.prefix)
            )
            return [_key(row) for row in rows]

    def revoke(self, prefix: str, *, author: str, reason: str = "") -> AccessKey:
        """Make a key useless, at once and for ever. Harmless when it is. Raises `LookupError` for an unknown one."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            row = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix)).one_or_none()
            if row is None:
                raise LookupError(f"no key begins with {MARK}_{prefix}")
            before = _key(row)
            if before.revoked_at is not None:
                return before
            after = before._replace(revoked_at=self._clock())
            connection.execute(
                update(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix).values(revoked_at=after.revoked_at)
            )
            self._record(connection, "revoke", before, after, author, reason)
            return after

    def _create(self, connection: Connection, key: AccessKey, author: str, reason: str) -> tuple[str, AccessKey]:
        text = f"{MARK}_{key.prefix}_{secrets.token_urlsafe(32)}"
        values = {**key._asdict(), "scopes": ",".join(key.scopes), "hash": _hash(text)}
        connection.execute(insert(ACCESS_KEYS), values)
        self._record(connection, "create", None, key, author, reason)
        return text, key

    def _record(
        self, connection: Connection, action: str, before: AccessKey | None, after: AccessKey, author: str, reason: str
    ) -> None:
        self._audit.record(
            connection,
            author=author,
            action=action,
            kind="access_key",
            object_id=after.prefix,
            before=None if before is None else before._asdict(),
            after=after._asdict(),
            reason=reason,
        )

    def _note_use(self, key: AccessKey, now: int) -> AccessKey:
        last = max(key.last_used_at or 0, self._noted.get(key.prefix, 0))
        if last and now - last < USE_NOTED_AFTER_NS:
            return key
        # Before it is written: of many requests at once, one waits for the database.
        self._noted[key.prefix] = now
        used = ACCESS_KEYS.c.last_used_at
        # A key is good even where its use cannot be written down.
        with suppress(LedgerUnavailable), told_apart(self._database), self._database.write() as connection:
            connection.execute(
                update(ACCESS_KEYS)
                .where(ACCESS_KEYS.c.prefix == key.prefix, or_(used.is_(None), used < now))
                .values(last_used_at=now)
            )
            return key._replace(last_used_at=now)
        return key


def _new_row(name: str, scopes: Collection[str], author: str, expires_at: int | None, now: int) -> AccessKey:
    wanted = tuple(scope for scope in SCOPES if scope in scopes)
    # Hex, so that the first "_" after it is the one that ends it.
    return AccessKey(secrets.token_hex(4), name, wanted, now, author, expires_at)


def _check(name: str, scopes: Collection[str], author: str, expires_at: int | None, now: int) -> None:
    mistakes = [
        f"access key: {key}: {value!r}; expected a text of 1 to {LONGEST_NAME} characters that can be printed"
        for key, value in (("name", name), ("author", author))
        if not (value.strip() and value.isprintable() and len(value) <= LONGEST_NAME)
    ]
    mistakes += [
        f"access key: scopes: {scope!r}; expected {', '.join(SCOPES)}" for scope in scopes if scope not in SCOPES
    ]
    if not scopes:
        mistakes.append(f"access key: scopes: missing; expected some of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        mistakes.append(f"access key: expires_at: {expires_at}; expected a moment that is yet to come")
    if mistakes:
        raise AccessKeyError("\n".join(mistakes))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _key(row: Row[Any]) -> AccessKey:
    values = row._asdict()
    values["scopes"] = tuple(values["scopes"].split(","))
    return AccessKey(**{name: values[name] for name in AccessKey._fields})
