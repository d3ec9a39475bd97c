"""What providers bill against what the ledger has, why they differ, and the booking of what they are right about."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tollkeeper.client import ApiError, Outdated
from tollkeeper.sidecar.web.pages.reports.tabs import TABS
from tollkeeper.sidecar.web.routes import Change
from tollkeeper.sidecar.web.view import SAY_WHY, View

HERE = "/reports?tab=reconciliation"
MOST_DAYS = 200
"""Of models, on the page."""


async def compared(view: View) -> Response:
    """By provider, and by day and model; only what differs, unless `all` is asked for."""
    return await shown(view)


async def shown(view: View, status: int = 200, **said: Any) -> Response:
    """The tab, with what was wrong with a form."""
    show_all = view.request.query_params.get("show") == "all"
    period, scope = view.filters.period, view.filters.scope
    asked: dict[str, Any] = {name: scope[name] for name in ("provider", "model") if name in scope}
    found = await view.together(
        found=view.api.reconciliations(
            start=period.first, end=period.last, differing=None if show_all else True, **asked
        )
    )
    context = {"problem": "", "field": "", "mapping": {}, **found, **said}
    return view.page(
        "reports/reconciliation.html", status, title="Reports", tabs=TABS, show_all=show_all, most=MOST_DAYS, **context
    )


async def fetch(view: View) -> Response:
    """Ask every account now."""
    found = await view.api.fetch_invoices()
    failed = [f"{each.name}: {each.error}" for each in found.accounts if each.error]
    told = f"Asked {len(found.accounts)} accounts." if not failed else f"Some could not be asked: {'; '.join(failed)}"
    return view.done(HERE, told)


async def look(view: View) -> Response:
    """What booking would change. Nothing is changed by it."""
    return await _plan(view)


async def book(view: View) -> Response:
    """Exactly what was looked at."""
    if not view.field("reason"):
        return await _plan(view, 422, SAY_WHY)
    try:
        done = await view.api.adjust_to_invoice(
            **_wanted(view), apply=True, plan=view.field("plan"), reason=view.field("reason")
        )
    except Outdated as error:
        return await _plan(view, 409, f"Nothing was booked: {error.message}. This is what would be booked now.")
    except ApiError as error:
        return await _plan(view, 422, error.message)
    return view.done(HERE, f"Booked {view.formats.usd(done.amount)} on {done.adjusted_calls} calls.")


def _wanted(view: View) -> dict[str, Any]:
    return {name: view.field(name) for name in ("provider", "start", "end")}


async def _plan(view: View, status: int = 200, problem: str = "") -> Response:
    try:
        plan = await view.api.adjust_to_invoice(**_wanted(view))
    except ApiError as error:
        return await shown(view, 422, problem=problem or error.message, field="adjust")
    said = {**_wanted(view), "reason": view.field("reason")}
    return view.page("reports/adjust.html", status, title="Book what is billed", plan=plan, said=said, problem=problem)


ROUTES: tuple[Change, ...] = (
    Change("/reports/invoices/fetch", fetch, "edit"),
    Change("/reports/adjustments/look", look, "edit"),
    Change("/reports/adjustments", book, "edit"),
)
