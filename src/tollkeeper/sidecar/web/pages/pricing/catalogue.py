"""What models cost, whoever says so: a list to search in, and each model with all that it charges for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from starlette.responses import Response

from tollkeeper.client.records import EffectivePrice, ModelPrice
from tollkeeper.sidecar.web.pages.pricing.meters import COLUMNS, METERS, UNIT_WORDS, own_prices, scaled, unit_of
from tollkeeper.sidecar.web.pages.pricing.tabs import TABS
from tollkeeper.sidecar.web.view import View

Source = Literal["own", "contract", "catalog"]

MOST = 50
SOURCES: Mapping[Source, str] = {"own": "Own price", "contract": "Contract", "catalog": "Catalogue"}


async def catalogue(view: View) -> Response:
    """Those that were used first, then by name."""
    query, per = view.request.query_params, unit_of(view.request.query_params)
    wanted = view.filters.wanted
    words = " ".join(filter(None, (query.get("search"), wanted.get("model"))))[:200]
    source = next((each for each in SOURCES if each == query.get("source")), None)
    prices = view.api.model_prices(
        search=words or None, provider=wanted.get("provider"), source=source, cursor=query.get("cursor") or None,
        limit=MOST,
    )  # fmt: skip
    # Only a part of the page is asked for while somebody types.
    is_part = view.is_part
    others = {} if is_part else {"unpriced": view.api.unpriced(days=30)}
    found = {"unpriced": None, **await view.together(prices=prices, **others)}
    return view.page(
        "pricing_catalogue.html", title="Pricing", tabs=TABS, tab="catalogue", search=words, source=source, per=per,
        sources=SOURCES, unit_words=UNIT_WORDS, columns=COLUMNS, cells=lambda one: cells(one, per),
        kept={name: value for name, value in (("search", words), ("source", source)) if value}, **found,
    )  # fmt: skip


def cells(one: ModelPrice, per: Any) -> dict[str, Any]:
    """What a row of the table shows: the first meters in columns, others that are stated in words."""
    prices = one.bands[0].unit_prices if one.bands else {}
    first = [scaled(meter, price, per) if (price := prices.get(meter.rate)) is not None else None for meter in COLUMNS]
    others = [(meter, price) for meter, price in own_prices(prices, per) if meter not in COLUMNS]
    return {"first": first, "others": others, "has_bands": len(one.bands) > 1}


async def model(view: View) -> Response:
    """All about the price of one model: a drawer, and a page without JavaScript."""
    query, per = view.request.query_params, unit_of(view.request.query_params)
    provider, name = query.get("for_provider", ""), query.get("for_model", "")
    found = await view.together(
        price=view.api.effective_price(provider or "*", name or "*"),
        rows=view.api.prices(provider=provider or None, model=name or None, state=["current", "scheduled"]),
        usage=view.api.usage(days=30, provider=provider, model=name),
    )
    price = found["price"]
    template = "pricing_model_drawer.html" if view.is_part else "pricing_model.html"
    return view.page(
        template, title=name or "A model", provider=provider, model=name, per=per, unit_words=UNIT_WORDS,
        sources=SOURCES, source=source_of(price) if price else None, table=table(price, per) if price else [],
        since=since(price) if price else None, **found,
    )  # fmt: skip


def source_of(price: EffectivePrice) -> str:
    """Whose price it is, as the catalogue's list has it."""
    kinds = {row.kind for row in price.rows}
    return "contract" if "discount" in kinds else "own" if "price" in kinds else "catalog"


def since(price: EffectivePrice) -> datetime | None:
    """Since when the rows that apply do."""
    return max((row.valid_from for row in price.rows if row.valid_from is not None), default=None)


def table(price: EffectivePrice, per: Any) -> list[dict[str, Any]]:
    """Each meter with its price in each range of input tokens."""
    rows = []
    for meter in METERS:
        prices = [band.unit_prices.get(meter.rate) for band in price.bands]
        if any(each is not None for each in prices):
            shown = [None if each is None else scaled(meter, each, per) for each in prices]
            rows.append({"meter": meter, "prices": shown})
    return rows
