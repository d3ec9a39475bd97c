"""Who is asking for a page: whoever is on this machine, where no keys are asked for; else, whose session it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from tollkeeper.sidecar.api.auth import ANYBODY, LOCAL_AUTHOR, SignedIn
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.loopback import is_local
from tollkeeper.sidecar.web import cookies
from tollkeeper.storage.access_keys import Scope, allows
from tollkeeper.storage.sessions import Session
from tollkeeper.storage.users import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sees a page. `name` is who they are in the audit trail.

    `is_local`: nobody signed in, as none but this machine can ask (embedded mode). `is_open`: nobody has to, wherever
    they are. `user` is the account, or `key_prefix` the key, that they are signed in with; `session` is its id.
    """

    name: str
    scopes: tuple[Scope, ...]
    is_local: bool = False
    is_open: bool = False
    user: str | None = None
    key_prefix: str | None = None
    session: str | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether they may do what needs this scope."""
        return allows(self.scopes, scope)

    @property
    def role(self) -> Role:
        """What they are, in a word."""
        return "admin" if self.allows("admin") else "editor" if self.allows("edit") else "viewer"

    @property
    def signed_in(self) -> SignedIn:
        """The same, for the API."""
        return SignedIn(self.name, self.scopes, self.user, self.key_prefix, self.session)


async def identify(request: Request, services: Services) -> Identity | None:
    """Who is asking; `None`: they have to sign in. Raises `LedgerUnavailable` while the database is away."""
    if services.open_to_all:
        return Identity(ANYBODY, ("admin",), is_open=True)
    address = None if request.client is None else request.client.host
    if services.open_on_loopback and is_local(address, request.headers):
        return Identity(LOCAL_AUTHOR, ("admin",), is_local=True)
    token = session_token(request)
    return None if token is None else await asyncio.to_thread(_of_session, services, token)


def session_token(request: Request) -> str | None:
    """What they may be signed in by. The visit's cookie is no such thing: others can have put a token of theirs in."""
    return cookies.read(request, cookies.SESSION, request.scope[cookies.SECURE])


def _of_session(services: Services, token: str) -> Identity | None:
    """Asked anew at each request: a role, a password or a key may be another one by now, or none."""
    session = services.sessions.find(token)
    if session is None:
        return None
    return _of_user(services, session) if session.key_prefix is None else _of_key(services, session)


def _of_user(services: Services, session: Session) -> Identity | None:
    user = services.users.user(session.user or "")
    if user is None or not user.is_good or user.password_set_at != session.password_set_at:
        return None
    return Identity(user.name, user.scopes, user=user.name, session=session.id)


def _of_key(services: Services, session: Session) -> Identity | None:
    key = services.access_keys.key(session.key_prefix or "")
    return None if key is None else Identity(key.name, key.scopes, key_prefix=key.prefix, session=session.id)
