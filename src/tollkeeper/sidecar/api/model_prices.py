"""`GET /prices/models`: every model that has a price, or was called: what it costs, and whose price that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.model import Call
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import Rates, Unpriced
from tollkeeper.pricing.rows import Match
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, nanoseconds, usd
from tollkeeper.sidecar.api.effective import Band, bands_of
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.price_models import HeldPrice, held_price
from tollkeeper.sidecar.api.problems import wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.totals import nano_usd
from tollkeeper.storage.ledger import Totals, UsageQuery
from tollkeeper.storage.prices import Span

router = APIRouter(tags=["prices"])

PriceSource = Literal["own", "contract", "catalog"]


class ModelsParams(RangeParams):
    """Which models, and in which time their calls are counted."""

    search: str | None = Field(
        default=None, max_length=LONGEST, description="Words that are all in provider and model, in whatever case."
    )
    provider: str | None = Field(default=None, max_length=LONGEST, description="As calls name it.")
    source: PriceSource | None = Field(default=None, description="Only those whose price is from there.")
    cursor: str | None = Field(default=None, max_length=20, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=500)


class ModelPrice(BaseModel):
    """What a model costs now, in US dollars a unit."""

    provider: str = Field(description="As calls name it; of a row of the price book, maybe a glob.")
    model: str
    source: PriceSource | None = Field(
        description="`own`: a row of the price book. `contract`: a discount is off it. `catalog`: genai-prices. Null:"
        " there is no price."
    )
    version: str | None = Field(description="As calls are recorded with it.", examples=["genai-prices 0.2.3"])
    free: bool = Field(description="It costs nothing, and somebody says so.")
    bands: list[Band] = Field(description="The last one that a call reaches prices all of it.")
    reason: str | None = Field(description="Why there is no price.", examples=["in no price list"])
    valid_from: datetime | None = Field(description="Since when it costs this. Null: always, as far as is known.")
    rows: list[HeldPrice] = Field(description="The price, alias and discount of the price book that apply.")
    calls: int = Field(description="In the range.")
    cost: Usd | None = Field(description="Of these calls; null where none had a price.")
    cost_nano_usd: NanoUsd | None


class ModelPrices(BaseModel):
    """Models, those first that were called most, then by name; of a search, first the one that is called just that."""

    models: list[ModelPrice]
    total: int | None = Field(description="How many fit in all; null if that is asked by source.")
    next_cursor: str | None


class _Name(NamedTuple):
    provider: str
    model: str
    totals: Totals | None

    @property
    def calls(self) -> int:
        return 0 if self.totals is None else self.totals.calls


class _Prices:
    """What models cost at one moment."""

    def __init__(self, given: Services, at: int) -> None:
        # A catalogue of its own: those that price calls remember what they look up.
        self.catalog = Catalog(given.price_book.overlay())
        self.rows = given.price_book.current(at)
        self._by_name = {span.version.name: span for span in self.rows}
        self._said = [
            Match(str(row.version.content["provider"]), str(row.version.content["model"])) for row in self.rows
        ]
        self._at = at

    def knows(self, name: _Name) -> bool:
        """Whether it has a price."""
        return not isinstance(self._rates(name), Unpriced)

    def of(self, name: _Name) -> ModelPrice:
        rates = self._rates(name)
        cost = None if name.totals is None else nano_usd(name.totals)
        about: dict[str, Any] = {
            "provider": name.provider, "model": name.model, "calls": name.calls,
            "cost_nano_usd": cost, "cost": None if cost is None else usd(cost),
        }  # fmt: skip
        if isinstance(rates, Unpriced):
            nothing: dict[str, Any] = {
                "source": None,
                "version": None,
                "free": False,
                "bands": [],
                "valid_from": None,
                "rows": [],
            }
            return ModelPrice(**about, **nothing, reason=rates.reason)
        rows = [self._by_name[part] for part in rates.version.split(", ") if part in self._by_name]
        since = self._since(name, rows)
        return ModelPrice(
            **about,
            source=_source(rows),
            version=rates.version,
            free=rates.free,
            bands=list(bands_of(rates)),
            reason=None,
            valid_from=None if since is None or since <= 0 else moment(since),
            rows=[held_price(row, self._at) for row in rows],
        )

    def is_said(self, name: _Name) -> bool:
        """Whether a row of the book is about this model."""
        return any(match.names(name.provider, name.model) for match in self._said)

    def _rates(self, name: _Name) -> Rates | Unpriced:
        return self.catalog.rates(Call("", name.provider, "chat", self._at, name.model))

    def _since(self, name: _Name, rows: Sequence[Span]) -> int | None:
        """The last of what has made the price what it is."""
        own = [row.valid_from for row in rows]
        if any(row.version.kind == "price" for row in rows):
            return max(own)
        provider, model = name.provider, name.model
        for row in rows:
            if row.version.kind == "alias":
                provider = row.version.content.get("is_provider", provider)
                model = row.version.content["is"]
        listed = self.catalog.listed_since(provider, model, self._at)
        return max([*own, *([] if listed is None else [listed])], default=None)


@router.get("/prices/models", response_model=ModelPrices, summary="What models cost")
def models(given: Given, params: Annotated[ModelsParams, Query()]) -> Answer:
    """The catalogue's models, those with a price of one's own, and all that were called in the range."""
    when = params.range(given.now())
    rows = given.ledger.usage(UsageQuery(when.start_ns, when.end_ns, group_by=("provider", "model")))
    prices = _Prices(given, nanoseconds(given.now()))
    names = _names(prices, {(row.group[0], row.group[1]): row.totals for row in rows}, params)
    start = _skipped(params.cursor)
    found = _fitting(prices, names, start, params.source)
    page = list(islice(found, params.limit + 1))
    has_more = len(page) > params.limit
    return Answer(
        ModelPrices(
            models=[one for _, one in page[: params.limit]],
            total=None if params.source else len(names),
            next_cursor=str(page[params.limit][0]) if has_more else None,
        )
    )


def _fitting(
    prices: _Prices, names: Sequence[_Name], start: int, source: PriceSource | None
) -> Iterator[tuple[int, ModelPrice]]:
    for place, name in enumerate(names[start:], start):
        if source in ("own", "contract") and not prices.is_said(name):
            continue
        found = prices.of(name)
        if source is None or source == found.source:
            yield place, found


def _names(prices: _Prices, used: dict[tuple[str, str], Totals], params: ModelsParams) -> list[_Name]:
    written = {
        (str(row.version.content["provider"]), str(row.version.content["model"]))
        for row in prices.rows if row.version.kind != "discount"
    }  # fmt: skip
    words = (params.search or "").lower().split()
    names = [
        _Name(provider, model, used.get((provider, model)))
        for provider, model in {*prices.catalog.listed_models(), *written, *used}
        if params.provider in (None, provider) and all(word in f"{provider} {model}".lower() for word in words)
    ]
    if words:
        return sorted(names, key=lambda name: _as_found(prices, name, words))
    return sorted(names, key=lambda name: (-name.calls, name.provider, name.model))


def _as_found(prices: _Prices, name: _Name, words: Sequence[str]) -> tuple[Any, ...]:
    """The place among what a search finds: its very name, what is called here, what has a price, its beginning."""
    searched, model = " ".join(words), name.model.lower()
    full = f"{name.provider} {model}".lower()
    begins = any(each.startswith(searched) for each in (model, full))
    return searched not in (model, full), -name.calls, not prices.knows(name), not begins, name.provider, name.model


def _source(rows: Sequence[Span]) -> PriceSource:
    kinds = {row.version.kind for row in rows}
    return "contract" if "discount" in kinds else "own" if "price" in kinds else "catalog"


def _skipped(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise wrong("cursor", cursor, "the `next_cursor` of a page")
    return int(cursor)
