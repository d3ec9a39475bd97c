"""Who is asking for a page: whoever is on this machine, where no keys are asked for; else, whose session it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from tollkeeper.sidecar.api.auth import ANYBODY, LOCAL_AUTHOR, SignedIn
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.loopback import is_local
from tollkeeper.storage.access_keys import Scope, allows

Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sees a page. `name` is who they are in the audit trail.

    `is_local`: nobody signed in, as none but this machine can ask (embedded mode). `is_open`: nobody has to, wherever
    they are. `user` is the account and `session` the id of what they are signed in by, if they are.
    """

    name: str
    scopes: tuple[Scope, ...]
    is_local: bool = False
    is_open: bool = False
    user: str | None = None
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
        return SignedIn(self.name, self.scopes, self.user, self.session)


async def identify(request: Request, services: Services) -> Identity | None:
    """Who is asking; `None`: they have to sign in. Raises `LedgerUnavailable` while the database is away."""
    if services.open_to_all:
        return Identity(ANYBODY, ("admin",), is_open=True)
    address = None if request.client is None else request.client.host
    if services.open_on_loopback and is_local(address, request.headers):
        return Identity(LOCAL_AUTHOR, ("admin",), is_local=True)
    return None
