"""`GET /patterns`: when calls are made, who makes them, how spend is spread, and what was paid for in vain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollkeeper.insight.cache_use import Judged, Unread
from tollkeeper.insight.patterns import DEAREST_SHARE, LARGE_INPUT, TINY_SHARE, Spent
from tollkeeper.insight.profile import NONE, Profile, Slot, Use, profile
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.sums import add, nano_usd
from tollkeeper.sidecar.api.zones import Range, read_range
from tollkeeper.sidecar.insight.patterns import DAYS, Found, Window, latest, windows_of
from tollkeeper.storage.ledger import Totals, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension

router = APIRouter(tags=["insight"])

MOST_TOP = 50
PEAKS = 5
TOPS: tuple[Dimension, ...] = ("user", "feature", "tenant", "service", "model")


class PatternParams(BaseModel):
    """Over which time, and by whose clock."""

    window: Window = Field(default="7d", description="Today and the 6 or 29 days before it.")
    zone: str = Field(
        "UTC", max_length=LONGEST, description="The time zone (IANA) whose hours and days are meant.",
        examples=["Europe/Berlin"],
    )  # fmt: skip
    top: int = Field(default=10, ge=1, le=MOST_TOP, description="So many users, features, sessions, …")


class SpentOn(BaseModel):
    """Some calls, and what those of them cost of which that is known."""

    calls: int
    calls_with_cost: int
    cost: Usd
    cost_nano_usd: NanoUsd


class TimeSlot(BaseModel):
    """An hour or a weekday, as often as it came."""

    weekday: int | None = Field(description="0 is Monday; null: all of them.")
    hour: int | None = Field(description="By the zone's clock; null: all of the day.")
    times: int = Field(description="How often it came in the range so far.")
    calls: int
    calls_a_time: float | None
    tokens: int
    cost: Usd | None
    cost_nano_usd: NanoUsd | None


class Top(BaseModel):
    """Who has spent the most. An empty name: calls without one."""

    name: str
    calls: int
    failed_calls: int
    cost: Usd | None
    cost_nano_usd: NanoUsd | None
    share: float | None = Field(description="Of all spend that is known.")


class TopSession(SpentOn):
    """A session, counted on the days on which it was among the hundred dearest."""

    session: str


class TailOf(BaseModel):
    """The dearest calls."""

    part: float = Field(description="Of all calls whose cost is known.", examples=[0.01])
    calls: int
    of: int
    least_cost: Usd | None = Field(description="About what the cheapest of them cost.")
    cost: Usd
    cost_nano_usd: NanoUsd
    share: float | None = Field(description="Of all spend that is known.")


class UnreadOf(BaseModel):
    """Tokens that were written to a cache, and that nobody has read."""

    writes: int
    tokens: int
    cost: Usd = Field(description="What writing them has cost.")
    cost_nano_usd: NanoUsd
    extra_cost: Usd = Field(description="How much of it plain input would not have cost: what can be saved.")
    extra_cost_nano_usd: NanoUsd


class CachePattern(BaseModel):
    """How prompt caches were used."""

    hit_ratio: float | None = Field(description="Of all input tokens, those that were read from a cache.")
    input_tokens: int
    read_tokens: int
    written_tokens: int
    writes: int = Field(description="Calls that have written.")
    priced_writes: int = Field(description="Those of which it is known what the writing has cost.")
    write_cost: Usd
    write_cost_nano_usd: NanoUsd
    waiting_writes: int = Field(description="They may be read still, and are not judged.")
    unjudged_writes: int = Field(description="Too many at once for that.")
    saved: Usd | None = Field(
        description="How much dearer the weighed calls would have been without a cache; less than 0: they were dearer"
        " with it. Null: nothing is known of it."
    )
    saved_nano_usd: NanoUsd | None
    weighed_calls: int = Field(description="Readers and writers that had plain input too, whose price says it.")
    unread_at_least: UnreadOf = Field(description="Not read by any call of the same feature while it lived.")
    unread_at_most: UnreadOf = Field(description="Not read by a call of the same session, either.")


class Wasted(BaseModel):
    """What was paid for to little purpose."""

    retries: SpentOn = Field(description="Attempts beyond the first.")
    failed: SpentOn = Field(description="Calls that have failed.")
    billed_failures: SpentOn = Field(description="Those of them that have cost something.")
    truncated: SpentOn = Field(description="Answers that were cut at their longest.")
    finish_known: int = Field(description="Answered calls of which it is known why they ended.")
    large_input: SpentOn = Field(description=f"Answered calls with {LARGE_INPUT:,} tokens of input, or more.")
    tiny_output: SpentOn = Field(
        description=f"Those of them with less than 1/{TINY_SHARE} of that as output: was all of the input needed?"
    )
    tiny_output_input_tokens: int
    long_context: SpentOn = Field(description="Calls whose input was so long that a dearer price held.")
    long_context_surcharge: SpentOn = Field(description="By how much these were dearer than by the price of others.")


class Patterns(BaseModel):
    """When and who: up to now, in the zone asked for. `spread`, `cache` and `wasted`: as of `evaluated_at`."""

    window: Window
    zone: str
    start: datetime
    end: datetime
    peaks: list[TimeSlot] = Field(description="Hours of weekdays, the busiest first.")
    peak_hours: list[TimeSlot] = Field(description="Hours of the day, the busiest first.")
    hours: list[TimeSlot] = Field(description="All 24.")
    weekdays: list[TimeSlot] = Field(description="All 7; `times` are days.")
    heat_map: list[TimeSlot] = Field(description="All 168 hours of the week, from Monday 0:00 on.")
    top: dict[Dimension, list[Top]]
    evaluated_at: datetime | None = Field(description="Null: not yet. Evaluated every five minutes, by days of UTC.")
    evaluated_start: datetime | None
    evaluated_end: datetime | None
    total: SpentOn | None
    heavy_tail: TailOf | None
    top_sessions: list[TopSession]
    cache: CachePattern | None
    wasted: Wasted | None


@router.get("/patterns", response_model=Patterns, summary="When, who, and what in vain")
def patterns(given: Given, params: Annotated[PatternParams, Query()]) -> Answer:
    """Peak hours, weekdays, the most spending users and features; heavy tail, caches, retries, cut answers."""
    when = read_range(None, None, DAYS[params.window], params.zone, given.now())
    end = given.now_nanoseconds()
    found = _profile(given, when, end)
    evaluation = latest(given.insight.evaluations)
    of = windows_of(evaluation)[params.window] if evaluation is not None else None
    return Answer(
        Patterns(
            window=params.window,
            zone=when.zone.key,
            start=when.start,
            end=moment(end),
            peaks=_slots(found.peaks[:PEAKS]),
            peak_hours=_slots(found.peak_hours[:PEAKS]),
            hours=_slots(found.hours),
            weekdays=_slots(found.weekdays),
            heat_map=_slots(found.cells),
            top={name: _top(given, when, name, params.top) for name in TOPS},
            evaluated_at=moment(evaluation.at) if evaluation is not None else None,
            evaluated_start=moment(of.start) if of is not None else None,
            evaluated_end=moment(of.end) if of is not None else None,
            total=_spent(of.all) if of is not None else None,
            heavy_tail=_tail(of) if of is not None else None,
            top_sessions=[
                TopSession(session=name, **dict(_spent(spent)))
                for name, spent in (of.sessions[: params.top] if of is not None else ())
            ],
            cache=_cache(given, of) if of is not None else None,
            wasted=_wasted(of) if of is not None else None,
        )
    )


class CacheParams(BaseModel):
    """Over which time."""

    window: Window = Field(default="7d", description="Today and the 6 or 29 days before it, by UTC.")


class Caches(BaseModel):
    """How prompt caches were used in a window, as of `evaluated_at`; null: not evaluated yet."""

    window: Window
    evaluated_at: datetime | None
    cache: CachePattern | None


@router.get("/patterns/cache", response_model=Caches, summary="What prompt caches have saved")
def prompt_caches(given: Given, params: Annotated[CacheParams, Query()]) -> Answer:
    """How much of the input came from a cache, what that has saved, and what was written to it in vain."""
    evaluation = latest(given.insight.evaluations)
    at = moment(evaluation.at) if evaluation is not None else None
    cache = _cache(given, windows_of(evaluation)[params.window]) if evaluation is not None else None
    return Answer(Caches(window=params.window, evaluated_at=at, cache=cache))


def _profile(given: Services, when: Range, end: int) -> Profile:
    rows = given.ledger.usage(UsageQuery(when.start_ns, end, interval="hour", zone=when.zone.key))
    uses = {row.bucket: _use(row.totals) for row in rows if row.bucket is not None}
    return profile(when.start_ns, end, when.zone.key, uses)


def _use(sums: Totals) -> Use:
    return Use(sums.calls, sums.input_tokens + sums.output_tokens, sums.nano_usd, sums.costed)


def _slots(slots: Iterable[Slot]) -> list[TimeSlot]:
    return [
        TimeSlot(
            weekday=slot.weekday,
            hour=slot.hour,
            times=slot.times,
            calls=slot.use.calls,
            calls_a_time=slot.calls_a_time,
            tokens=slot.use.tokens,
            cost=usd(slot.use.nano_usd) if slot.use.costed or slot.use == NONE else None,
            cost_nano_usd=slot.use.nano_usd if slot.use.costed or slot.use == NONE else None,
        )
        for slot in slots
    ]


def _top(given: Services, when: Range, name: Dimension, most: int) -> list[Top]:
    rows = given.ledger.usage(UsageQuery(when.start_ns, when.end_ns, (name,)))
    total = add(row.totals for row in rows).nano_usd
    rows.sort(key=lambda row: (-row.totals.nano_usd, -row.totals.calls, row.group))
    found = []
    for row in rows[:most]:
        cost = nano_usd(row.totals)
        found.append(
            Top(
                name=row.group[0],
                calls=row.totals.calls,
                failed_calls=row.totals.failed,
                cost=None if cost is None else usd(cost),
                cost_nano_usd=cost,
                share=row.totals.nano_usd / total if total else None,
            )
        )
    return found


def _spent(spent: Spent) -> SpentOn:
    return SpentOn(
        calls=spent.calls, calls_with_cost=spent.costed, cost=usd(spent.nano_usd), cost_nano_usd=spent.nano_usd
    )  # fmt: skip


def _tail(of: Found) -> TailOf:
    tail = of.tail
    return TailOf(
        part=DEAREST_SHARE,
        calls=tail.calls,
        of=tail.of,
        least_cost=None if tail.least_nano_usd is None else usd(tail.least_nano_usd),
        cost=usd(tail.nano_usd),
        cost_nano_usd=tail.nano_usd,
        share=tail.share,
    )


def _cache(given: Services, of: Found) -> CachePattern:
    sums = add(row.totals for row in given.ledger.usage(UsageQuery(of.start, of.end)))
    judged: Judged = of.cache
    return CachePattern(
        hit_ratio=sums.cache_read_tokens / sums.input_tokens if sums.input_tokens else None,
        input_tokens=sums.input_tokens,
        read_tokens=sums.cache_read_tokens,
        written_tokens=sums.cache_write_tokens,
        writes=judged.use.writes,
        priced_writes=judged.use.priced,
        write_cost=usd(judged.use.nano_usd),
        write_cost_nano_usd=judged.use.nano_usd,
        waiting_writes=judged.use.waiting,
        unjudged_writes=judged.use.not_judged,
        saved=usd(judged.use.saved_nano_usd) if judged.use.weighed else None,
        saved_nano_usd=judged.use.saved_nano_usd if judged.use.weighed else None,
        weighed_calls=judged.use.weighed,
        unread_at_least=_unread(judged.least),
        unread_at_most=_unread(judged.most),
    )


def _unread(unread: Unread) -> UnreadOf:
    return UnreadOf(
        writes=unread.writes,
        tokens=unread.tokens,
        cost=usd(unread.nano_usd),
        cost_nano_usd=unread.nano_usd,
        extra_cost=usd(unread.extra_nano_usd),
        extra_cost_nano_usd=unread.extra_nano_usd,
    )


def _wasted(of: Found) -> Wasted:
    return Wasted(
        retries=_spent(of.retried),
        failed=_spent(of.failed),
        billed_failures=_spent(of.billed_failures),
        truncated=_spent(of.truncated),
        finish_known=of.told_why,
        large_input=_spent(of.large),
        tiny_output=_spent(of.idle),
        tiny_output_input_tokens=of.idle_input_tokens,
        long_context=_spent(of.long_context),
        long_context_surcharge=_spent(of.surcharge),
    )
