"""`GET /forecasts`: where days, weeks and months will end, how surely, and when budgets are used up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, WithJsonSchema

from tollkeeper.insight.forecast.forecast import Horizon
from tollkeeper.insight.forecast.published import Published
from tollkeeper.model.limit import PER, Measure
from tollkeeper.sidecar.api.answer import Answer, moment, usd
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.services import Given

MOST = 2000

router = APIRouter(tags=["insight"])

By = Literal["total", "tenant", "project", "service", "feature", "provider", "model", "limit"]
Figure = Annotated[Decimal, WithJsonSchema({"type": "number", "title": "In the unit of the measure"})]
Name = Annotated[str | None, Field(max_length=LONGEST)]


class ForecastParams(BaseModel):
    """Which forecasts. If nothing is said: those of the total."""

    horizon: Horizon | None = Field(default=None, description="Of a limit, it is its own period.")
    by: list[By] = Field(
        default=[],
        max_length=8,
        description="Of each of these; `limit` are the budgets of limits.",
        examples=[["tenant"]],
    )
    subject: str | None = Field(default=None, max_length=LONGEST, description="The budgets of the limit of this name.")
    tenant: Name = Field(default=None, description="Only this one's.")
    project: Name = None
    user: Name = None
    session: Name = None
    service: Name = None
    feature: Name = None
    config: Name = None
    model: Name = None
    provider: Name = None
    most: int = Field(default=100, ge=1, le=MOST, description="The largest so many; of budgets, the most endangered.")

    def scope(self) -> dict[str, str]:
        """What is asked of whose they are."""
        return {name: value for name in PER if (value := getattr(self, name)) is not None}

    def wants(self, one: Published) -> bool:
        """Whether it is one of them."""
        scope = self.scope()
        if self.horizon not in (None, one.horizon) or not scope.items() <= one.scope.items():
            return False
        if self.subject is not None:
            return one.limit == self.subject
        if self.by:
            return _kind(one) in self.by
        return one.limit is None and one.scope.keys() == scope.keys()


class BandPoint(BaseModel):
    """What will be used in all by a moment; `low` and `high` hold it 80 of 100 times."""

    at: datetime
    low: Figure | None
    middle: Figure
    high: Figure | None


class Contestant(BaseModel):
    """How a method did on the past of this series."""

    method: str = Field(examples=["weekday mean, 4 weeks"])
    error: float | None = Field(description="Of totals of several days: the mean error, as a part of what was usual.")
    totals: int = Field(description="Over so many of them.")
    weight: float = Field(description="Which part of the forecast is its own.")


class Covered(BaseModel):
    """How many totals of the past were within such an interval, made from what was before them."""

    level: int = Field(description="How many of 100 it is meant to hold.", examples=[80])
    share: float = Field(description="How many it did hold, of one.", examples=[0.81])
    totals: int


class Exhausted(BaseModel):
    """When the budget is used up, in 80 of 100 cases; null: not in this period."""

    early: datetime | None
    median: datetime | None
    late: datetime | None


class PriceChangeAhead(BaseModel):
    """From then on, the same use costs so many times what it does now, as prices will be others."""

    at: datetime
    factor: float


class ForecastState(BaseModel):
    """Of one series and period. Amounts are in the unit of the measure: of `usd`, dollars."""

    subject: str | None = Field(description="The limit whose budget it is about; null: of no limit.")
    scope: dict[str, str] = Field(description="Whose it is; empty: of everybody.", examples=[{"tenant": "acme"}])
    measure: Measure
    horizon: Horizon
    zone: str
    period_start: datetime
    period_end: datetime
    amount: Figure | None = Field(description="What may be used, of a limit.")
    used: Figure
    lowest: Figure | None = Field(description="`lowest` and `highest` hold the period's total 95 of 100 times.")
    low: Figure | None = Field(description="`low` and `high` hold the period's total 80 of 100 times.")
    forecast: Figure | None = Field(description="The period's total. Null: too little is known; `reason` says what.")
    high: Figure | None
    highest: Figure | None
    probability: float | None = Field(description="That more than the amount is used, or would be.")
    told: bool = Field(description="Whether people are told that the budget will not last.")
    exhausted: Exhausted | None
    band: list[BandPoint] = Field(description="By the end of each day that is left; of today, by the hour.")
    history_days: int
    days_left: int = Field(description="Today included.")
    method: str | None = Field(description="The one that has the most to say.")
    contest: list[Contestant] = Field(description="Every method on the past of this series, the best first.")
    error: float | None = Field(
        description="Of totals of about as many days in the past: the sum of errors by the sum of totals."
    )
    coverage: list[Covered] = Field(description="Of this series alone; of few totals.")
    coverage_of_all: list[Covered] = Field(description="Of all series together.")
    price_changes: list[PriceChangeAhead]
    reason: str | None = Field(description="Why there is no interval, or no forecast.")


class Forecasts(BaseModel):
    """As of the last evaluation, which is hourly."""

    at: datetime | None = Field(description="Null: there was none yet.")
    forecasts: list[ForecastState]


@router.get("/forecasts", response_model=Forecasts, summary="Where periods will end")
def forecasts(given: Given, params: Annotated[ForecastParams, Query()]) -> Answer:
    """Of days, weeks and months that are running: what will be used, between what, and when a budget is used up.

    Of the total, of everybody who spends (by UTC), and of every limit of a day, week or month (by its own time zone).
    """
    found = given.insight.forecasts.published.latest()
    wanted = sorted((one for one in found.forecasts if params.wants(one)), key=_first)[: params.most]
    return Answer(Forecasts(at=moment(found.at) if found.at else None, forecasts=[_state(one) for one in wanted]))


def _kind(one: Published) -> str:
    return "limit" if one.limit is not None else next(iter(one.scope), "total")


def _first(one: Published) -> tuple[bool, float, int]:
    return one.limit is not None, -(one.exceeds or 0.0), -(one.middle or one.spent)


def _state(one: Published) -> ForecastState:
    def figure(amount: int | None) -> Decimal | None:
        return None if amount is None else usd(amount) if one.measure == "usd" else Decimal(amount)

    def sure(amount: int | None) -> Decimal:
        return figure(amount or 0) or Decimal(0)

    return ForecastState(
        subject=one.limit,
        scope=dict(one.scope),
        measure=one.measure,
        horizon=one.horizon,
        zone=one.zone,
        period_start=moment(one.start),
        period_end=moment(one.end),
        amount=figure(one.amount),
        used=sure(one.spent),
        lowest=figure(one.lowest),
        low=figure(one.low),
        forecast=figure(one.middle),
        high=figure(one.high),
        highest=figure(one.highest),
        probability=one.exceeds,
        told=one.foreseen,
        exhausted=None if one.exhaustion is None else Exhausted(**dict(_exhausted(one))),
        band=[
            BandPoint(at=moment(at or 0), low=figure(low), middle=sure(middle), high=figure(high))
            for at, low, middle, high in one.band
        ],
        history_days=one.history_days,
        days_left=one.days_left,
        method=one.method,
        contest=[
            Contestant(method=method, error=error, totals=totals, weight=weight)
            for method, error, totals, weight in one.standings
        ],
        error=one.error,
        coverage=_covered(one.coverage),
        coverage_of_all=_covered(one.coverage_of_all),
        price_changes=[PriceChangeAhead(at=moment(at), factor=factor) for at, factor in one.price_changes],
        reason=one.reason,
    )


def _exhausted(one: Published) -> Iterator[tuple[str, datetime | None]]:
    for name, at in zip(Exhausted.model_fields, one.exhaustion or (), strict=True):
        yield name, None if at is None else moment(at)


def _covered(rows: Sequence[tuple[int, float, int]]) -> list[Covered]:
    return [Covered(level=level, share=share, totals=totals) for level, share, totals in rows]
