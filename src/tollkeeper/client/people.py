"""The questions about users and who is signed in. Each function here is a method of both clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader

Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can sign in to the page; `version` counts the changes."""

    name: str
    role: str
    version: int
    active: bool
    created_at: datetime
    created_by: str
    password_set_at: datetime
    disabled_at: datetime | None
    last_signed_in_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """All users, by name."""

    users: list[User]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody is signed in, in one browser: a user, or whoever has the key with this prefix."""

    id: str
    user: str | None
    key_prefix: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Those that are not over, the newest first."""

    sessions: list[Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How many sessions were ended."""

    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who is asking, and what they may do."""

    name: str
    scopes: list[str]
    user: str | None
    session: str | None


def users() -> Ask[Users]:
    """All users, those who may not sign in any more too."""
    return Ask("GET", "/users", reader(Users))


def user(name: str) -> Ask[User]:
    """One user."""
    return Ask("GET", _path(name), reader(User))


def create_user(name: str, password: str, role: Role = "viewer", *, reason: str | None = None) -> Ask[User]:
    """A new user; `Outdated` if there is one of this name."""
    body = body_of({"name": name, "password": password, "role": role, "reason": reason})
    return Ask("POST", "/users", reader(User), body=body)


def change_user(
    name: str,
    *,
    role: Role | None = None,
    active: bool | None = None,
    reason: str | None = None,
    expected: int | None = None,
) -> Ask[User]:
    """Set what is given, from their next request on.

    `Outdated` if they are not at the version `expected` any more, or would be the last active admin no more.
    """
    body = body_of({"role": role, "active": active, "reason": reason})
    return Ask("PATCH", _path(name), reader(User), body=body, headers=_matching(expected))


def set_user_password(name: str, password: str, *, reason: str | None = None, expected: int | None = None) -> Ask[User]:
    """Another password for somebody; it ends their sessions. Raises as `change_user`."""
    body = body_of({"password": password, "reason": reason})
    return Ask("PUT", f"{_path(name)}/password", reader(User), body=body, headers=_matching(expected))


def sessions(*, user: str | None = None) -> Ask[Sessions]:
    """Who is signed in."""
    return Ask("GET", "/sessions", reader(Sessions), query_of({"user": user}))


def end_session(id: str, *, reason: str | None = None) -> Ask[Ended]:
    """Whoever has it has to sign in anew."""
    return Ask("DELETE", f"/sessions/{quote(id, safe='')}", reader(Ended), query_of({"reason": reason}))


def end_user_sessions(name: str, *, reason: str | None = None) -> Ask[Ended]:
    """The user has to sign in anew, everywhere."""
    return Ask("DELETE", f"{_path(name)}/sessions", reader(Ended), query_of({"reason": reason}))


def me() -> Ask[Me]:
    """Who is asking: whose key it is, or who is signed in to the page."""
    return Ask("GET", "/me", reader(Me))


def set_own_password(current: str, password: str) -> Ask[User]:
    """Of whoever is signed in to the page; it ends their other sessions. `Unavailable` after too many wrong ones."""
    return Ask("PUT", "/me/password", reader(User), body={"current": current, "password": password})


def own_sessions() -> Ask[Sessions]:
    """Where whoever is signed in to the page is signed in too."""
    return Ask("GET", "/me/sessions", reader(Sessions))


def end_own_sessions(*, reason: str | None = None) -> Ask[Ended]:
    """Sign out everywhere else."""
    return Ask("DELETE", "/me/sessions", reader(Ended), query_of({"reason": reason}))


def _path(name: str) -> str:
    return f"/users/{quote(name, safe='')}"


def _matching(expected: int | None) -> dict[str, str]:
    return {} if expected is None else {"If-Match": f'"{expected}"'}
