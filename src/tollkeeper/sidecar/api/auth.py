"""Who may ask: bearers of keys with the right scope; in embedded mode, whoever is on this machine."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tollkeeper.sidecar.api.problems import Problem, Refused
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.loopback import is_local
from tollkeeper.storage.access_keys import Scope

LOCAL_AUTHOR = "local"
"""Who does something without a key, in the audit trail."""

ANYBODY = "anybody"
"""The same where no keys are asked for at all."""

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
        if services.open_to_all:
            known = None if given is None else services.access_keys.authenticate(given.credentials)
            request.state.author = ANYBODY if known is None else known.name
            return
        if given is None and services.open_on_loopback and _is_local(request):
            request.state.author = LOCAL_AUTHOR
            return
        if given is None:
            raise _unauthorized("a key is needed: Authorization: Bearer <key>", None)
        key = services.access_keys.authenticate(given.credentials)
        if key is None:
            raise _unauthorized("this key is not valid: unknown, expired or revoked", "invalid_token")
        if not key.allows(scope):
            problem = Problem(
                message=f"this key is for {', '.join(key.scopes)}; needed is {scope}", field="scope", expected=scope
            )
            told = f'Bearer error="insufficient_scope", scope="{scope}"'
            raise Refused(403, problem, {"WWW-Authenticate": told})
        request.state.author = key.name

    return Security(check)


def author_of(request: Request) -> str:
    """Who asks, for the audit trail."""
    author: str = request.state.author
    return author


def _is_local(request: Request) -> bool:
    return is_local(None if request.client is None else request.client.host, request.headers)


def _unauthorized(message: str, error: str | None) -> Refused:
    told = "Bearer" if error is None else f'Bearer error="{error}"'
    problem = Problem(message=message, field="Authorization", expected="Bearer <key>")
    return Refused(401, problem, {"WWW-Authenticate": told})
