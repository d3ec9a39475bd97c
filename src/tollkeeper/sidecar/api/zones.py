"""Ranges of time as people say them: days of a time zone's calendar, or moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.sidecar.api.problems import wrong

IN_UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)
DEFAULT_DAYS = 30
MOST_DAYS = 3660
EARLIEST, LATEST = date(1970, 1, 2), date(2200, 1, 1)
"""What fits into nanoseconds of 64 bits, whatever the zone."""

A_MOMENT = "a day such as 2026-01-31, or a moment such as 2026-01-31T08:00:00Z"


class Range(NamedTuple):
    """From `start` (included) to `end` (not included), both in the zone that they were asked for in."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def start_ns(self) -> int:
        return nanoseconds(self.start)

    @property
    def end_ns(self) -> int:
        return nanoseconds(self.end)

    def days(self, until: datetime) -> Iterator[date]:
        """The days of the calendar that the range touches, up to the one that `until` is in."""
        last = min(_last_day(self.end), until.astimezone(self.zone).date())
        day = self.start.date()
        while day <= last:
            yield day
            day += DAY


def read_range(start: str | None, end: str | None, days: int | None, zone: str, now: datetime) -> Range:
    """The range that a request names. Raises `Refused`.

    A day as `end` is included whole. Without `start` it is the `days` days that end with `end`, which is today if it is
    not given either. `days` with `start` alone counts from there.
    """
    where = read_zone(zone)
    if start is not None and end is not None and days is not None:
        raise wrong("days", days, "only one or two of start, end and days")
    first = None if start is None else read_moment("start", start, where)
    if end is not None:
        last = read_moment("end", end, where, is_end=True)
    elif first is not None and days is not None:
        last = midnight(first.date() + days * DAY, where)
    else:
        last = midnight(now.astimezone(where).date() + DAY, where)
    if first is None:
        first = midnight(_last_day(last) - ((days or DEFAULT_DAYS) - 1) * DAY, where)
    if first.astimezone(UTC) >= last.astimezone(UTC):
        raise wrong("start", first.isoformat(), f"a moment before the end, {last.isoformat()}")
    return Range(first, last, where)


def read_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `Refused`."""
    known = _zones()
    found = known.get(name.lower())
    if found is None:
        near = get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {known[near[0]]}?" if near else ""
        raise wrong("zone", name, f"an IANA time zone such as UTC or Europe/Berlin{hint}")
    return ZoneInfo(found)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day. Where the clock is put forward at midnight, the day begins later."""
    naive = datetime.combine(day, time(), zone)
    # By way of UTC, a time that no clock shows becomes the one that it shows instead.
    return naive.astimezone(UTC).astimezone(zone)


def _last_day(end: datetime) -> date:
    """The day before a moment that is not included. Clocks may skip, so it is subtracted in UTC."""
    return (end.astimezone(UTC) - timedelta(microseconds=1)).astimezone(end.tzinfo).date()


def read_moment(field: str, text: str, zone: ZoneInfo, is_end: bool = False) -> datetime:
    """A day, of which it is the first moment (as `is_end`: the first of the next), or a moment. Raises `Refused`."""
    try:
        if len(text) <= len("2026-01-31"):
            day = date.fromisoformat(text)
            found = midnight(day + DAY if is_end else day, zone)
        else:
            # `+` of an offset is a space in a query that was not encoded.
            at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            found = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).astimezone(zone)
    except (ValueError, OverflowError):
        raise wrong(field, text, A_MOMENT) from None
    if not EARLIEST <= found.date() <= LATEST:
        raise wrong(field, text, f"a year from {EARLIEST.year} to {LATEST.year - 1}")
    return found


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones())}
