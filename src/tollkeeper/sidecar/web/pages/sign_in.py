"""Signing in, with a password or a key, and out. Nobody is known yet, so this is no page like the others."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.throttle import TooMany
from tollkeeper.sidecar.web import cookies, csrf
from tollkeeper.sidecar.web.forms import read_form
from tollkeeper.sidecar.web.identity import identify, session_token
from tollkeeper.sidecar.web.rendering import Templates
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.passwords import HASHED_AT_ONCE
from tollkeeper.storage.sessions import LONGEST_NS, Holder
from tollkeeper.storage.users import LONGEST_NAME, folded

log = logging.getLogger("tollkeeper")

PATH, OUT = "/sign-in", "/sign-out"
LONGEST_FORM = 16 << 10
LONGEST_SECRET = 1000
MOST_FIELDS = 10
LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")
"""Browsers take `//host` and `/\\host` for another host, and leave out tabs and line ends before they look."""
NS_A_SECOND = 1_000_000_000
WRONG_PASSWORD = "There is no such user with this password."
WRONG_KEY = "This key is not valid: unknown, expired or revoked."
AWAY = "The database cannot be used just now. Try again in a moment."


class Asked(NamedTuple):
    """What somebody wants to be signed in by."""

    name: str
    password: str
    key: str
    next: str

    @property
    def account(self) -> str | None:
        """Whose password it should be."""
        return None if self.key else folded(self.name)[:LONGEST_NAME]


class SignIn:
    """The routes of signing in and out."""

    def __init__(self, services: Services, templates: Templates, public_url: str | None) -> None:
        self._services = services
        self._templates = templates
        self._public_url = public_url
        self._hashing = asyncio.Semaphore(HASHED_AT_ONCE)

    def routes(self) -> list[Route]:
        """To be served beside the pages."""
        return [
            Route(PATH, self._show, methods=["GET"]),
            Route(PATH, self._enter, methods=["POST"]),
            Route(OUT, self._leave, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        where = local_path(request.query_params.get("next"))
        if await identify(request, self._services) is not None:
            return RedirectResponse(where, 303)
        return self._form(request, 200, Asked("", "", "", where))

    async def _enter(self, request: Request) -> Response:
        async with read_form(request, longest=LONGEST_FORM, most_fields=MOST_FIELDS) as form:
            asked = _read(form)
            try:
                csrf.check(request, form, self._public_url)
            except csrf.Forged as forged:
                return self._form(request, 403, asked, f"You are not signed in: {forged}. Try once more.")
        try:
            holder = await self._holder(request, asked)
            if holder is None:
                log.warning("an attempt to sign in failed, from %s", address_of(request))
                return self._form(request, 422, asked, WRONG_KEY if asked.key else WRONG_PASSWORD)
            return await self._start(request, holder, asked.next)
        except TooMany as many:
            again = self._services.now() + timedelta(seconds=many.seconds)
            told = f"Too many attempts failed. Try again {_in_words(many.seconds, again)}."
            return self._form(request, 429, asked, told, {"Retry-After": str(many.seconds)})
        except LedgerUnavailable:
            return self._form(request, 503, asked, AWAY, {"Retry-After": "5"})

    async def _holder(self, request: Request, asked: Asked) -> Holder | None:
        """Whose session it will be. Raises `TooMany`."""
        throttle = self._services.throttle
        attempt = await asyncio.to_thread(throttle.begin, address_of(request), asked.account)
        failed = False
        try:
            async with self._hashing:
                holder = await asyncio.to_thread(self._authenticated, asked)
            failed = holder is None
            return holder
        finally:
            await asyncio.to_thread(throttle.end, attempt, failed=failed)

    def _authenticated(self, asked: Asked) -> Holder | None:
        if asked.key:
            key = self._services.access_keys.authenticate(asked.key)
            return None if key is None else Holder(key.name, key_prefix=key.prefix)
        user = self._services.users.authenticate(asked.name, asked.password)
        if user is None:
            return None
        self._services.users.note_sign_in(user)
        return Holder(user.name, user.name, user.password_set_at)

    async def _start(self, request: Request, holder: Holder, where: str) -> Response:
        def start() -> str:
            self._end_session(request)
            agent = request.headers.get("user-agent", "")
            return self._services.sessions.start(holder, address=address_of(request), agent=agent)[0]

        token = await asyncio.to_thread(start)
        answer = RedirectResponse(where, 303)
        kept = cookies.setting(cookies.SESSION, token, request.scope[cookies.SECURE], LONGEST_NS // NS_A_SECOND)
        answer.headers.append("set-cookie", kept)
        return answer

    async def _leave(self, request: Request) -> Response:
        async with read_form(request, longest=LONGEST_FORM, most_fields=MOST_FIELDS) as form:
            try:
                csrf.check(request, form, self._public_url)
            except csrf.Forged as forged:
                asked = Asked("", "", "", "/")
                return self._form(request, 403, asked, f"You are still signed in: {forged}. Load the page again.")
        await asyncio.to_thread(self._end_session, request)
        answer = RedirectResponse(PATH, 303)
        answer.headers.append("set-cookie", cookies.clearing(cookies.SESSION, request.scope[cookies.SECURE]))
        return answer

    def _end_session(self, request: Request) -> None:
        """End that of the browser's cookie, if it has one."""
        token = session_token(request)
        session = None if token is None else self._services.sessions.find(token)
        if session is not None:
            whose = session.user or f"tk_{session.key_prefix}"
            self._services.sessions.end(session.id, author=whose)

    def _form(
        self, request: Request, status: int, asked: Asked, wrong: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        shown = self._templates.get_template("sign_in.html").render(
            title="Sign in", csrf=csrf.token_for(request), next=asked.next, name=asked.name[:LONGEST_NAME],
            by_key=bool(asked.key),
            wrong=wrong,
        )  # fmt: skip
        return HTMLResponse(shown, status, headers=dict(headers or {}))


def to_sign_in(request: Request) -> Response:
    """For whoever has to sign in first: there, and then back. A part of a page is no place for it."""
    in_part = "hx-request" in request.headers
    shown = request.headers.get("hx-current-url" if in_part else "referer", "")
    where = _path_of(str(request.url) if request.method == "GET" and not in_part else shown)
    target = f"{PATH}?next={quote(where, safe='')}"
    return Response(status_code=401, headers={"HX-Redirect": target}) if in_part else RedirectResponse(target, 303)


def _path_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return local_path(parts.path + (f"?{parts.query}" if parts.query else ""))


def local_path(text: str | None) -> str:
    """Where to go on to: a page of this site and of no other; the first one, if it is not."""
    if text is None or not LOCAL_PATH.fullmatch(text) or text.partition("?")[0] in (PATH, OUT):
        return "/"
    return text


def address_of(request: Request) -> str:
    """Where a request is from. The server has asked the proxy already, if it trusts one (`FORWARDED_ALLOW_IPS`)."""
    return "" if request.client is None else request.client.host


def _read(form: FormData) -> Asked:
    def text(name: str) -> str:
        value = form.get(name)
        return value if isinstance(value, str) and len(value) <= LONGEST_SECRET and value.isprintable() else ""

    return Asked(text("user"), text("password"), text("key").strip(), local_path(str(form.get("next") or "")))


def _in_words(seconds: int, moment: datetime) -> str:
    minutes = -(-seconds // 60)
    wait = "in a minute" if minutes == 1 else f"in {minutes} minutes"
    return f"{wait}, at {moment:%H:%M} UTC"
