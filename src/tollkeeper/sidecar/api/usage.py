"""`GET /usage`: what was used and what it cost, by whatever one wants to know it by. Read from the rollups only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from tollkeeper.model.calendar import Interval
from tollkeeper.sidecar.api.answer import CSV, Answer, NanoUsd, Usd, moment, table, wants_csv
from tollkeeper.sidecar.api.filters import FilterParams, RangeParams
from tollkeeper.sidecar.api.problems import wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.sums import UNKNOWN_COST, Sums, add, average_usd, sums
from tollkeeper.sidecar.api.zones import MOST_DAYS, Range
from tollkeeper.storage.ledger import UsageQuery, UsageRow
from tollkeeper.storage.ledger.contract import Dimension

HOUR = 3_600_000_000_000
HOURS_AT_MOST = 24 * 400

router = APIRouter(tags=["usage"])


class UsageParams(RangeParams, FilterParams):
    """Which calls, and how they are put together."""

    group_by: list[Dimension] = Field(
        default=[], max_length=9, description="Sums for each of these, in `groups`.", examples=[["tenant", "model"]]
    )
    interval: Interval | None = Field(
        default=None, description="Sums for each of these, in `groups`; weeks begin on Monday."
    )
    details: bool = Field(
        default=True, description="With false, `by_model` and `by_day` are empty: several times as quick."
    )
    format: Literal["json", "csv"] | None = Field(
        default=None, description="As `Accept`: `csv` is the table of `groups`."
    )


class _Dated(BaseModel):
    date: date


class Day(Sums, _Dated):
    """A day of the zone's calendar."""


class _Grouped(BaseModel):
    start: datetime | None = Field(description="When the interval begins; null without `interval`.")
    group: dict[Dimension, str] = Field(
        description="By the names in `group_by`. An empty text: calls without one.", examples=[{"tenant": "acme"}]
    )


class Group(Sums, _Grouped):
    """One group in one interval."""


class Usage(BaseModel):
    """What was used in a range."""

    start: datetime = Field(description="Included.")
    end: datetime = Field(description="Not included.")
    zone: str = Field(examples=["Europe/Berlin"])
    total_calls: int = Field(examples=[150])
    failed_calls: int
    total_tokens: int | None = Field(examples=[45000])
    total_prompt_tokens: int | None = Field(examples=[30000])
    total_completion_tokens: int | None = Field(examples=[15000])
    total_cost: Usd | None = Field(description=f"US dollars, exact. {UNKNOWN_COST}", examples=[2.45])
    total_cost_nano_usd: NanoUsd | None
    average_cost: Usd | None = Field(description="Of a call whose cost is known, rounded to the nano-dollar.")
    unpriced_calls: int
    unmeasured_calls: int
    by_model: dict[str, Sums]
    by_day: list[Day] = Field(description="Every day of the range up to today, those without calls too.")
    group_by: list[Dimension]
    interval: Interval | None
    groups: list[Group] = Field(description="As `group_by` and `interval` say; empty without them.")


@router.get(
    "/usage",
    response_model=Usage,
    summary="Usage and cost",
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def usage(request: Request, given: Given, params: Annotated[UsageParams, Query()]) -> Response:
    """Calls, tokens and cost of a range: in all, by model and by day, and by groups and intervals of your choice.

    Adjustments of re-priced periods are in it, on the days of their calls. Amounts are exact.
    """
    when = params.range(given.now())
    if when.end - when.start > timedelta(days=MOST_DAYS):
        raise wrong("start", when.start.isoformat(), f"a range of at most {MOST_DAYS:,} days")
    if params.interval == "hour" and when.end_ns - when.start_ns > HOURS_AT_MOST * HOUR:
        raise wrong("interval", "hour", f"a range of at most {HOURS_AT_MOST:,} hours, or a longer interval")
    if wants_csv(request, params.format):
        return _as_csv(given, params, when)
    is_grouped = bool(params.group_by or params.interval)
    groups = given.ledger.usage(_chosen(params, when)) if is_grouped or not params.details else []
    by_model = given.ledger.usage(_query(params, when, group_by=("model",))) if params.details else []
    by_day = given.ledger.usage(_query(params, when, interval="day")) if params.details else []
    total = add(row.totals for row in (by_model if params.details else groups))
    all_of_it = sums(total)
    return Answer(
        Usage(
            start=when.start,
            end=when.end,
            zone=when.zone.key,
            total_calls=total.calls,
            failed_calls=total.failed,
            total_tokens=all_of_it.tokens,
            total_prompt_tokens=all_of_it.prompt_tokens,
            total_completion_tokens=all_of_it.completion_tokens,
            total_cost=all_of_it.cost,
            total_cost_nano_usd=all_of_it.cost_nano_usd,
            average_cost=average_usd(total),
            unpriced_calls=total.unpriced,
            unmeasured_calls=total.unmeasured,
            by_model={row.group[0]: sums(row.totals) for row in by_model},
            by_day=_days(by_day, when, given.now()) if params.details else [],
            group_by=params.group_by,
            interval=params.interval,
            groups=[_group(row, params.group_by, when) for row in groups] if is_grouped else [],
        )
    )


def _query(
    params: UsageParams, when: Range, group_by: Sequence[Dimension] = (), interval: Interval | None = None
) -> UsageQuery:
    return UsageQuery(when.start_ns, when.end_ns, tuple(group_by), params.filters(), interval, when.zone.key)


def _chosen(params: UsageParams, when: Range) -> UsageQuery:
    return _query(params, when, tuple(dict.fromkeys(params.group_by)), params.interval)


def _days(rows: Sequence[UsageRow], when: Range, now: datetime) -> list[Day]:
    found = {moment(row.bucket or 0).astimezone(when.zone).date(): row.totals for row in rows}
    # A call of a clock that is ahead is on a day that has not come yet.
    days = sorted({*when.days(now), *found})
    return [Day(date=day, **dict(sums(found.get(day, add(()))))) for day in days]


def _group(row: UsageRow, names: Sequence[Dimension], when: Range) -> Group:
    start = None if row.bucket is None else moment(row.bucket).astimezone(when.zone)
    named = dict(zip(dict.fromkeys(names), row.group, strict=True))
    return Group(start=start, group=named, **dict(sums(row.totals)))


def _as_csv(given: Services, params: UsageParams, when: Range) -> Response:
    if not params.group_by and params.interval is None:
        params = params.model_copy(update={"interval": "day"})
    rows = given.ledger.usage(_chosen(params, when))
    names = list(dict.fromkeys(params.group_by))
    columns = [*(["start"] if params.interval else []), *names, *Sums.model_fields]
    return table("usage", columns, (_cells(_group(row, names, when)) for row in rows), {})


def _cells(group: Group) -> list[Any]:
    start = [] if group.start is None else [group.start]
    return [*start, *group.group.values(), *(getattr(group, name) for name in Sums.model_fields)]
