"""Forms that other sites make a browser send are refused: by where they are from, and by a token that only ours know.

A token is keyed by what the visitor's cookie says, so it is good for this visitor only, and another one in each page:
compressed pages do not tell it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollkeeper.sidecar.web import cookies

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"

VISITOR = "tollkeeper.visitor"
"""Where the random text of the visitor's cookie is in the ASGI scope."""

FROM_HERE = ("same-origin", "none")


class Forged(Exception):
    """A form that may be somebody else's. The text says what was wrong with it."""


class Visits:
    """Before the pages: whoever comes without a cookie is given one, for the tokens of their forms.

    Whoever names a host that cannot be one is turned away: an address cannot be made of it.
    """

    def __init__(self, app: ASGIApp, public_url: str | None = None) -> None:
        self._app = app
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        if not _can_be_host(request.headers.get("host", "")):
            await PlainTextResponse("the Host header is no host\n", 400)(scope, receive, send)
            return
        secure = scope[cookies.SECURE] = cookies.is_secure(request, self._public_url)
        known = cookies.read(request, cookies.SESSION, secure) or cookies.read(request, cookies.VISIT, secure)
        visitor = scope[VISITOR] = known or secrets.token_urlsafe(32)

        async def answer(message: Message) -> None:
            if known is None and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # What a proxy may keep would be everybody's: then others would know the token.
                if not headers.get("cache-control", "").startswith("public"):
                    headers.append("set-cookie", cookies.setting(cookies.VISIT, visitor, secure))
            await send(message)

        await self._app(scope, receive, answer)


def token_for(request: HTTPConnection) -> str:
    """A token for the forms of a page that answers this request; another one each time."""
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_signed(request, nonce)}"


def check(request: Request, form: Mapping[str, object], public_url: str | None = None) -> None:
    """Raises `Forged` for a request that changes something and is not from a form that this visitor was given."""
    _check_site(request, public_url)
    given = request.headers.get(HEADER) or form.get(FIELD)
    if not isinstance(given, str) or not given:
        raise Forged(f"the form has no {FIELD}")
    nonce, _, signature = given.partition(".")
    if not hmac.compare_digest(signature.encode(), _signed(request, nonce).encode()):
        raise Forged(f"the form's {FIELD} is not of this browser's visit")


def _can_be_host(text: str) -> bool:
    try:
        return not set(text) & set("/?#@\\ ") and urlsplit(f"//{text}").port != 0
    except ValueError:
        return False


def _check_site(request: Request, public_url: str | None) -> None:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in FROM_HERE:
            raise Forged("the form was sent by a page of another site")
        # The browser has compared it with what it asked for, which a proxy may have made another host of.
        return
    origin = request.headers.get("origin")
    if origin is None:
        return
    # Behind a proxy, the host that was asked for may have been the public one.
    ours = {request.headers.get("host", "").lower(), urlsplit(public_url or "").netloc.lower()} - {""}
    if origin.partition("://")[2].lower() not in ours:
        raise Forged("the form was sent by a page of another host")


def _signed(request: HTTPConnection, nonce: str) -> str:
    visitor: str = request.scope[VISITOR]
    return hmac.new(visitor.encode(), f"tollkeeper csrf {nonce}".encode(), hashlib.sha256).hexdigest()
