"""The overview: what was spent, where it will end, what needs somebody, and what could be cheaper."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View


async def overview(view: View) -> Response:
    asked = view.filters.asked()
    parts = await view.together(usage=view.api.usage(**asked))
    return view.page("overview.html", title="Overview", live=True, **parts)


ROUTES = (Show("/", overview),)
