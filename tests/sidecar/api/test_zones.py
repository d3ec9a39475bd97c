"""Ranges: days of a zone's calendar, whatever its clocks do, and months whatever their length."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollkeeper.sidecar.api.problems import Refused
from tollkeeper.sidecar.api.zones import DEFAULT_DAYS, midnight, read_range, read_zone

NOW = datetime(2026, 3, 31, 14, 30, tzinfo=UTC)
ODD = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Casablanca", "Asia/Beirut",
)  # fmt: skip
zones = st.sampled_from(ODD)
days = st.dates(date(1990, 1, 1), date(2060, 12, 31))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
microsecond = timedelta(microseconds=1)


def in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


@given(days, zones)
@example(date(2011, 12, 30), "Pacific/Apia")  # left out of the calendar
@example(date(2018, 11, 4), "America/Sao_Paulo")  # begins at 01:00
@example(date(2025, 11, 2), "America/Havana")  # 00:00 comes twice
def test_a_day_begins_at_its_first_moment(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    start = in_utc(midnight(day, zone))
    assert (start - microsecond).astimezone(zone).date() < day
    skipped = name == "Pacific/Apia" and day == date(2011, 12, 30)
    assert start.astimezone(zone).date() == day + skipped * timedelta(days=1)


@given(days, st.integers(0, 400), zones)
def test_neighbouring_ranges_leave_no_gap_and_do_not_overlap(day: date, length: int, name: str) -> None:
    last = day + timedelta(days=length)
    this = read_range(day.isoformat(), last.isoformat(), None, name, NOW)
    following = read_range((last + timedelta(days=1)).isoformat(), "2100-01-01", None, name, NOW)
    assert this.end_ns == following.start_ns
    assert this.start_ns < this.end_ns


@given(st.integers(1990, 2060), st.integers(1, 12), zones)
def test_a_month_by_its_days_is_the_month(year: int, month: int, name: str) -> None:
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    range = read_range(first.isoformat(), (following - timedelta(days=1)).isoformat(), None, name, NOW)
    assert range.start_ns == read_range(f"{first}T00:00:00", "2100-01-01", None, name, NOW).start_ns
    found = list(range.days(datetime(2100, 1, 1, tzinfo=UTC)))
    assert found[0] == first and found[-1] == following - timedelta(days=1)
    assert len(found) == (following - first).days


@given(moments, st.integers(1, 400), zones)
def test_so_many_days_end_with_today(now: datetime, count: int, name: str) -> None:
    range = read_range(None, None, count, name, now)
    zone = ZoneInfo(name)
    today = now.astimezone(zone).date()
    assert in_utc(range.start) <= now < in_utc(range.end)
    assert list(range.days(now))[-1] == today
    assert range.start == midnight(today - timedelta(days=count - 1), zone)


@given(days, st.integers(1, 60), zones)
def test_days_count_from_the_start_or_to_the_end(day: date, count: int, name: str) -> None:
    forward = read_range(day.isoformat(), None, count, name, NOW)
    last = day + timedelta(days=count - 1)
    assert forward == read_range(day.isoformat(), last.isoformat(), None, name, NOW)
    assert forward == read_range(None, last.isoformat(), count, name, NOW)


def test_days_of_daylight_saving_have_23_and_25_hours() -> None:
    lengths = {
        day: read_range(day, day, None, "Europe/Berlin", NOW) for day in ("2026-03-29", "2026-10-25", "2026-06-01")
    }
    hours = {day: (range.end_ns - range.start_ns) / 3.6e12 for day, range in lengths.items()}
    assert hours == {"2026-03-29": 23, "2026-10-25": 25, "2026-06-01": 24}


def test_without_anything_it_is_thirty_days() -> None:
    range = read_range(None, None, None, "UTC", NOW)
    assert (range.start, range.end) == (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert len(list(range.days(NOW))) == DEFAULT_DAYS


def test_moments_are_taken_as_they_are_and_their_end_is_not_included() -> None:
    range = read_range("2026-03-01T08:00:00Z", "2026-03-01T10:00:00+01:00", None, "Europe/Berlin", NOW)
    assert (range.end_ns - range.start_ns) == 3_600_000_000_000
    # A plus sign that was not encoded arrives as a space.
    assert read_range("2026-03-01T08:00:00Z", "2026-03-01T10:00:00 01:00", None, "Europe/Berlin", NOW) == range
    local = read_range("2026-03-01T09:00:00", "2026-03-01T10:00:00", None, "Europe/Berlin", NOW)
    assert local == range


def test_every_zone_is_known_in_whatever_case() -> None:
    for name in available_timezones():
        assert read_zone(name.lower()).key.lower() == name.lower()


@pytest.mark.parametrize(
    ("given_range", "field", "told"),
    [
        (("2026-03-32", None, None, "UTC"), "start", "a day such as"),
        (("soon", None, None, "UTC"), "start", "a day such as"),
        ((None, "0001-01-01", None, "UTC"), "end", "a year from 1970"),
        ((None, "9999-12-31", None, "Asia/Tokyo"), "end", "a day such as"),
        (("2026-03-02", "2026-03-01", None, "UTC"), "start", "before the end"),
        (("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", None, "UTC"), "start", "before the end"),
        (("2026-03-02", "2026-03-03", 2, "UTC"), "days", "only one or two"),
        ((None, None, None, "Europe/Berln"), "zone", "did you mean Europe/Berlin"),
        ((None, None, None, "../../etc/passwd"), "zone", "an IANA time zone"),
        ((None, None, None, "America"), "zone", "an IANA time zone"),
        ((None, None, None, ""), "zone", "an IANA time zone"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_told(
    given_range: tuple[str | None, str | None, int | None, str], field: str, told: str
) -> None:
    start, end, count, zone = given_range
    with pytest.raises(Refused) as refused:
        read_range(start, end, count, zone, NOW)
    assert refused.value.problem.field == field
    assert told in (refused.value.problem.expected or "")
