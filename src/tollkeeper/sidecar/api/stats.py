"""`GET /stats`: everything in a handful of numbers. Read from the rollups."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.model.limit import Measure, Unit
from tollkeeper.policy import Policy
from tollkeeper.policy.scope import binds_all
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, nanoseconds, usd
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.sums import UNKNOWN_COST, add, average_usd, nano_usd, sums
from tollkeeper.sidecar.api.zones import DEFAULT_DAYS, MOST_DAYS, read_range
from tollkeeper.storage.ledger import Totals, UsageQuery

FOR_EVER = 2**63 - 1
HOUR = timedelta(hours=1)
MOST_READ = 200_000
"""Calls that may be read one by one for an answer."""

router = APIRouter(tags=["usage"])


class StatsParams(BaseModel):
    """How much of the past `daily_costs` shows."""

    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MOST_DAYS, description="How many days `daily_costs` goes back.")
    zone: str = Field("UTC", max_length=200, description="The time zone (IANA) whose days these are.")


class RecentHour(BaseModel):
    """The last 60 minutes."""

    since: datetime = Field(
        description=f"An hour ago; with more than {MOST_READ:,} calls an hour, the full hour before that."
    )
    requests: int = Field(examples=[8])
    tokens: int | None = Field(examples=[24000])
    cost: Usd | None = Field(examples=[0.52])


class RateLimits(BaseModel):
    """The limits that hold for everybody; null where none is set."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_cost_per_request: Usd | None = None
    daily_spending_limit: Usd | None = None


class Stats(BaseModel):
    """All calls that the ledger has."""

    total_requests: int = Field(examples=[42])
    failed_requests: int
    total_tokens: int | None = Field(examples=[125000])
    total_cost: Usd | None = Field(description=f"US dollars, exact. {UNKNOWN_COST}", examples=[2.45])
    total_cost_nano_usd: NanoUsd | None = Field(examples=[2_450_000_000])
    average_cost: Usd | None = Field(
        description="Of a request whose cost is known, rounded to the nano-dollar; null if there is none.",
        examples=[0.058333333],
    )
    unpriced_requests: int = Field(description="Requests with usage and without a price: their cost is unknown.")
    unmeasured_requests: int = Field(description="Answered requests whose usage nobody knows.")
    recent_hour: RecentHour
    daily_costs: dict[str, Usd | None] = Field(
        description="By day, newest first; days without calls are left out.", examples=[{"2026-01-15": 2.45}]
    )
    rate_limits: RateLimits


@router.get("/stats", response_model=Stats, summary="Totals at a glance")
def stats(given: Given, params: Annotated[StatsParams, Query()]) -> Answer:
    """All requests ever, the last hour, and the cost of each day."""
    now = given.now()
    total = add(row.totals for row in given.ledger.usage(UsageQuery(0, FOR_EVER)))
    cost = nano_usd(total)
    when = read_range(None, None, params.days, params.zone, now)
    days = given.ledger.usage(UsageQuery(when.start_ns, when.end_ns, interval="day", zone=when.zone.key))
    return Answer(
        Stats(
            total_requests=total.calls,
            failed_requests=total.failed,
            total_tokens=sums(total).tokens,
            total_cost=_dollars(cost),
            total_cost_nano_usd=cost,
            average_cost=average_usd(total),
            unpriced_requests=total.unpriced,
            unmeasured_requests=total.unmeasured,
            recent_hour=_recent(given, now),
            daily_costs={
                moment(row.bucket or 0).astimezone(when.zone).date().isoformat(): _dollars(nano_usd(row.totals))
                for row in reversed(days)
            },
            rate_limits=_rate_limits(given.limiting.policy),
        )
    )


def _recent(given: Given, now: datetime) -> RecentHour:
    """The part of an hour that has no rollup is read from its calls, unless they are too many for that."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    earlier = UsageQuery(nanoseconds(hour - HOUR), nanoseconds(hour))
    since = now - HOUR
    if add(row.totals for row in given.ledger.usage(earlier)).calls > MOST_READ:
        since = hour - HOUR
    query = UsageQuery(nanoseconds(since), nanoseconds(hour + HOUR))
    totals: Totals = add(row.totals for row in given.ledger.usage(query))
    return RecentHour(since=since, requests=totals.calls, tokens=sums(totals).tokens, cost=_dollars(nano_usd(totals)))


def _rate_limits(policy: Policy) -> RateLimits:
    """Of several that are alike, the tightest."""

    def amount(measure: Measure, unit: Unit | None) -> int | None:
        found = [
            limit.amount
            for limit in policy.limits
            if limit.measure == measure and binds_all(limit, {}) and not limit.per and limit.mode == "hard"
            and (None if limit.window is None else limit.window.unit) == unit
        ]  # fmt: skip
        return min(found, default=None)

    return RateLimits(
        requests_per_minute=amount("requests", "minute"),
        tokens_per_minute=amount("tokens", "minute"),
        max_cost_per_request=_dollars(amount("usd", None)),
        daily_spending_limit=_dollars(amount("usd", "day")),
    )


def _dollars(nano: int | None) -> Usd | None:
    return None if nano is None else usd(nano)
