"""Periods of calendar windows: they follow on each other without a gap, whatever the clocks on the wall do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.model.limit import UNITS, Unit, Window
from tollkeeper.policy.period import period_of

SECOND = 1_000_000_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
moments = st.integers(0, 4_000_000_000).map(lambda seconds: seconds * SECOND + 123)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@given(moments, st.sampled_from(UNITS), st.sampled_from(ZONES))
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(now: int, unit: Unit, zone: str) -> None:
    window = Window(unit, zone)
    start, end = period_of(window, now)
    assert start <= now < end
    assert period_of(window, start) == period_of(window, end - 1) == (start, end)
    assert period_of(window, end)[0] == end


@pytest.mark.parametrize(
    ("unit", "zone", "now", "start", "end"),
    [
        ("month", "UTC", "2026-01-31T23:59:59", "2026-01-01", "2026-02-01"),
        ("month", "UTC", "2028-02-29T12:00", "2028-02-01", "2028-03-01"),
        ("month", "Europe/Berlin", "2026-03-31T23:30", "2026-03-01", "2026-04-01"),
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29", "2026-03-30"),
        ("day", "America/New_York", "2026-11-01T12:00", "2026-11-01", "2026-11-02"),
        ("week", "America/New_York", "2026-11-01T23:59", "2026-10-26", "2026-11-02"),
        ("hour", "Asia/Kolkata", "2026-05-05T10:45", "2026-05-05T10:00", "2026-05-05T11:00"),
        ("minute", "Asia/Kathmandu", "2026-05-05T10:45:59", "2026-05-05T10:45", "2026-05-05T10:46"),
    ],
)
def test_periods_are_those_of_the_zones_calendar(unit: Unit, zone: str, now: str, start: str, end: str) -> None:
    assert period_of(Window(unit, zone), at(now, zone)) == (at(start, zone), at(end, zone))


def test_a_day_on_which_clocks_change_has_an_hour_less_or_more() -> None:
    hours = [
        (end - start) // (3600 * SECOND)
        for day in ("2026-03-28", "2026-03-29", "2026-10-25")
        for start, end in [period_of(Window("day", "Europe/Berlin"), at(f"{day}T12:00", "Europe/Berlin"))]
    ]
    assert hours == [24, 23, 25]


def test_where_clocks_go_back_the_hour_that_comes_twice_is_two_hours() -> None:
    window = Window("hour", "Europe/Berlin")
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * SECOND
    assert period_of(window, first)[1] == period_of(window, first + 3600 * SECOND)[0]
