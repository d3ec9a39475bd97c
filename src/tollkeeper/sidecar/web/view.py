"""What a page works with: who looks, which calls are meant, the API to ask, and how to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tollkeeper.client import ApiError
from tollkeeper.sidecar.web.cookies import SECURE
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.formats import Formats
from tollkeeper.sidecar.web.identity import Identity
from tollkeeper.sidecar.web.inside import Inside
from tollkeeper.sidecar.web.rendering import Templates
from tollkeeper.storage.access_keys import Scope

T = TypeVar("T")

SAY_WHY = "Say why: it is kept in the audit trail."
NOTICE_COOKIE = "tollkeeper_notice"
LONGEST_NOTICE = 300
"""Characters; each can be twelve of a cookie, of which browsers keep 4096."""


@dataclass(frozen=True)
class Missing:
    """A part of a page that could not be had. False, so that a template can ask for it."""

    reason: str

    def __bool__(self) -> bool:
        return False


@dataclass
class View:
    """One request for a page. `form` is what was posted, checked against forgery already."""

    request: Request
    who: Identity
    api: Inside
    filters: Filters
    formats: Formats
    csrf: str
    now: datetime
    templates: Templates
    notice: str = ""
    form: FormData = field(default_factory=FormData)

    def may(self, scope: Scope) -> bool:
        """Whether who looks may do this."""
        return self.who.allows(scope)

    @property
    def is_part(self) -> bool:
        """Whether htmx asks, for a place on the page that is shown already."""
        return "hx-request" in self.request.headers

    async def together(self, **asked: Awaitable[Any]) -> dict[str, Any]:
        """Several answers at once. One that cannot be had is `Missing`, and the page is shown without it."""
        found = await asyncio.gather(*asked.values(), return_exceptions=True)
        return {name: self._or_missing(answer) for name, answer in zip(asked, found, strict=True)}

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A whole page, or that part of one that the browser shows anew."""
        shown = self.templates.get_template(template).render(self._context() | context)
        answer = HTMLResponse(shown, status)
        if NOTICE_COOKIE in self.request.cookies:
            answer.delete_cookie(NOTICE_COOKIE, path="/")
        return answer

    def done(self, where: str, notice: str) -> Response:
        """After a change: on to a page, which tells of it once."""
        answer = RedirectResponse(where, 303)
        answer.set_cookie(
            NOTICE_COOKIE, quote(notice[:LONGEST_NOTICE]), max_age=60, path="/", httponly=True, samesite="strict",
            secure=self.request.scope[SECURE],
        )  # fmt: skip
        return answer

    def field(self, name: str) -> str:
        """A text field of the form, without the space around it."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def _or_missing(self, answer: Any) -> Any:
        if isinstance(answer, ApiError):
            return Missing(answer.message)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _context(self) -> dict[str, Any]:
        return {
            "view": self, "who": self.who, "filters": self.filters, "f": self.formats, "csrf": self.csrf,
            "now": self.now, "path": self.request.url.path, "notice": self.notice,
        }  # fmt: skip
