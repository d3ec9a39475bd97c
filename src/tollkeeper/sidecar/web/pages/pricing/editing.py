"""Setting a price: the form, the review of what it changes, and the saving of it. Discounts and aliases too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.responses import Response

from tollkeeper.client import Invalid, NotFound, Outdated
from tollkeeper.client.records import EffectivePrice, HeldPrice, PricePreview
from tollkeeper.sidecar.web.pages.pricing.differences import difference
from tollkeeper.sidecar.web.pages.pricing.draft import Draft, Mistakes, likely_days, read_draft
from tollkeeper.sidecar.web.pages.pricing.filling import (
    effective,
    filled_in,
    in_force,
    is_same,
    without_filling_if_free,
)
from tollkeeper.sidecar.web.pages.pricing.meters import BY_FIELD, COLUMNS, METERS, UNIT_WORDS
from tollkeeper.sidecar.web.pages.pricing.recosting import recost_link
from tollkeeper.sidecar.web.pages.pricing.tabs import tab
from tollkeeper.sidecar.web.view import SAY_WHY, Missing, View

SHORTER = (30, 7, 1)
"""Days to look at, the first that has not too many calls."""
FIELDS = {
    "provider": "for_provider", "model": "for_model", "tenant": "for_tenant", "is": "stands_for",
    "is_provider": "stands_for_provider", "valid_from": "at",
}  # fmt: skip
"""Fields of the API, as the form names them."""


@dataclass(frozen=True)
class Standing:
    """What the book says where a draft is to be said. `held`: the version of its row that holds then.

    `meant`: the price of the model that an alias stands for. `clash`: the version that somebody has made since it was
    looked at.
    """

    draft: Draft
    begins: datetime | None
    before: EffectivePrice | None
    held: HeldPrice | None
    meant: EffectivePrice | None = None
    clash: HeldPrice | None = None


async def edit(view: View) -> Response:
    """The form, filled in with what is in force; of a link to an earlier version, with what that said."""
    draft = read_draft(view.request.query_params)
    if "was" not in view.request.query_params:
        draft = await in_force(view, draft)
        if draft.when == "at" and not draft.at:
            draft = replace(draft, names={**draft.names, "at": str(min(likely_days(view.filters, view.now)))})
    return _form(view, await filled_in(view, draft.converted()))


async def review(view: View) -> Response:
    """What would be different. Nothing is written: it can be asked for as often as one likes."""
    draft = read_draft(view.request.query_params)
    if "of_model" in view.request.query_params and draft.per == draft.was:
        # Sent before the model's prices were filled in: what was left empty then may have one.
        filled = await filled_in(view, draft)
        if filled.amounts != draft.amounts or filled.free != draft.free:
            return _form(view, filled, told=f"The other prices of {draft.subject} are filled in as they are now.")
        draft = await without_filling_if_free(view, filled)
    try:
        standing = await _standing(view, draft)
    except (Mistakes, Invalid) as error:
        return _form(view, draft, _told(error))
    return _review(view, standing, 409 if standing.clash else 200)


async def impact(view: View) -> Response:
    """What calls would have cost: a part of the review that may take a moment; without JavaScript, a page."""
    draft = read_draft(view.request.query_params)
    found: PricePreview | Missing
    try:
        begins = draft.begins(view.filters, view.now)
        found = await _previewed(view, draft, begins if begins is not None and begins < view.now else None)
    except (Mistakes, Invalid) as error:
        found = Missing("; ".join(_told(error).values()))
    template = "parts/pricing_impact.html" if view.is_part else "pricing_impact.html"
    return view.page(template, title="What it would change", impact=found, draft=draft)


async def save(view: View) -> Response:
    """Writes it down, if it still replaces what was looked at."""
    draft, reason = read_draft(view.form), view.field("reason")
    try:
        standing = await _standing(view, draft)
        if not reason:
            raise Mistakes({"reason": SAY_WHY})
        said = await _say(view, draft, standing.begins, reason)
    except Outdated as error:
        return _review(view, await _clashing(view, draft), 409, {"": str(error)})
    except (Mistakes, Invalid) as error:
        told = _told(error)
        return _review(view, standing, 422, told) if "reason" in told else _form(view, draft, told)
    return view.done(
        _next(view, draft, standing.begins, said.row, reason), f"Saved: {draft.subject}, {_when(view, standing)}."
    )


async def _say(view: View, draft: Draft, begins: datetime | None, reason: str) -> Any:
    signed: dict[str, Any] = {"reason": reason, "source": draft.source or None}
    if draft.row is None:
        fields = {name: value for name, value in draft.fields().items() if value is not None}
        return await view.api.add_price(fields, kind=draft.kind, valid_from=begins, **signed)
    if begins is not None and begins > view.now:
        return await view.api.schedule_price(
            draft.row, draft.cleared(), valid_from=begins, expected=draft.expected, **signed
        )
    return await view.api.change_price(draft.row, draft.cleared(), valid_from=begins, expected=draft.expected, **signed)


def _next(view: View, draft: Draft, begins: datetime | None, row: int, reason: str) -> str:
    """A past price leads on to pricing again what was called since; a future one to what is scheduled."""
    if begins is not None and begins < view.now:
        return recost_link(view.filters, begins, draft.for_provider, draft.for_model, draft.for_tenant, reason)
    if begins is not None:
        return tab(view.filters, "scheduled")
    if draft.kind == "discount":
        return tab(view.filters, "discounts")
    return view.filters.elsewhere(
        "/pricing/model", for_provider=draft.for_provider, for_model=draft.for_model, per=draft.per
    )


def _when(view: View, standing: Standing) -> str:
    return "from now on" if standing.begins is None else f"from {view.formats.minute(standing.begins)} on"


async def _standing(view: View, draft: Draft) -> Standing:
    """Raises `Mistakes`, and `Invalid` for what the price book does not take."""
    begins, fields = draft.understood(view.filters, view.now)
    # All that is wrong with it is told before anything is shown; no call is looked at for that.
    said = {name: value for name, value in fields.items() if value is not None}
    await view.api.preview_price(said, kind=draft.kind, valid_from=begins, with_calls=False)
    rows = await _rows(view, draft)
    held = _held(rows, begins or view.now)
    before, meant = await effective(view, draft, begins, held), await _meant(view, draft)
    if not rows:
        return Standing(draft, begins, before, None, meant)
    seen = {row.version for row in (held, *rows) if row is not None and (row is held or row.state != "past")}
    clash = held if draft.expected is not None and draft.expected not in seen else None
    draft = replace(draft, row=rows[0].row, expected=None if held is None else held.version)
    return Standing(draft, begins, before, held, meant, clash)


async def _clashing(view: View, draft: Draft) -> Standing:
    """The same draft over what somebody else has made of it."""
    begins = draft.begins(view.filters, view.now)
    rows = await _rows(view, draft)
    held = _held(rows, begins or view.now) or next(iter(rows), None)
    if held is not None:
        draft = draft.over(held)
    before, meant = await effective(view, draft, begins, held), await _meant(view, draft)
    return Standing(draft, begins, before, held, meant, held)


async def _rows(view: View, draft: Draft) -> list[HeldPrice]:
    """What the book says of the draft's row; of a new one, of the row that is about the same, if there is one."""
    if draft.row is not None:
        return (await view.api.price(draft.row)).prices
    rows = (await view.api.prices(kind=draft.kind, state=["current", "scheduled"])).prices
    same = next((row.row for row in rows if is_same(row, draft)), None)
    return [row for row in rows if row.row == same]


