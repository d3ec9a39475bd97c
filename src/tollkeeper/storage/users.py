"""People who sign in to the page: their roles, and what is kept of their passwords. Moments are nanoseconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import BigInteger, Column, Connection, Integer, Row, Table, Text, insert, select, update

from tollkeeper.storage.access_keys import Scope
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.contract import LedgerUnavailable
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.passwords import Passwords, mistake_in
from tollkeeper.storage.sessions import forget_sessions_of, keep_session

Role = Literal["viewer", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
SCOPES_OF: Mapping[Role, tuple[Scope, ...]] = {"viewer": ("read",), "editor": ("edit",), "admin": ("admin",)}
"""What a role may do, as keys have it."""

LONGEST_NAME = 100
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]*")
NOT_NAMES = ("anybody", "bootstrap", "local")
"""Whom the audit trail knows already."""
EXPECTED_NAME = f"up to {LONGEST_NAME} small letters, digits and any of . _ @ + -, such as ada or ada@example.com"

USERS = Table(
    "users",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("hash", Text, nullable=False),  # argon2id, with its salt and how much work it was
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("password_set_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("last_signed_in_at", BigInteger),
)


class UserError(ValueError):
    """Everything that is wrong with what was asked for, by field. It never repeats a password."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{name}: {expected}" for name, expected in mistakes.items()))
        self.mistakes = mistakes


class UserConflict(Exception):
    """The user is another one by now, or there is one of this name, or nobody else could make admins."""


