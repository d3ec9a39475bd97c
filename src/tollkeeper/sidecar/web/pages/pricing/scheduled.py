"""What will change, and when: prices, aliases and discounts that are yet to begin, or to end."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from starlette.responses import Response

from tollkeeper.client import NotFound
from tollkeeper.client.records import EffectivePrice, HeldPrice, Price
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.pricing.differences import Line, between, from_effective
from tollkeeper.sidecar.web.pages.pricing.meters import UNIT_WORDS, Unit, unit_of
from tollkeeper.sidecar.web.pages.pricing.tabs import PATH, TABS
from tollkeeper.sidecar.web.view import Missing, View


class Coming(NamedTuple):
    """A change to come. `version` is what can be cancelled; `None`: it was said to end then from the beginning."""

    at: datetime
    row: HeldPrice
    said: Price
    lines: list[Line]
    version: int | None
    is_end: bool = False


async def scheduled(view: View) -> Response:
    """The next one first."""
    return await scheduled_page(view)


async def scheduled_page(view: View, status: int = 200, wrong: str = "") -> Response:
    """The same; `wrong` is why what was to be cancelled is not."""
    found = await view.together(rows=view.api.prices(state=["current", "scheduled"]))
    rows = found["rows"]
    coming = Missing(rows.reason) if isinstance(rows, Missing) else await _coming(view, rows.prices)
    return view.page(
        "pricing_scheduled.html", status, title="Pricing", tabs=TABS, tab="scheduled", coming=coming,
        per=unit_of(view.request.query_params), unit_words=UNIT_WORDS, path=PATH, wrong=wrong,
        wrong_version=number_in(view.field("version")), reason=view.field("reason"),
    )  # fmt: skip


async def _coming(view: View, rows: list[HeldPrice]) -> list[Coming]:
    per = unit_of(view.request.query_params)
    begins = await asyncio.gather(*(_beginning(view, row, rows, per) for row in rows if row.state == "scheduled"))
    ends = await asyncio.gather(*(_ending(view, row) for row in rows if _ends(row, rows)))
    return sorted([*begins, *ends], key=lambda each: (each.at, each.said.version))


async def _beginning(view: View, row: HeldPrice, rows: list[HeldPrice], per: Unit) -> Coming:
    assert row.valid_from is not None, "what is yet to begin has a beginning"
    before = next((each for each in rows if each.row == row.row and each.valid_to == row.valid_from), None)
    if before is not None:
        lines = between(view.formats, row.kind, before.content, row.content, per)
    elif row.kind == "price":
        lines = from_effective(view.formats, await _now(view, row), row.content, per)
    else:
        lines = between(view.formats, row.kind, {}, row.content, per)
    return Coming(row.valid_from, row, row, lines, row.version)


async def _now(view: View, row: HeldPrice) -> EffectivePrice | None:
    try:
        return await view.api.effective_price(row.provider, row.model)
    except NotFound:
        return None


async def _ending(view: View, row: HeldPrice) -> Coming:
    """Who said that it ends: a withdrawal can be cancelled."""
    assert row.valid_to is not None
    said = (await view.api.price_history(row=row.row, limit=50)).versions
    found = next((each for each in said if each.withdrawn and each.valid_from == row.valid_to), None)
    return Coming(row.valid_to, row, found or row, [], None if found is None else found.version, is_end=True)


def _ends(row: HeldPrice, rows: list[HeldPrice]) -> bool:
    """Whether nothing of the row comes after it."""
    return row.valid_to is not None and not any(
        each.row == row.row and each.valid_from == row.valid_to for each in rows
    )
