"""Alerts: what fires, what has fired, what nobody is told of, what can alert, and who is told where."""

from __future__ import annotations

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
from tollkeeper.sidecar.web.routes import Change, Show, tabbed

TABS = {
    "firing": firing.show,
    "history": history.show,
    "silences": silences.show,
    "rules": rules.show,
    "channels": channels.show,
}

ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts", tabbed(TABS)),
    *matching_now.ROUTES,
    *silences.ROUTES,
    *channel_form.ROUTES,
    *channels.ROUTES,
    *one.ROUTES,  # last, as its path is any word
)
