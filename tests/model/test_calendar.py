"""Intervals of a time zone's calendar: they follow on each other, and begin where the clock on the wall says."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.model.calendar import MOST_INTERVALS, Interval, Span, intervals

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

HARD = (
    "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo",
    "Asia/Beirut", "America/Havana", "Antarctica/Troll", "Pacific/Chatham", "Africa/Monrovia", "Europe/Dublin",
    "Pacific/Kwajalein", "Asia/Gaza", "UTC",
)  # fmt: skip
zones = st.sampled_from(HARD) | st.sampled_from(sorted(available_timezones() - {"localtime"}))
moments = st.integers(0, 4_000_000_000).map(lambda seconds: seconds * SECOND)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def shown(moment: int, zone: str) -> datetime:
    return datetime.fromtimestamp(moment // SECOND, UTC).astimezone(ZoneInfo(zone))


def label(moment: int, zone: str, interval: Interval) -> tuple[int, ...]:
    """What a calendar on the wall calls the interval of a moment."""
    local = shown(moment, zone)
    return {
        "hour": (local.year, local.month, local.day, local.hour),
        "day": (local.year, local.month, local.day),
        "week": tuple(local.isocalendar()[:2]),
        "month": (local.year, local.month),
    }[interval]


@given(start=moments, days=st.integers(1, 400), zone=zones, interval=st.sampled_from(["day", "week", "month"]))
@settings(max_examples=300)
def test_days_and_longer(start: int, days: int, zone: str, interval: Interval) -> None:
    """Two moments are in one interval if, and only if, a calendar gives both the same name."""
    end = start + days * DAY
    spans = intervals(start, end, interval, zone)
    assert (spans[0].start, spans[-1].end) == (start, end)
    assert all(one.end == other.start for one, other in pairwise(spans))
    assert all(one.start < one.end for one in spans)
    names = [label(one.start, zone, interval) for one in spans]
    assert names == [label(one.end - SECOND, zone, interval) for one in spans]
    assert len(set(names)) == len(names)
    assert all(one.bucket == one.start for one in spans[1:])
    assert label(spans[0].bucket or 0, zone, interval) == names[0]


@given(start=moments, hours=st.integers(1, 60), zone=zones)
@settings(max_examples=150)
def test_hours(start: int, hours: int, zone: str) -> None:
    """A new one begins whenever the clock shows another hour, or a full one."""
    start -= start % MINUTE
    end = start + hours * HOUR
    begins = [start]
    step = 30 * SECOND  # no zone has changed its clock at a finer moment since 1970
    for moment in range(start + step, end, step):
        now, before = shown(moment, zone), shown(moment - step, zone)
        if (now.date(), now.hour) != (before.date(), before.hour) or now.minute == now.second == 0:
            begins.append(moment)
    found = [span.start for span in intervals(start, end, "hour", zone)]
    assert found == begins


def test_a_day_of_25_hours() -> None:
    (day,) = intervals(
        at("2025-11-02", "America/New_York"), at("2025-11-03", "America/New_York"), "day", "America/New_York"
    )
    assert day.end - day.start == 25 * HOUR
    assert len(intervals(day.start, day.end, "hour", "America/New_York")) == 25


def test_an_hour_that_was_skipped_at_one_minute_past() -> None:
    midnight = at("2005-04-03", "America/St_Johns")
    hours = intervals(midnight, midnight + 3 * HOUR, "hour", "America/St_Johns")
    assert [span.start - midnight for span in hours] == [0, MINUTE, HOUR, 2 * HOUR]


def test_the_day_that_samoa_left_out() -> None:
    spans = intervals(at("2011-12-29", "Pacific/Apia"), at("2012-01-01", "Pacific/Apia"), "day", "Pacific/Apia")
    assert [label(span.start, "Pacific/Apia", "day")[2] for span in spans] == [29, 31]


def test_weeks_begin_on_monday() -> None:
    spans = intervals(at("2025-11-05"), at("2025-11-20"), "week", "UTC")
    assert spans == [
        Span(at("2025-11-03"), at("2025-11-05"), at("2025-11-10")),
        Span(at("2025-11-10"), at("2025-11-10"), at("2025-11-17")),
        Span(at("2025-11-17"), at("2025-11-17"), at("2025-11-20")),
    ]


def test_nothing_in_an_empty_range() -> None:
    assert intervals(5, 5, "day", "UTC") == []
    assert intervals(6, 5, "day", "UTC") == []


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "\0", "x" * 300])
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        intervals(0, DAY, "day", zone)


def test_too_many_intervals() -> None:
    with pytest.raises(ValueError, match=f"{MOST_INTERVALS:,}"):
        intervals(0, 2**62, "hour", "UTC")
