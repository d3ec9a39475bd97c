"""The form of a price, filled in with what holds now: so one changes what one means to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tollkeeper.client import NotFound
from tollkeeper.client.records import EffectivePrice, HeldPrice
from tollkeeper.sidecar.web.amounts import as_typed
from tollkeeper.sidecar.web.pages.pricing.draft import Draft, draft_of
from tollkeeper.sidecar.web.pages.pricing.meters import Unit, own_prices
from tollkeeper.sidecar.web.view import View


async def in_force(view: View, draft: Draft) -> Draft:
    """What the row says that is to be changed: the one that is named, or the one that is about just this model."""
    if draft.row is not None:
        rows = (await view.api.price(draft.row)).prices
        held = next((row for row in rows if row.state == "current"), rows[0] if rows else None)
        return draft if held is None else _as_said(draft, held)
    price = await effective(view, draft) if draft.kind == "price" and draft.for_model else None
    rows = [] if price is None else [row for row in price.rows if row.kind == "price" and is_same(row, draft)]
    return _as_said(draft, rows[0]) if rows else draft


async def filled_in(view: View, draft: Draft) -> Draft:
    """A new price with what its model costs now. What somebody has typed stays; what was filled in of another model
    does not.
    """
    if draft.kind != "price" or draft.row is not None or _named(draft) == _filled_of(draft):
        return draft
    now = await effective(view, draft) if draft.for_model else None
    before = await _before(view, draft)
    typed = _typed(draft, before)
    free = draft.free and not (before and before.free)
    if not typed and now is not None:
        free = free or now.free
    provider, model = _named(draft)
    names = {**draft.names, "of_provider": provider, "of_model": model}
    amounts = {**_amounts(now, draft.per), **typed}
    return replace(draft, amounts=amounts, free=free, names=names, has_price=now is not None)


async def without_filling_if_free(view: View, draft: Draft) -> Draft:
    """What is free has no prices that were merely filled in."""
    if not draft.free or _typed(draft, await _before(view, draft)):
        return draft
    return replace(draft, amounts={})


async def effective(
    view: View, draft: Draft, at: datetime | None = None, row: HeldPrice | None = None
) -> EffectivePrice | None:
    """What the model of a draft costs; `None` where that is in no price list."""
    context = {} if row is None else row.content.get("context", {})
    try:
        return await view.api.effective_price(
            draft.for_provider or "*", draft.for_model or "*", tenant=draft.for_tenant or None, at=at,
            context=[f"{name}={value}" for name, value in context.items()],
        )  # fmt: skip
    except NotFound:
        return None


def is_same(row: HeldPrice, draft: Draft) -> bool:
    """Whether a row is about exactly what the draft is, which has no context."""
    if row.content.get("context"):
        return False
    mine = (draft.for_provider or "*", draft.for_model or "*", draft.for_tenant)
    theirs = (row.provider, row.model, row.tenant or "")
    return tuple(name.lower() for name in mine) == tuple(name.lower() for name in theirs)


async def _before(view: View, draft: Draft) -> EffectivePrice | None:
    """What was filled in."""
    if not draft.of_model:
        return None
    names = {"for_provider": draft.of_provider, "for_model": draft.of_model}
    return await effective(view, replace(draft, names=names))


def _named(draft: Draft) -> tuple[str, str]:
    return (draft.for_provider, draft.for_model) if draft.for_model else ("", "")


def _filled_of(draft: Draft) -> tuple[str, str]:
    return draft.of_provider, draft.of_model


def _typed(draft: Draft, before: EffectivePrice | None) -> dict[str, str]:
    was = _amounts(before, draft.per)
    return {name: text for name, text in draft.amounts.items() if text != was.get(name)}


def _amounts(price: EffectivePrice | None, per: Unit) -> Mapping[str, str]:
    if price is None or price.free:
        return {}
    return {meter.field: as_typed(amount) for meter, amount in own_prices(price.bands[0].unit_prices, per)}


def _as_said(draft: Draft, row: HeldPrice) -> Draft:
    """What a row says, from the moment on that was asked for."""
    said = draft_of(row, draft.per)
    return replace(said, when=draft.when, names={**said.names, **({"at": draft.at} if draft.at else {})})
