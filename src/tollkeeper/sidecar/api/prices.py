"""`GET /prices…`: what models cost by the price book, who says so, and which models nobody knows the price of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from tollkeeper.pricing import Catalog
from tollkeeper.pricing.near import near_model
from tollkeeper.pricing.rows import Match
from tollkeeper.sidecar.api.answer import Answer, moment, nanoseconds
from tollkeeper.sidecar.api.filters import LONGEST, RangeParams
from tollkeeper.sidecar.api.price_models import History, PriceList, State, held_price, price_of
from tollkeeper.sidecar.api.problems import Refusal, missing, wrong
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.versioned import LARGEST, IfNoneMatch, is_known, version_headers
from tollkeeper.sidecar.api.zones import IN_UTC, read_moment
from tollkeeper.sidecar.unpriced import UnpricedModel as Found
from tollkeeper.sidecar.unpriced import unpriced_models
from tollkeeper.storage.prices import HistoryQuery, Kind, Span
from tollkeeper.storage.prices.pricer import Pricer

router = APIRouter(tags=["prices"])

RowNumber = Annotated[int, Path(ge=1, le=LARGEST, description="The number of the row.")]


class PricesParams(BaseModel):
    """Which rows."""

    kind: Kind | None = None
    provider: str | None = Field(default=None, max_length=LONGEST, description="Rows that are about this provider.")
    model: str | None = Field(default=None, max_length=LONGEST, description="Rows that are about this model.")
    tenant: str | None = Field(default=None, max_length=LONGEST, description="Discounts of this tenant.")
    search: str | None = Field(default=None, max_length=LONGEST, description="A part of a name, in whatever case.")
    state: list[State] = Field(default=["current", "scheduled"], description="Held now, later, or earlier.")
    at: str | None = Field(
        default=None, max_length=40, description="As it holds then, not now: a day (UTC) or a moment."
    )
    known_at: str | None = Field(default=None, max_length=40, description="As far as the book said then.")


class HistoryParams(BaseModel):
    """Which versions."""

    row: int | None = Field(default=None, ge=1, le=LARGEST)
    kind: Kind | None = None
    provider: str | None = Field(default=None, max_length=LONGEST, description="Exactly as it is written in the rows.")
    model: str | None = Field(default=None, max_length=LONGEST, description="Exactly as it is written in the rows.")
    tenant: str | None = Field(default=None, max_length=LONGEST)
    cursor: str | None = Field(default=None, max_length=20, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=1000)


class ModelName(BaseModel):
    """A model of somebody's."""

    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["gpt-4o-mini"])


class UnpricedModel(BaseModel):
    """A model that calls were made to and that has no price."""

    provider: str = Field(examples=["vllm"])
    model: str = Field(examples=["acme-tuned"])
    calls: int = Field(description="Without a price, in the range.")
    tokens: int | None = Field(description="Of all its calls in the range.")
    first_seen: datetime = Field(description="When the first call without a price began.")
    last_seen: datetime = Field(description="When the last one began.")
    reason: str | None = Field(
        description="Why the last one has no price. Null: it would have one by now, and can be priced again.",
        examples=["in no price list"],
    )
    near: ModelName | None = Field(description="A model of the price lists whose name is like it: a guess, no more.")


class Unpriced(BaseModel):
    """Models without a price, the most called first; at most 100."""

    models: list[UnpricedModel]


@router.get("/prices", response_model=PriceList, summary="Rows of the price book")
def prices(given: Given, params: Annotated[PricesParams, Query()]) -> Answer:
    """Your own prices, aliases and discounts. What is in none of them costs what the catalogue says."""
    at = _nanoseconds("at", params.at, given.now())
    known_at = None if params.known_at is None else _nanoseconds("known_at", params.known_at, given.now())
    held = (span for span in given.price_book.timeline(known_at) if _wanted(span, params))
    shown = (held_price(span, at) for span in held)
    return Answer(
        PriceList(revision=given.price_book.revision(), prices=[one for one in shown if one.state in params.state])
    )


@router.get("/prices/history", response_model=History, summary="Everything that was said about prices")
def history(given: Given, params: Annotated[HistoryParams, Query()]) -> Answer:
    """Versions, newest first: who said what, when, and why. Nothing is ever taken out."""
    query = HistoryQuery(
        params.row, params.kind, params.provider, params.model, params.tenant, params.cursor, params.limit
    )
    try:
        versions, cursor = given.price_book.history(query)
    except ValueError:
        raise wrong("cursor", params.cursor, "the `next_cursor` of a page") from None
    return Answer(History(versions=[price_of(version) for version in versions], next_cursor=cursor))


@router.get("/prices/unpriced", response_model=Unpriced, summary="Models without a price")
def unpriced(given: Given, params: Annotated[RangeParams, Query()]) -> Answer:
    """Models that were called and that nobody knows the price of: their calls are in no sum of money."""
    when = params.range(given.now())
    found = unpriced_models(given.ledger, Pricer(given.price_book), when.start_ns, when.end_ns)
    listed = tuple(Catalog().listed_models()) if found else ()
    return Answer(Unpriced(models=[_unpriced(model, listed) for model in found]))


@router.get(
    "/prices/overlay",
    summary="The price book as a document",
    responses={
        200: {
            "content": {"application/json": {"schema": {"type": "object"}}},
            "description": "As a price file, in JSON.",
        },
        304: {"description": "It is still as `If-None-Match` says."},
    },
)
def overlay(given: Given, if_none_match: IfNoneMatch = None) -> Response:
    """For apps, which price their calls by it. Ask again with `If-None-Match`: 304 as long as nothing has changed."""
    revision = given.price_book.revision()
    headers = version_headers(revision)
    if is_known(revision, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(given.price_book.overlay().to_json(), media_type="application/json", headers=headers)


@router.get("/prices/{row}", response_model=PriceList, summary="One row", responses={404: {"model": Refusal}})
def price(given: Given, row: RowNumber) -> Answer:
    """What a row says: what held, holds, and will hold. Empty once it was withdrawn before it ever held."""
    versions, _ = given.price_book.history(HistoryQuery(row=row, limit=1))
    if not versions:
        raise missing("row", str(row))
    at = nanoseconds(given.now())
    held = sorted(
        (span for span in given.price_book.timeline() if span.version.row == row), key=lambda one: one.valid_from
    )
    return Answer(PriceList(revision=given.price_book.revision(), prices=[held_price(span, at) for span in held]))


def _unpriced(model: Found, listed: Sequence[tuple[str, str]]) -> UnpricedModel:
    found = near_model(model.provider, model.model, listed)
    near = None if found is None else ModelName(provider=found[0], model=found[1])
    seen = {"first_seen": moment(model.first_seen), "last_seen": moment(model.last_seen)}
    return UnpricedModel(**{**model._asdict(), **seen}, near=near)


def _wanted(span: Span, params: PricesParams) -> bool:
    version = span.version
    about = version.content
    if params.kind not in (None, version.kind) or params.tenant not in (None, about.get("tenant")):
        return False
    if params.search is not None:
        names = " ".join(str(about.get(key, "")) for key in ("provider", "model", "tenant", "is"))
        if params.search.lower() not in names.lower():
            return False
    return _is_about(about["provider"], params.provider) and _is_about(about["model"], params.model)


def _is_about(pattern: str, name: str | None) -> bool:
    return name is None or Match(model=pattern).names("", name)


def _nanoseconds(field: str, text: str | None, now: datetime) -> int:
    return nanoseconds(now.astimezone(UTC) if text is None else read_moment(field, text, IN_UTC))
