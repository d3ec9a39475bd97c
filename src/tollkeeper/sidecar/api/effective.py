"""`GET /prices/effective`: the price that a call would have at a moment, found just as that of a call is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.model import Call
from tollkeeper.model.cost import CostSource
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import Rates, Unpriced
from tollkeeper.sidecar.api.answer import Answer, moment, nanoseconds
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.price_models import HeldPrice, held_price
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.zones import IN_UTC, read_moment
from tollkeeper.sidecar.cells import plain

router = APIRouter(tags=["prices"])


class EffectiveParams(BaseModel):
    """Of what, and when."""

    provider: str = Field(min_length=1, max_length=LONGEST, description="As calls name it.", examples=["openai"])
    model: str = Field(min_length=1, max_length=LONGEST, description="As calls name it.", examples=["gpt-4o-mini"])
    tenant: str | None = Field(default=None, max_length=LONGEST, description="With the discounts of this tenant.")
    at: str | None = Field(default=None, max_length=40, description="A day (UTC) or a moment; now, if left out.")
    address: str | None = Field(
        default=None, max_length=LONGEST, description="The host that serves it: one's own may cost nothing."
    )
    context: list[str] = Field(
        default=[], max_length=10, examples=[["service_tier=flex"]],
        description="What the price depends on besides: `service_tier=flex`, `processing=batch`; may be repeated.",
    )  # fmt: skip


class Band(BaseModel):
    """Unit prices of the calls whose input has more than so many tokens in all."""

    above_input_tokens: int = Field(description="0: all calls that reach no other band.", examples=[200_000])
    unit_prices: dict[str, str] = Field(
        description="By meter: US dollars a unit (a token, a request, a second, …), exact.",
        examples=[{"input": "0.00000015", "output": "0.0000006"}],
    )


class EffectivePrice(BaseModel):
    """What a call costs at a moment, and who says so."""

    provider: str
    model: str
    tenant: str | None
    at: datetime
    source: CostSource = Field(description="`catalog`: genai-prices. `overlay`: the price book, or a discount of it.")
    version: str = Field(
        description="As calls are recorded with it: the price list and its version, and the versions of the book that"
        " apply.",
        examples=["genai-prices 0.2.3, discount 4"],
    )
    free: bool = Field(description="It costs nothing, and somebody says so.")
    bands: list[Band] = Field(description="The last one that a call reaches prices all of it.")
    rows: list[HeldPrice] = Field(description="The price, alias and discount of the price book that apply.")


@router.get(
    "/prices/effective",
    response_model=EffectivePrice,
    summary="The price in force",
    responses={404: {"model": Refusal}},
)
def effective(given: Given, params: Annotated[EffectiveParams, Query()]) -> Answer:
    """What a model costs at a moment: unit prices by meter, and where they come from. 404 where there is no price."""
    at = nanoseconds(given.now() if params.at is None else read_moment("at", params.at, IN_UTC))
    # A catalogue of its own: those that price calls remember what they look up.
    rates = Catalog(given.price_book.overlay()).rates(_call(params, at))
    if isinstance(rates, Unpriced):
        message = f"{params.provider} {params.model} has no price at {moment(at).isoformat()}: {rates.reason}"
        raise Refused(404, Problem(message=message, field="model", value=params.model))
    return Answer(
        EffectivePrice(
            provider=params.provider,
            model=params.model,
            tenant=params.tenant,
            at=moment(at),
            source=rates.source,
            version=rates.version,
            free=rates.free,
            bands=list(bands_of(rates)),
            rows=_rows(given, rates.version, at),
        )
    )


def _call(params: EffectiveParams, at: int) -> Call:
    pairs = [text.partition("=") for text in params.context]
    for text, (name, _, value) in zip(params.context, pairs, strict=True):
        if not name or not value:
            raise wrong("context", text, "NAME=VALUE, such as service_tier=flex")
    return Call(
        id="",
        provider=params.provider,
        operation="chat",
        started_at=at,
        request_model=params.model,
        server_address=params.address,
        price_context={name: value for name, _, value in pairs},
        tags={} if params.tenant is None else {"tenant": params.tenant},
    )


def bands_of(rates: Rates) -> Iterator[Band]:
    """Unit prices by meter, of each range of input tokens."""
    for above, prices in rates.bands:
        texts: dict[str, str] = {meter: plain(price) for meter, price in prices.items()}
        yield Band(above_input_tokens=max(above, 0), unit_prices=texts)


def _rows(given: Services, version: str, at: int) -> list[HeldPrice]:
    """The rows of the book that a price's version names."""
    named = version.split(", ")
    return [held_price(span, at) for span in given.price_book.current(at) if span.version.name in named]
