"""Alerts: what fires, what has fired, what nobody is told of, what can alert, and who is told where."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.pages.alerts import (
    channel_form,
    channels,
    firing,
    history,
    matching_now,
    one,
    rules,
    silences,
)
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

TABS = {
    "firing": firing.show,
    "history": history.show,
    "silences": silences.show,
    "rules": rules.show,
    "channels": channels.show,
}


async def alerts(view: View) -> Response:
    """The tab that the URL names."""
    show = TABS.get(view.request.query_params.get("tab", ""), firing.show)
    return await show(view)


ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts", alerts),
    *matching_now.ROUTES,
    *silences.ROUTES,
    *channel_form.ROUTES,
    *channels.ROUTES,
    *one.ROUTES,  # last, as its path is any word
)
