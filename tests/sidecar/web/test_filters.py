"""The filter bar is in the URL: what it says is read, kept in every link, and never silently wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from tollkeeper.sidecar.web.filters import DIMENSIONS, Filters, Period, read_filters

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


def read(query: str) -> Filters:
    return read_filters(QueryParams(query), NOW)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", date(2026, 3, 2), date(2026, 3, 31)),
        ("range=today", date(2026, 3, 31), date(2026, 3, 31)),
        ("range=7d", date(2026, 3, 25), date(2026, 3, 31)),
        ("range=month", date(2026, 3, 1), date(2026, 3, 31)),
        ("range=last-month", date(2026, 2, 1), date(2026, 2, 28)),
        ("range=today&zone=Europe/Berlin", date(2026, 4, 1), date(2026, 4, 1)),
        ("range=custom&start=2026-01-05&end=2026-01-03", date(2026, 1, 3), date(2026, 1, 5)),
        ("start=2026-01-03&end=2026-01-05", date(2026, 1, 3), date(2026, 1, 5)),
        ("range=7d&start=2026-01-03&end=2026-01-05", date(2026, 3, 25), date(2026, 3, 31)),
        ("range=custom", date(2026, 3, 2), date(2026, 3, 31)),
    ],
)
def test_ranges_are_days_of_the_zone(query: str, first: date, last: date) -> None:
    assert read(query).period == Period(first, last)


def test_the_period_before_is_as_long() -> None:
    filters = read("range=7d")
    assert filters.before == Period(date(2026, 3, 18), date(2026, 3, 24)) and filters.before.days == filters.period.days


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("zone=Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("range=custom&start=2026-01-05", "2026-01-31"),
        ("start=yesterday&end=today", "2026-01-31"),
        ("start=0001-01-01&end=2026-01-01", "ten years"),
    ],
)
def test_what_makes_no_sense_is_told(query: str, says: str) -> None:
    filters = read(query)
    assert says in " ".join(filters.mistakes) and filters.period.days == 30


def test_calls_without_a_value_can_be_asked_for() -> None:
    assert read("tenant=(none)&model=gpt-4o").scope == {"model": "gpt-4o", "tenant": ""}


@given(
    st.dictionaries(st.sampled_from(DIMENSIONS), st.text(min_size=1), max_size=4),
    st.sampled_from(["", "7d", "month"]),
    st.sampled_from(["UTC", "Asia/Kolkata"]),
    st.booleans(),
)
def test_a_link_says_what_the_page_says(wanted: dict[str, str], range_name: str, zone: str, compare: bool) -> None:
    query = QueryParams(
        {**wanted, "range": range_name, "zone": zone, "compare": "" if compare else "no", "by": "model"}
    )
    filters = read_filters(query, NOW)
    path, _, told = filters.link("/x").partition("?")
    again = read_filters(QueryParams(parse_qsl(told)), NOW)
    assert (path, again) == ("/x", filters)
    assert dict(parse_qsl(filters.elsewhere("/y").partition("?")[2])).keys() & {"by"} == set()


def test_a_link_changes_what_it_is_told_to() -> None:
    filters = read("tenant=acme&by=model&cursor=9")
    assert filters.link("/", tenant=None, by="user") == "/?by=user&cursor=9"
