"""Who may ask: bearers of keys with the right scope; in embedded mode, whoever is on this machine."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tollkeeper.sidecar.api.problems import Problem, Refused
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.loopback import is_local
from tollkeeper.storage.access_keys import Scope, allows

LOCAL_AUTHOR = "local"
"""Who does something without a key, in the audit trail."""

ANYBODY = "anybody"
"""The same where no keys are asked for at all."""

SIGNED_IN = "tollkeeper.signed_in"
"""Where a page, that asks from inside the process, says in the ASGI scope for whom. Nothing of a request gets there."""


class SignedIn(NamedTuple):
    """Who is signed in to the page: the name for the audit trail, and what they may do.

    `user` is the account, or `key_prefix` the key, that they are signed in with; `session` is its id.
    """

    name: str
    scopes: tuple[Scope, ...]
    user: str | None = None
    key_prefix: str | None = None
    session: str | None = None


bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="tk_…",
    description="A key: `tollkeeper keys create NAME --scope read`. None is needed on loopback in embedded mode.",
)

Given = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


def needs(scope: Scope) -> Any:
    """A dependency: the caller has a key that is good for this."""

    def check(request: Request, given: Given) -> None:
        services: Services = request.app.state.services
        signed_in: SignedIn | None = request.scope.get(SIGNED_IN)
        if signed_in is not None:
            request.state.asker = _allowed(signed_in, scope, signed_in.name)
            return
        if services.open_to_all:
            known = None if given is None else services.access_keys.authenticate(given.credentials)
            request.state.asker = SignedIn(ANYBODY if known is None else known.name, ("admin",))
            return
        if given is None and services.open_on_loopback and _is_local(request):
            request.state.asker = SignedIn(LOCAL_AUTHOR, ("admin",))
            return
        if given is None:
            raise _unauthorized("a key is needed: Authorization: Bearer <key>", None)
        key = services.access_keys.authenticate(given.credentials)
        if key is None:
            raise _unauthorized("this key is not valid: unknown, expired or revoked", "invalid_token")
        request.state.asker = _allowed(SignedIn(key.name, key.scopes), scope, "this key")

    return Security(check)


def _allowed(who: SignedIn, scope: Scope, called: str) -> SignedIn:
    """The same, if they may do this."""
    if allows(who.scopes, scope):
        return who
    message = f"{called} is for {', '.join(who.scopes)}; needed is {scope}"
    told = f'Bearer error="insufficient_scope", scope="{scope}"'
    raise Refused(403, Problem(message=message, field="scope", expected=scope), {"WWW-Authenticate": told})


def author_of(request: Request) -> str:
    """Who asks, for the audit trail."""
    return asker_of(request).name


def asker_of(request: Request) -> SignedIn:
    """Who asks, and what they may do."""
    asker: SignedIn = request.state.asker
    return asker


def _is_local(request: Request) -> bool:
    return is_local(None if request.client is None else request.client.host, request.headers)


def _unauthorized(message: str, error: str | None) -> Refused:
    told = "Bearer" if error is None else f'Bearer error="{error}"'
    problem = Problem(message=message, field="Authorization", expected="Bearer <key>")
    return Refused(401, problem, {"WWW-Authenticate": told})
