"""Builds the page: what there is to see and to do, and what happens between a request and a page's own function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tollkeeper.client import ApiError, KeyRefused
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.web import csrf, live
from tollkeeper.sidecar.web.filters import DIMENSIONS, RANGE_WORDS, read_filters
from tollkeeper.sidecar.web.formats import Formats, locale_of
from tollkeeper.sidecar.web.forms import read_form
from tollkeeper.sidecar.web.headers import SecurityHeaders
from tollkeeper.sidecar.web.identity import Identity, identify
from tollkeeper.sidecar.web.inside import Inside
from tollkeeper.sidecar.web.pages import (
    alerts,
    analyze,
    budgets,
    downloads,
    filter_values,
    overview,
    pricing,
    reports,
    requests,
    settings,
    sign_in,
)
from tollkeeper.sidecar.web.problems import handlers, problem
from tollkeeper.sidecar.web.rendering import Templates, serve_static
from tollkeeper.sidecar.web.routes import Change, Place, Show
from tollkeeper.sidecar.web.view import LONGEST_NOTICE, NOTICE_COOKIE, View

NAVIGATION = (
    Place("/", "Overview", "overview"),
    Place("/requests", "Requests", "requests"),
    Place("/budgets", "Budgets", "budgets"),
    Place("/alerts", "Alerts", "alerts"),
    Place("/analyze", "Analyze", "analyze"),
    Place("/pricing", "Pricing", "pricing"),
    Place("/reports", "Reports", "reports"),
    Place("/settings", "Settings", "settings"),
)
"""The pages, in the order in which they are listed; the first four are at hand on a phone."""

ROUTES: tuple[Show | Change, ...] = (
    *overview.ROUTES,
    *pricing.ROUTES,
    *analyze.ROUTES,
    *alerts.ROUTES,
    *budgets.ROUTES,
    *requests.ROUTES,
    *settings.ROUTES,
    *reports.ROUTES,
    *downloads.ROUTES,
    *filter_values.ROUTES,
)
"""Everything that a browser can ask for, and send."""

LONGEST_FORM = 32 << 20
"""Bytes. An invoice of 8 MiB comes back from its review as a field, in which a byte can be three."""
MOST_FIELDS, MOST_FILES = 500, 1
GZIP_FROM = 800


class Web:
    """The page over one API. `app` is to be mounted at the root."""

    def __init__(self, services: Services, api: ASGIApp, public_url: str | None) -> None:
        self._services = services
        self._api = api
        self._public_url = public_url
        self._marks = live.Marks(services.now)
        self._templates = Templates({"navigation": NAVIGATION, "ranges": RANGE_WORDS, "dimensions": DIMENSIONS})
        self.app = Starlette(
            routes=[
                *(Route(each.path, self._endpoint(each), methods=[each.method]) for each in ROUTES),
                *sign_in.SignIn(services, self._templates, public_url).routes(),
                Route("/live", self._live),
                Route("/static/{path:path}", serve_static),
            ],
            middleware=[
                Middleware(SecurityHeaders),
                Middleware(GZipMiddleware, minimum_size=GZIP_FROM),
                Middleware(csrf.Visits, public_url=public_url),
            ],
            exception_handlers=handlers(self._templates),
        )

    def _endpoint(self, route: Show | Change) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            who = await identify(request, self._services)
            if who is None:
                return sign_in.to_sign_in(request)
            view = self._view(request, who)
            if isinstance(route, Show):
                return await self._guarded(view, route.answer)
            if not view.may(route.scope):
                return problem(view, 403, f"You are {view.who.role} here; this needs somebody with more rights.")
            async with read_form(request, longest=LONGEST_FORM, most_fields=MOST_FIELDS, most_files=MOST_FILES) as form:
                return await self._change(view, route, form)

        return answer

    async def _change(self, view: View, route: Change, form: FormData) -> Response:
        try:
            csrf.check(view.request, form, self._public_url)
        except csrf.Forged as forged:
            return problem(view, 403, f"Nothing was changed: {forged}. Load the page again, then send it.")
        view.form = form
        return await self._guarded(view, route.answer)

    async def _guarded(self, view: View, answer: Callable[[View], Awaitable[Response]]) -> Response:
        try:
            return await answer(view)
        except KeyRefused as refused:
            return problem(view, 403, refused.message)
        except ApiError as error:
            return problem(view, error.status or 503, error.message)

    async def _live(self, request: Request) -> Response:
        async def asker() -> Inside | None:
            # The server would wait for a stream to end; the browser comes back by itself.
            who = None if self._services.ending.is_near else await identify(request, self._services)
            return None if who is None else Inside(self._api, who.signed_in)

        return HTMLResponse("", 401) if await asker() is None else live.stream(request, asker, self._marks)

    def _view(self, request: Request, who: Identity) -> View:
        now = self._services.now().astimezone(UTC)
        filters = read_filters(request.query_params, now)
        formats = Formats(locale_of(request.headers.get("accept-language", "")), filters.zone)
        notice = unquote(request.cookies.get(NOTICE_COOKIE, ""))[:LONGEST_NOTICE]
        inside = Inside(self._api, who.signed_in)
        return View(request, who, inside, filters, formats, csrf.token_for(request), now, self._templates, notice)
