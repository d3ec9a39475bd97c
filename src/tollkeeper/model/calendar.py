"""Hours, days, weeks and months of a time zone, as spans of nanoseconds; pure arithmetic.

A day begins at the first moment that has its date, whatever daylight saving does to it. An hour begins when the clock
shows a full hour, or skips one: where clocks go back by an hour, the same hour comes twice, and is two intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Interval = Literal["hour", "day", "week", "month"]

NS_A_SECOND = 1_000_000_000
MOST_INTERVALS = 50_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooManyIntervals(ValueError):
    """A range that is too long for its intervals."""


class Span(NamedTuple):
    """From `start` (included) to `end` (not included) in nanoseconds, and the start of the interval it belongs to."""

    bucket: int | None
    start: int
    end: int


def intervals(start: int, end: int, interval: Interval, zone: str) -> list[Span]:
    """The intervals that have a part in the range, in order; the first and the last are cut to the range.

    `bucket` is where an interval truly begins. Raises `ValueError` for an unknown zone, and
    `TooManyIntervals`.
    """
    spans: list[Span] = []
    if start >= end:
        return spans
    starts = _starts(start, interval, zone_named(zone))
    bucket = next(starts)
    for following in starts:
        if following > start:
            spans.append(Span(bucket, max(bucket, start), min(following, end)))
        if following >= end:
            return spans
        if len(spans) > MOST_INTERVALS:
            raise TooManyIntervals(f"the range has more than {MOST_INTERVALS:,} intervals of one {interval}")
        bucket = following
    return spans


def interval_at(moment: int, interval: Interval, zone: str) -> tuple[int, int]:
    """Where the interval that a moment is in begins, and where the next one does."""
    starts = _starts(moment, interval, zone_named(zone))
    begins = next(starts)
    for following in starts:
        if following > moment:
            return begins, following
        begins = following
    raise AssertionError("intervals do not end")


def zone_named(name: str) -> ZoneInfo | timezone:
    """The time zone. Raises `ValueError` where there is none of that name."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; expected a name such as Europe/Berlin") from None


def _starts(moment: int, interval: Interval, zone: ZoneInfo | timezone) -> Iterator[int]:
    """Where intervals begin: the last such moment before the one given, or one before that, and those that follow."""
    local = datetime.fromtimestamp(moment // NS_A_SECOND, zone)
    if interval == "hour":
        yield from _hours(local.replace(tzinfo=None), zone)
        return
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval == "month":
        day = day.replace(day=1)
    last = None
    while True:
        begins = _first(datetime(day.year, day.month, day.day), zone)
        # A date that a zone has left out (Samoa, 30 December 2011) begins when the next one does.
        if begins != last:
            yield begins
        last, day = begins, _next(day, interval)


def _next(day: date, interval: Interval) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def _hours(local: datetime, zone: ZoneInfo | timezone) -> Iterator[int]:
    hour = local.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    last = None
    while True:
        for fold in (0, 1):
            begins = _moment(hour.replace(fold=1), zone) if fold else _first(hour, zone)
            if (last is None or begins > last) and (fold == 0 or _shown(begins, zone) == hour):
                yield begins
                last = begins
        hour += timedelta(hours=1)


def _first(local: datetime, zone: ZoneInfo | timezone) -> int:
    """The first moment at which the clock shows a time, or has skipped it."""
    found = _moment(local, zone)
    if _shown(found, zone) == local:
        return found
    # Not always at a full hour: in Newfoundland, 00:01 was followed by 01:01.
    before, after = _moment(local.replace(fold=1), zone) // NS_A_SECOND, found // NS_A_SECOND
    while after - before > 1:
        middle = (before + after) // 2
        if _shown(middle * NS_A_SECOND, zone) < local:
            before = middle
        else:
            after = middle
    return after * NS_A_SECOND


def _shown(moment: int, zone: ZoneInfo | timezone) -> datetime:
    return datetime.fromtimestamp(moment // NS_A_SECOND, zone).replace(tzinfo=None, fold=0)


def _moment(local: datetime, zone: ZoneInfo | timezone) -> int:
    since = local.replace(tzinfo=zone).astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_A_SECOND
