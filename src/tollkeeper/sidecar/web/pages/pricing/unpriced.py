"""Models that were called and have no price, and the way to one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from tollkeeper.client.records import UnpricedModel
from tollkeeper.sidecar.web.pages.pricing.recosting import recost_link
from tollkeeper.sidecar.web.pages.pricing.tabs import TABS
from tollkeeper.sidecar.web.view import View

SPANS = {"30": "30 days", "90": "90 days", "366": "12 months"}
USUAL, LONGEST = "90", "366"


async def unpriced(view: View) -> Response:
    """The most called first. Unless it is said how far back, so far that there is something to be seen."""
    asked = next((days for days in SPANS if days == view.request.query_params.get("days")), None)
    days, found = asked or USUAL, await _unpriced(view, asked or USUAL)
    if asked is None and found["unpriced"] and not found["unpriced"].models:
        days, found = LONGEST, await _unpriced(view, LONGEST)
    return view.page(
        "pricing_unpriced.html", title="Pricing", tabs=TABS, tab="unpriced", days=days, spans=SPANS,
        begins=lambda model: _typed(view, model.first_seen), recost=lambda model: _recost(view, model), **found,
    )  # fmt: skip


async def _unpriced(view: View, days: str) -> dict[str, Any]:
    return await view.together(
        unpriced=view.api.unpriced(days=int(days)),
        usage=view.api.usage(days=int(days), interval="month", details=False),
    )


def _recost(view: View, model: UnpricedModel) -> str:
    return recost_link(view.filters, model.first_seen, model.provider, model.model, None)


def _typed(view: View, at: datetime) -> str:
    """The minute in which the first call was, as a field of a form has it."""
    return at.astimezone(view.filters.zone).strftime("%Y-%m-%dT%H:%M")
