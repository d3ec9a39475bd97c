"""Everything that was said about prices: who, when, why, and what it was before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from tollkeeper.client.records import Price
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.pricing.differences import Line, between
from tollkeeper.sidecar.web.pages.pricing.draft import KINDS, of_content
from tollkeeper.sidecar.web.pages.pricing.meters import UNIT_WORDS, Unit, unit_of
from tollkeeper.sidecar.web.pages.pricing.tabs import TABS
from tollkeeper.sidecar.web.view import Missing, View

MOST = 25


class Entry(NamedTuple):
    """One thing that was said. `revert` leads to the review of what was before."""

    version: Price
    action: str
    lines: list[Line]
    revert: str | None


async def history(view: View) -> Response:
    """Newest first, page by page."""
    query, per = view.request.query_params, unit_of(view.request.query_params)
    wanted = {name: query.get(name, "").strip()[:200] for name in ("row", "kind", "for_provider", "for_model")}
    found = await view.together(
        said=view.api.price_history(
            row=number_in(wanted["row"]) or None,
            kind=next((kind for kind in KINDS if kind == wanted["kind"]), None),
            provider=wanted["for_provider"] or None, model=wanted["for_model"] or None,
            cursor=query.get("cursor") or None, limit=MOST,
        )
    )  # fmt: skip
    said = found["said"]
    entries = Missing(said.reason) if isinstance(said, Missing) else await _entries(view, said.versions, per)
    return view.page(
        "pricing_history.html", title="Pricing", tabs=TABS, tab="history", entries=entries, wanted=wanted, per=per,
        next_cursor=said.next_cursor if said else None, unit_words=UNIT_WORDS, kinds=KINDS,
    )  # fmt: skip


async def _entries(view: View, versions: list[Price], per: Unit) -> list[Entry]:
    known = {version.version: version for version in versions}
    gone = {version.row for version in versions if version.replaces not in (None, *known)}
    for more in await asyncio.gather(*(view.api.price_history(row=row, limit=1000) for row in sorted(gone))):
        known |= {version.version: version for version in more.versions}
    return [_entry(view, version, known, per) for version in versions]


def _entry(view: View, version: Price, known: Mapping[int, Price], per: Unit) -> Entry:
    before = known.get(version.replaces or 0)
    old = {} if before is None or before.withdrawn else before.content
    new = {} if version.withdrawn else version.content
    action = _action(version, before)
    return Entry(version, action, between(view.formats, version.kind, old, new, per), _revert(view, version, before))


def _action(version: Price, before: Price | None) -> str:
    if version.withdrawn:
        return "Withdrawn"
    if before is None:
        return "Added"
    later = version.valid_from is not None and version.valid_from > version.recorded_at
    return "Scheduled" if later else "Changed"


def _revert(view: View, version: Price, before: Price | None) -> str | None:
    """Where what was before can be said again; of what was there for the first time, where it can be withdrawn."""
    row = str(version.row)
    if version.withdrawn:
        return _say_again(view, row, version)
    if before is None or before.withdrawn:
        return view.filters.elsewhere("/pricing/end", row=row)
    return _say_again(view, row, before)


def _say_again(view: View, row: str, said: Price) -> str:
    draft = of_content(said.kind, said.content, "1m")
    return view.filters.elsewhere("/pricing/review", **{**draft.parameters(), "row": row})
