"""One alert: how it stands, who was told of it, and that somebody has acknowledged it."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from tollkeeper.client import ApiError, NotFound
from tollkeeper.client.alerting import AlertDetail
from tollkeeper.sidecar.web.filters import DIMENSIONS
from tollkeeper.sidecar.web.pages.alerts.matching import KIND_WORDS, silence_link
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

PLACES = {
    "emergency": ("/budgets?tab=emergency", "Emergency mode"),
    "anomaly": ("/analyze?tab=anomalies", "Anomalies"),
    "error_budget": ("/analyze?tab=providers", "Providers"),
    "reconciliation": ("/reports?tab=reconciliation", "Reconciliation"),
    "unpriced_model": ("/pricing?tab=unpriced", "Models without a price"),
    "stale_prices": ("/pricing", "Pricing"),
    "counters_disagree": ("/settings?tab=health", "Health"),
}
"""Where more is to be seen of what an alert is about, and where something can be done about it."""


async def alert(view: View) -> Response:
    """A page; to htmx, a drawer."""
    return _shown(view, await view.api.alert(view.request.path_params["id"]))


async def acknowledge(view: View) -> Response:
    """Somebody has taken it on."""
    id = view.request.path_params["id"]
    try:
        await view.api.acknowledge_alert(id, reason=view.field("reason"))
    except NotFound:
        found = await view.api.alert(id)
        return _shown(view, found, 409, "It is over already: there is nothing to acknowledge any more.")
    except ApiError as error:
        return _shown(view, await view.api.alert(id), error.status or 503, error.message)
    where = "/alerts" if view.field("back") == "firing" else f"/alerts/{id}"
    return view.done(where, "Acknowledged. It is not repeated; that it worsens, or ends, is told.")


async def retry(view: View) -> Response:
    """Send a message once more that could not be delivered."""
    back = view.field("back")
    where = back if back.startswith("/alerts") else "/alerts?tab=channels"
    try:
        await view.api.retry_notification(view.request.path_params["id"])
    except NotFound:
        return view.done(where, "It does not wait to be tried again: somebody else was quicker, or it was sent.")
    return view.done(where, "It is tried again within seconds.")


def _shown(view: View, found: AlertDetail, status: int = 200, problem: str = "") -> Response:
    about = {name: value for name, value in found.scope.items() if name in DIMENSIONS and value}
    if found.kind == "unpriced_model":
        about["model"] = found.subject
    template = "alerts/drawer.html" if view.is_part else "alerts/one.html"
    return view.page(
        template,
        status,
        title=found.title,
        alert=found,
        problem=problem,
        place=_place(found),
        link=found.link if found.link and found.link.startswith(("https://", "http://")) else None,
        calls=f"/requests?{urlencode(about)}" if about else None,
        silence_link=silence_link(found),
        kind_words=KIND_WORDS,
    )


def _place(found: AlertDetail) -> tuple[str, str] | None:
    if found.kind in ("limit", "forecast"):
        return f"/budgets/limit?{urlencode({'name': found.subject})}", "The limit"
    return PLACES.get(found.kind)


ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts/{id}", alert),
    Change("/alerts/{id}/acknowledge", acknowledge, "edit"),
    Change("/alerts/messages/{id}/retry", retry, "edit"),
)