async def _meant(view: View, draft: Draft) -> EffectivePrice | None:
    """What the model costs that an alias stands for. Raises `Mistakes` where nobody knows."""
    if draft.kind != "alias":
        return None
    whose = draft.stands_for_provider or draft.for_provider
    try:
        return await view.api.effective_price(whose or "*", draft.stands_for)
    except NotFound:
        told = f"{draft.stands_for} of {whose or 'any provider'} has no price: name a model that has one."
        raise Mistakes({"stands_for": told}) from None


async def _previewed(view: View, draft: Draft, since: datetime | None) -> PricePreview:
    """Since a moment that has passed; else over some days, as if it had held then."""
    fields = {name: value for name, value in draft.cleared().items() if value is not None or draft.row is not None}
    if since is not None:
        return await view.api.preview_price(
            fields, kind=draft.kind, row=draft.row, valid_from=since, start=since, end=view.now
        )
    for days in SHORTER[:-1]:
        try:
            return await view.api.preview_price(fields, kind=draft.kind, row=draft.row, days=days)
        except Invalid as error:
            if error.field != "start":
                raise
    return await view.api.preview_price(fields, kind=draft.kind, row=draft.row, days=SHORTER[-1])


def _form(view: View, draft: Draft, wrong: dict[str, str] | None = None, told: str = "") -> Response:
    return view.page(
        "pricing_edit.html", 422 if wrong else 200, title=TITLES[draft.kind, draft.row is not None], draft=draft,
        wrong=wrong or {}, told=told, days=likely_days(view.filters, view.now), by_field=BY_FIELD,
        first=COLUMNS, others=METERS[len(COLUMNS):], unit_words=UNIT_WORDS,
        opened=any(meter.field in draft.amounts for meter in METERS[len(COLUMNS):]),
    )  # fmt: skip


TITLES = {
    ("price", False): "Set a price", ("price", True): "Change a price", ("alias", False): "Name a model",
    ("alias", True): "Change an alias", ("discount", False): "Add a discount", ("discount", True): "Change a discount",
}  # fmt: skip


def _review(view: View, standing: Standing, status: int = 200, wrong: dict[str, str] | None = None) -> Response:
    draft = standing.draft
    lines = difference(view.formats, standing.before, standing.held, standing.meant, draft)
    return view.page(
        "pricing_review.html", status, title="Review", draft=draft, standing=standing, wrong=wrong or {},
        rows=lines, reason=view.field("reason"),
        is_past=standing.begins is not None and standing.begins < view.now, unit_words=UNIT_WORDS,
    )  # fmt: skip


def _told(error: Mistakes | Invalid) -> dict[str, str]:
    if isinstance(error, Mistakes):
        return dict(error.found)
    return {FIELDS.get(error.field or "", error.field or ""): error.message}


def _held(rows: list[HeldPrice], at: datetime) -> HeldPrice | None:
    for row in rows:
        if (row.valid_from is None or row.valid_from <= at) and (row.valid_to is None or at < row.valid_to):
            return row
    return None
