"""Percentages off prices, agreed by contract: for one tenant, or for everybody."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.pages.pricing.tabs import TABS
from tollkeeper.sidecar.web.view import View


async def discounts(view: View) -> Response:
    """In force, and to come; the one that wins first."""
    found = await view.together(
        rows=view.api.prices(kind="discount", state=["current", "scheduled"]),
        usage=view.api.usage(days=30, group_by="tenant", details=False),
    )
    used = {group.group["tenant"]: group for group in found["usage"].groups} if found["usage"] else {}
    return view.page("pricing_discounts.html", title="Pricing", tabs=TABS, tab="discounts", used=used, **found)
