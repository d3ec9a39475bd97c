"""The questions about where periods will end. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Unpack

from tollkeeper.client.ask import Ask, query_of, reader
from tollkeeper.client.keywords import Whose, spelled_out

Horizon = Literal["day", "week", "month"]
By = Literal["total", "tenant", "project", "service", "feature", "provider", "model", "limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPoint:
    """What will be used in all by a moment; `low` and `high` hold it 80 of 100 times."""

    at: datetime
    low: Decimal | None
    middle: Decimal
    high: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """How a method did on the past of this series; `weight` is which part of the forecast is its own."""

    method: str
    error: float | None
    totals: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Which share of so many totals of the past was within such an interval."""

    level: int
    share: float
    totals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """When the budget is used up, in 80 of 100 cases; `None`: not in this period."""

    early: datetime | None
    median: datetime | None
    late: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChangeAhead:
    """From then on, the same use costs so many times what it does now."""

    at: datetime
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastState:
    """Of one series and period. Amounts are in the unit of the measure: of `usd`, dollars.

    `subject` is the limit whose budget it is about. `low` and `high` hold the total 80 of 100 times, `lowest` and
    `highest` 95. `reason`: why there is no interval, or no forecast.
    """

    subject: str | None
    scope: dict[str, str]
    measure: str
    horizon: Horizon
    zone: str
    period_start: datetime
    period_end: datetime
    amount: Decimal | None
    used: Decimal
    lowest: Decimal | None
    low: Decimal | None
    forecast: Decimal | None
    high: Decimal | None
    highest: Decimal | None
    probability: float | None
    told: bool
    exhausted: Exhausted | None
    band: list[BandPoint]
    history_days: int
    days_left: int
    method: str | None
    contest: list[Contestant]
    error: float | None
    coverage: list[Covered]
    coverage_of_all: list[Covered]
    price_changes: list[PriceChangeAhead]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """As of the last evaluation; `at` of `None`: there was none yet."""

    at: datetime | None
    forecasts: list[ForecastState]


@spelled_out
def forecasts(
    *,
    horizon: Horizon | None = None,
    by: By | Sequence[By] | None = None,
    subject: str | None = None,
    most: int | None = None,
    **whose: Unpack[Whose],
) -> Ask[Forecasts]:
    """Where days, weeks and months will end: of the total, or `by` others, or the budgets of the limit `subject`."""
    about = {"horizon": horizon, "by": by, "subject": subject, "most": most}
    return Ask("GET", "/forecasts", reader(Forecasts), query_of({**about, **whose}))
