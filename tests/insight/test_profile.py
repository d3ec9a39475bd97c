"""Hours and weekdays by the clock of a zone, daylight saving and all."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.insight.profile import Use, profile
from tollkeeper.insight.series import calendar

HOUR = 3_600_000_000_000


def at(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


def test_an_hour_is_counted_as_often_as_it_came() -> None:
    """A week in which clocks go forward at 2 on Sunday: that hour does not come."""
    start, end = at("2026-03-23"), at("2026-03-30")
    found = profile(start, end, "Europe/Berlin", {at("2026-03-29T03:00"): Use(8, 100, 5, 8)})
    times = {(cell.weekday, cell.hour): cell.times for cell in found.cells}
    assert times[6, 2] == 0 and times[6, 3] == times[0, 2] == 1
    assert sum(times.values()) == 7 * 24 - 1
    assert [slot.times for slot in found.weekdays] == [1] * 7
    (peak,) = found.peaks
    assert (peak.weekday, peak.hour, peak.use, peak.calls_a_time) == (6, 3, Use(8, 100, 5, 8), 8)


def test_an_hour_that_comes_twice_has_the_calls_of_both() -> None:
    start = at("2026-10-25")
    found = profile(start, start + 25 * HOUR, "Europe/Berlin", {start + 2 * HOUR: Use(1), start + 3 * HOUR: Use(2)})
    (slot,) = [hour for hour in found.hours if hour.hour == 2]
    assert (slot.times, slot.use.calls, slot.calls_a_time) == (2, 3, 1.5)


def test_peaks_are_by_the_hour_and_not_by_how_often_it_came() -> None:
    """Two Mondays with 3 calls each at 9 are less than one Tuesday with 4."""
    monday = at("2026-06-01T09:00", "UTC")
    uses = {monday: Use(3), monday + 168 * HOUR: Use(3), monday + 24 * HOUR: Use(4)}
    found = profile(at("2026-06-01", "UTC"), monday + 169 * HOUR, "UTC", uses)
    assert [(slot.weekday, slot.use.calls) for slot in found.peaks] == [(1, 4), (0, 6)]
    assert [slot.hour for slot in found.peak_hours] == [9]


ZONES = st.sampled_from(("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"))


@settings(max_examples=40)
@given(ZONES, st.integers(480_000, 495_000), st.integers(1, 400), st.data())
def test_nothing_is_lost(zone: str, first: int, length: int, data: st.DataObject) -> None:
    start, end = first * HOUR, (first + length) * HOUR
    hours = _starts(start, end, zone)
    uses = {each: Use(data.draw(st.integers(0, 9)), 1, 2, 1) for each in hours[:20]}
    found = profile(start, end, zone, uses)
    for slots in (found.cells, found.hours, found.weekdays):
        assert sum(slot.use.calls for slot in slots) == sum(use.calls for use in uses.values())
        assert sum(slot.use.nano_usd for slot in slots) == 2 * len(uses)
    assert sum(cell.times for cell in found.cells) == sum(hour.times for hour in found.hours) == len(hours)


def _starts(start: int, end: int, zone: str) -> tuple[int, ...]:

    return calendar(start, end, "hour", zone).starts
