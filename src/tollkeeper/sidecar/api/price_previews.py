"""`POST /prices/preview`: what a row of the price book would have changed, before anybody writes it down."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import RangeParams
from tollkeeper.sidecar.api.price_changes import refusing
from tollkeeper.sidecar.api.price_models import RowFields
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused
from tollkeeper.sidecar.api.repricing import PriceChange, price_change
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.sums import add
from tollkeeper.sidecar.api.versioned import LARGEST
from tollkeeper.sidecar.repricing import Change, Period, total_of
from tollkeeper.storage.ledger import UsageQuery
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.prices import Kind

MOST_CALLS = 50_000

router = APIRouter(tags=["prices"])


class SupposedPrice(RowFields, RangeParams):
    """What would be said, and of which time the calls are looked at."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = Field(default="price", description="price, alias or discount; that of the row, if there is one.")
    row: int | None = Field(default=None, ge=1, le=LARGEST, description="The row to be changed; none: a new one.")
    with_calls: bool = Field(default=True, description="False: no call is priced; only whether it can be said so.")


class PricePreview(BaseModel):
    """What would be kept, and by how much calls would have been dearer: nothing is written."""

    kind: Kind
    content: dict[str, Any] = Field(description="As in a price file; amounts are exact texts.")
    valid_from: datetime | None = Field(description="Null: as if it had always been said.")
    valid_to: datetime | None
    start: datetime
    end: datetime
    total: PriceChange | None = Field(description="Of all changes; null if nothing changes.")
    changes: list[PriceChange] = Field(description="By provider, model and tenant, the largest difference first.")


@router.post(
    "/prices/preview",
    response_model=PricePreview,
    summary="What a price would change",
    responses={404: {"model": Refusal, "description": "There is no such row."}},
)
def preview(given: Given, wanted: SupposedPrice) -> Answer:
    """Prices the calls of a period as if the row were in the book: from `valid_from` on, or always.

    What they have cost is as it is recorded. All that is wrong with the row is told, as when it is added.
    """
    when = wanted.range(given.now())
    with refusing():
        statement, supposed = given.price_book.supposed(wanted.kind, wanted.said(), wanted.row)
    changes: tuple[Change, ...] = ()
    if wanted.with_calls:
        period = Period(when.start_ns, when.end_ns, _whose(str(statement.content["provider"])))
        _check_size(given, period)
        changes = given.repricer.suppose(period, supposed)
    start, end = statement.valid_from, statement.valid_to
    return Answer(
        PricePreview(
            kind=statement.kind,
            content=statement.content,
            valid_from=None if start is None else moment(start),
            valid_to=None if end is None else moment(end),
            start=when.start,
            end=when.end,
            total=price_change(total_of(changes)) if changes else None,
            changes=[price_change(change) for change in changes],
        )
    )


def _whose(provider: str) -> dict[Dimension, tuple[str, ...]]:
    """The calls that such a row can be about. Of models nothing is said, as a call has two names of one."""
    return {} if any(letter in provider for letter in "*?[") else {"provider": (provider,)}


def _check_size(given: Services, period: Period) -> None:
    rows = given.ledger.usage(UsageQuery(period.start, period.end, filters=period.filters))
    if (number := add(row.totals for row in rows).calls) > MOST_CALLS:
        told = f"a period of at most {MOST_CALLS:,} calls"
        raise Refused(
            422, Problem(message=f"there are {number:,} calls; expected {told}", field="start", expected=told)
        )
