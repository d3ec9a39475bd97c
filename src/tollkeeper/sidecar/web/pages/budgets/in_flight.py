"""What calls under way hold, and whether the counters agree with the ledger."""

from __future__ import annotations

from decimal import Decimal

from starlette.responses import Response

from tollkeeper.client.standings import HeldCall
from tollkeeper.sidecar.web.pages.budgets.tabs import PATH, TABS, TITLE
from tollkeeper.sidecar.web.view import View

UNPROCESSABLE = 422
SHOWN = 200


async def in_flight(view: View) -> Response:
    """The tab."""
    return await _page(view)


async def rebuild(view: View) -> Response:
    """Book what the ledger has and the counters have not."""
    reason = view.field("reason")
    if not reason:
        return await _page(view, "Say why, for the audit log.", UNPROCESSABLE)
    done = await view.api.rebuild_limits(reason=reason, lower=view.field("lower") == "yes")
    changed = len(done.booked)
    words = "Nothing was missing." if not changed else f"{changed} counters agree with the ledger again."
    return view.done(f"{PATH}?tab=in-flight", words)


async def _page(view: View, mistake: str = "", status: int = 200) -> Response:
    parts = await view.together(under_way=view.api.in_flight(), agreement=view.api.limit_agreement())
    calls = parts["under_way"].calls if parts["under_way"] else []
    return view.page(
        "budgets_in_flight.html", status, title=TITLE, tabs=TABS, tab="in-flight", live=True, calls=calls[:SHOWN],
        number=len(calls), held=_held_usd(calls), mistake=mistake, reason=view.field("reason"), **parts,
    )  # fmt: skip


def _held_usd(calls: list[HeldCall]) -> Decimal:
    """Dollars held, each call's once: it holds as much of every limit that counts them."""
    return sum(
        (max((one.amount for one in call.charges if one.measure == "usd"), default=Decimal(0)) for call in calls),
        Decimal(0),
    )
