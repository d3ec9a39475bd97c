"""Who may ask: bearers of keys with the right scope; in embedded mode, whoever is on this machine."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tollkeeper.sidecar.api.problems import Problem, Refused
from tollkeeper.sidecar.api.services import Services
from tollkeeper.storage.access_keys import Scope

LOCAL_AUTHOR = "local"
"""Who does something without a key, in the audit trail."""

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy adds: then the caller is not on this machine, though the proxy is."""

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
        if given is None and services.open_on_loopback and is_local(request):
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


def is_local(request: Request) -> bool:
    """Whether the caller is a program on this machine, and not a web page in a browser on it.

    A page may send requests to loopback, and may give its own name that address; but then `Host` or `Origin` says so.
    """
    client = request.client
    # A unix socket has no address; whoever can open it is on this machine.
    if client is not None and client.host and not is_loopback(client.host):
        return False
    if any(request.headers.get(name) for name in FORWARDED):
        return False
    origin = request.headers.get("origin")
    return is_loopback(_host(request.headers.get("host", ""))) and (
        origin is None or is_loopback(_host(origin.partition("://")[2]))
    )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(location: str) -> str:
    """The host of `host:port`."""
    if location.startswith("["):
        return location[1:].partition("]")[0]
    return location.partition(":")[0].lower()


def _unauthorized(message: str, error: str | None) -> Refused:
    told = "Bearer" if error is None else f'Bearer error="{error}"'
    problem = Problem(message=message, field="Authorization", expected="Bearer <key>")
    return Refused(401, problem, {"WWW-Authenticate": told})
