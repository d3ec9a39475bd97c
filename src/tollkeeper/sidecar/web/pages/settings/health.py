"""Health: what needs a look, how calls come in, and what the sidecar is made of."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.view import View


async def show(view: View) -> Response:
    """As things are now."""
    found = await view.together(
        overview=view.api.overview(),
        stale=view.api.alerts(firing=True, kind="stale_prices"),
        **({"settings": view.api.settings()} if view.may("admin") else {}),
    )
    settings = found.pop("settings", None)
    options = {each.name: each.value for each in settings.settings} if settings else {}
    return view.page("settings/health.html", title="Settings", tab="health", live=True, options=options, **found)
