"""Settings: providers in use, who may do what, the audit trail, what is recorded, and how the sidecar is."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.pages.settings import access, audit, health, keys, providers, recording, users
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

TABS = {
    "providers": providers.show,
    "access": access.show,
    "audit": audit.show,
    "recording": recording.show,
    "health": health.show,
}


async def settings(view: View) -> Response:
    """The tab that the URL names."""
    show = TABS.get(view.request.query_params.get("tab", ""), providers.show)
    return await show(view)


ROUTES: tuple[Show | Change, ...] = (Show("/settings", settings), *keys.ROUTES, *users.ROUTES)