class User(NamedTuple):
    """Somebody who can sign in, without what they do it with. `version` counts the changes."""

    name: str
    role: Role
    version: int
    created_at: int
    created_by: str
    password_set_at: int
    disabled_at: int | None = None
    last_signed_in_at: int | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What they may do."""
        return SCOPES_OF[self.role]

    @property
    def is_good(self) -> bool:
        """Whether they may sign in, and stay."""
        return self.disabled_at is None

    @property
    def is_active_admin(self) -> bool:
        """Whether they may do everything, now."""
        return self.role == "admin" and self.is_good


class Users:
    """The users of one database. Changes are audited. All of it raises `LedgerUnavailable` while that is away."""

    def __init__(
        self, database: Database, clock: Callable[[], int] = time.time_ns, passwords: Passwords | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)
        self._passwords = passwords or Passwords()

    def create(self, name: str, role: str, password: str, *, author: str, reason: str = "") -> User:
        """Raises `UserError`, and `UserConflict` for a name that is taken."""
        name = folded(name)
        _check({"name": _mistake_in_name(name), "role": _mistake_in_role(role), "password": mistake_in(password, name)})
        kept, now = self._passwords.hash(password), self._clock()
        known: Role = next(each for each in ROLES if each == role)
        user = User(name, known, 1, now, author, now)
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            if _row(connection, name) is not None:
                raise UserConflict(f"there is a user {name} already")
            connection.execute(insert(USERS), {**user._asdict(), "hash": kept})
            self._record(connection, "create", None, user, author, reason)
        return user

    def users(self) -> list[User]:
        """All of them, by name, the disabled ones too."""
        with told_apart(self._database), self._database.read() as connection:
            return [_user(row) for row in connection.execute(select(USERS).order_by(USERS.c.name))]

    def user(self, name: str) -> User | None:
        """The one of this name."""
        with told_apart(self._database), self._database.read() as connection:
            row = _row(connection, folded(name))
        return None if row is None else _user(row)

    def change(
        self,
        name: str,
        *,
        role: str | None = None,
        disabled: bool | None = None,
        author: str,
        reason: str = "",
        expected: int | None = None,
    ) -> User:
        """Set what is given. Whoever is disabled is out at once.

        Raises `UserError`, `LookupError` for nobody, and `UserConflict` if they are not at the version `expected`, or
        would be the last active admin no more.
        """
        if role is not None:
            _check({"role": _mistake_in_role(role)})
        now = self._clock()

        with told_apart(self._database), self._database.write() as connection:

            def changed(before: User) -> User:
                known: Role = next((each for each in ROLES if each == role), before.role)
                since = before.disabled_at if disabled is None else (before.disabled_at or now) if disabled else None
                after = before._replace(role=known, disabled_at=since)
                if before.is_active_admin and not after.is_active_admin:
                    _check_other_admin(connection, before.name)
                return after

            after = self._update(connection, name, changed, "change", author, reason, expected)
            if not after.is_good:
                forget_sessions_of(connection, after.name)
        return after

    def set_password(
        self,
        name: str,
        password: str,
        *,
        author: str,
        reason: str = "",
        expected: int | None = None,
        keep: str | None = None,
    ) -> User:
        """Another password; it ends all of their sessions but the one with the id `keep`. Raises as `change`."""
        _check({"password": mistake_in(password, folded(name))})
        kept, now = self._passwords.hash(password), self._clock()
        with told_apart(self._database), self._database.write() as connection:
            after = self._update(
                connection,
                name,
                # Two within one tick of the clock are still two.
                lambda before: before._replace(password_set_at=max(now, before.password_set_at + 1)),
                "set_password",
                author,
                reason,
                expected,
            )
            connection.execute(update(USERS).where(USERS.c.name == after.name).values(hash=kept))
            forget_sessions_of(connection, after.name, keep)
            if keep is not None:
                keep_session(connection, keep, after.password_set_at)
        return after

    def authenticate(self, name: str, password: str) -> User | None:
        """Who this is; `None`: nobody, or disabled, or another password, and all of these take the same work."""
        name = folded(name)
        with told_apart(self._database), self._database.read() as connection:
            row = _row(connection, name) if NAME.fullmatch(name) else None
        is_right = self._passwords.matches(None if row is None else row.hash, password)
        if row is None or not is_right or not (user := _user(row)).is_good:
            return None
        if self._passwords.is_outdated(row.hash):
            self._keep_better(row, password)
        return user

    def note_sign_in(self, user: User) -> User:
        """Write down that they have signed in."""
        now = self._clock()
        with suppress(LedgerUnavailable), told_apart(self._database), self._database.write() as connection:
            connection.execute(update(USERS).where(USERS.c.name == user.name).values(last_signed_in_at=now))
        return user._replace(last_signed_in_at=now)

    def _keep_better(self, row: Row[Any], password: str) -> None:
        kept = self._passwords.hash(password)
        with suppress(LedgerUnavailable), told_apart(self._database), self._database.write() as connection:
            same = (USERS.c.name == row.name) & (USERS.c.hash == row.hash)
            connection.execute(update(USERS).where(same).values(hash=kept))

    def _update(
        self,
        connection: Connection,
        name: str,
        changed: Callable[[User], User],
        action: str,
        author: str,
        reason: str,
        expected: int | None,
    ) -> User:
        self._audit.take_turn(connection)
        row = _row(connection, folded(name))
        if row is None:
            raise LookupError(f"there is no user {name}")
        before = _user(row)
        if expected is not None and expected != before.version:
            raise UserConflict(f"{before.name} is at version {before.version}, and not at {expected} any more")
        after = changed(before)
        if after == before:
            return before
        after = after._replace(version=before.version + 1)
        connection.execute(update(USERS).where(USERS.c.name == before.name).values(**after._asdict()))
        self._record(connection, action, before, after, author, reason)
        return after

    def _record(
        self, connection: Connection, action: str, before: User | None, after: User, author: str, reason: str
    ) -> None:
        self._audit.record(
            connection, author=author, action=action, kind="user", object_id=after.name,
            before=None if before is None else before._asdict(), after=after._asdict(), reason=reason,
        )  # fmt: skip


def folded(name: str) -> str:
    """As names are kept: `Ada` is `ada`."""
    return name.strip().lower()


def _mistake_in_name(name: str) -> str | None:
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        return f"expected {EXPECTED_NAME}"
    return f"expected another one than {', '.join(NOT_NAMES)}" if name in NOT_NAMES else None


def _mistake_in_role(role: str) -> str | None:
    return None if role in ROLES else f"expected {', '.join(ROLES)}"


def _check(found: Mapping[str, str | None]) -> None:
    if mistakes := {name: mistake for name, mistake in found.items() if mistake is not None}:
        raise UserError(mistakes)


def _check_other_admin(connection: Connection, name: str) -> None:
    others = (USERS.c.name != name) & (USERS.c.role == "admin") & USERS.c.disabled_at.is_(None)
    if connection.execute(select(USERS.c.name).where(others).limit(1)).first() is None:
        raise UserConflict(f"{name} is the last active admin; make somebody else an admin first")


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(USERS).where(USERS.c.name == name)).one_or_none()


def _user(row: Row[Any]) -> User:
    values = row._asdict()
    return User(**{name: values[name] for name in User._fields})
