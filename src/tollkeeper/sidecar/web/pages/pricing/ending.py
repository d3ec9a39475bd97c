"""Withdrawing a row of the price book, and cancelling what is scheduled."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from tollkeeper.client import Invalid, NotFound, Outdated
from tollkeeper.client.records import HeldPrice
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.pricing.differences import between
from tollkeeper.sidecar.web.pages.pricing.draft import Draft, Mistakes, draft_of, likely_days, read_draft
from tollkeeper.sidecar.web.pages.pricing.recosting import recost_link
from tollkeeper.sidecar.web.pages.pricing.scheduled import scheduled_page
from tollkeeper.sidecar.web.pages.pricing.tabs import tab
from tollkeeper.sidecar.web.view import SAY_WHY, View


async def end(view: View) -> Response:
    """What ends, and from when on."""
    draft = read_draft(view.request.query_params)
    return await _form(view, draft)


async def withdraw(view: View) -> Response:
    """Ends it, if it still says what was looked at."""
    draft, reason = read_draft(view.form), view.field("reason")
    try:
        at = draft.begins(view.filters, view.now)
        if not reason:
            raise Mistakes({"reason": SAY_WHY})
        if draft.row is None:
            raise NotFound(404, "It is not said what is to be withdrawn. Begin again from the model's price.")
        said = await view.api.withdraw_price(draft.row, reason=reason, at=at, expected=draft.expected)
    except Mistakes as error:
        return await _form(view, draft, 422, dict(error.found))
    except (Outdated, Invalid) as error:
        return await _form(view, draft, error.status or 422, {"": error.message})
    notice = f"Withdrawn: {said.model} of {said.provider}, from {_when(view, at)} on."
    if at is not None and at < view.now:
        return view.done(recost_link(view.filters, at, said.provider, said.model, said.tenant, reason), notice)
    return view.done(tab(view.filters, "history" if at is None else "scheduled"), notice)


async def cancel(view: View) -> Response:
    """Undoes what is scheduled."""
    reason = view.field("reason")
    if not reason:
        return await scheduled_page(view, 422, SAY_WHY)
    try:
        said = await view.api.cancel_price(number_in(view.field("version")) or 0, reason=reason)
    except (Outdated, Invalid) as error:
        return await scheduled_page(view, error.status or 422, error.message)
    return view.done(tab(view.filters, "scheduled"), f"Cancelled: {said.model} of {said.provider} stays as it was.")


async def _form(view: View, draft: Draft, status: int = 200, wrong: dict[str, str] | None = None) -> Response:
    rows = (await view.api.price(draft.row)).prices if draft.row is not None else []
    held = _first_to_end(rows, view.now)
    shown = None if held is None else draft_of(held, draft.per)
    return view.page(
        "pricing_end.html", status, title="Withdraw", draft=draft, held=held, subject=shown.subject if shown else "",
        lines=[] if held is None else between(view.formats, held.kind, {}, held.content, draft.per), wrong=wrong or {},
        reason=view.field("reason"), days=likely_days(view.filters, view.now),
        later=[row for row in rows if row.state == "scheduled"],
    )  # fmt: skip


def _first_to_end(rows: list[HeldPrice], now: datetime) -> HeldPrice | None:
    return next((row for row in rows if row.valid_to is None or row.valid_to > now), None)


def _when(view: View, at: datetime | None) -> str:
    return "now" if at is None else view.formats.minute(at)
