"""What somebody sees who asked for what there is not, or may not have, or cannot be had just now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ExceptionHandler

from tollkeeper.sidecar.web.rendering import Templates
from tollkeeper.sidecar.web.view import View
from tollkeeper.storage.ledger import LedgerUnavailable

log = logging.getLogger("tollkeeper")

TITLES: Mapping[int, str] = {
    401: "Sign in first", 403: "You may not do this", 404: "There is no such page", 409: "Somebody else was quicker",
    412: "Somebody else was quicker", 422: "That did not work", 500: "Something is wrong here", 503: "Not just now",
}  # fmt: skip
OTHERWISE = "That did not work"
AWAY = "The database cannot be used just now. Try again in a moment."
OURS = "It is a mistake of this program; its log says more."
RETRY_AFTER = {"Retry-After": "5"}


def problem(view: View, status: int, message: str) -> Response:
    """A page that says what is wrong; of a part that htmx asks for, the same in place of the part."""
    template = "parts/problem.html" if view.is_part else "problem.html"
    return view.page(template, status, title=TITLES.get(status, OTHERWISE), message=message)


def handlers(templates: Templates) -> Mapping[type[Exception], ExceptionHandler]:
    """For what goes wrong before anybody is known, or where nobody has thought of it."""

    def answer(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(f"{message}\n", status, headers)
        title = TITLES.get(status, OTHERWISE)
        page = templates.get_template("bare_problem.html").render(title=title, message=message)
        return HTMLResponse(page, status, headers)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = error.detail if error.detail != HTTPStatus(error.status_code).phrase else _told(request, error)
        return answer(request, error.status_code, message, error.headers)

    async def unavailable(request: Request, error: Exception) -> Response:
        log.warning("the database cannot be used: %s", error)
        return answer(request, 503, AWAY, RETRY_AFTER)

    async def unforeseen(request: Request, error: Exception) -> Response:
        # It is raised again once this is sent, so the server logs it.
        return answer(request, 500, OURS)

    return {HTTPException: of_http, LedgerUnavailable: unavailable, Exception: unforeseen}


def _told(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"There is nothing at {request.url.path[:200]}."
    return f"{request.method} is not for {request.url.path[:200]}." if error.status_code == 405 else error.detail
