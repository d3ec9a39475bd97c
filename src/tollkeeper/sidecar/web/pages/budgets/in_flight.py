"""What calls under way hold, and whether the counters agree with the ledger."""

from __future__ import annotations

from decimal import Decimal

from starlette.responses import Response

from tollkeeper.client.standings import HeldCall
from tollkeeper.sidecar.web.pages.budgets.tabs import PATH, TABS, TITLE
from tollkeeper.sidecar.web.view import SAY_WHY, View

SHOWN = 200


async def in_flight(view: View) -> Response:
    """The tab."""
    under_way = (await view.together(under_way=view.api.in_flight()))["under_way"]
    calls = under_way.calls if under_way else []
    return view.page(
        "budgets_in_flight.html", title=TITLE, tabs=TABS, tab="in-flight", live=True, under_way=under_way,
        calls=calls[:SHOWN], number=len(calls), held=_held_usd(calls),
    )  # fmt: skip


async def agreement(view: View, mistake: str = "", status: int = 200) -> Response:
    """Whether counters and ledger agree: for a page that is shown already, or as a page."""
    template = "parts/agreement.html" if view.is_part else "budgets_agreement.html"
    compared = await view.together(agreement=view.api.limit_agreement())
    return view.page(
        template, status, title=TITLE, tabs=TABS, tab="in-flight", mistake=mistake, reason=view.field("reason"),
        **compared,
    )  # fmt: skip


async def rebuild(view: View) -> Response:
    """Book what the ledger has and the counters have not."""
    reason = view.field("reason")
    if not reason:
        return await agreement(view, SAY_WHY, 422)
    done = await view.api.rebuild_limits(reason=reason, lower=view.field("lower") == "yes")
    changed = len(done.booked)
    words = "Nothing was missing." if not changed else f"{changed} counters agree with the ledger again."
    return view.done(f"{PATH}?tab=in-flight", words)


def _held_usd(calls: list[HeldCall]) -> Decimal:
    """Dollars held, each call's once: it holds as much of every limit that counts them."""
    return sum(
        (max((one.amount for one in call.charges if one.measure == "usd"), default=Decimal(0)) for call in calls),
        Decimal(0),
    )
