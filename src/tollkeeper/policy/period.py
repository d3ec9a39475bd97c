"""Where the period of a calendar window begins, and where it ends."""

from __future__ import annotations

from tollkeeper.model.calendar import interval_at
from tollkeeper.model.limit import Unit, Window

NS_A_SECOND = 1_000_000_000

LENGTHS: dict[Unit, int] = {
    "second": NS_A_SECOND,
    "minute": 60 * NS_A_SECOND,
    "hour": 3_600 * NS_A_SECOND,
    "day": 86_400 * NS_A_SECOND,
    "week": 7 * 86_400 * NS_A_SECOND,
    "month": 30 * 86_400 * NS_A_SECOND,
}
"""In nanoseconds: exact for rolling windows, of which a month has thirty days; calendars have their own ends."""


def period_of(window: Window, now: int) -> tuple[int, int]:
    """The first moment of the period that `now` is in, and of the next one, in nanoseconds since the epoch."""
    unit = window.unit
    if unit == "second" or unit == "minute":
        # No time zone in use differs from UTC by part of a minute.
        length = LENGTHS[unit]
        start = now - now % length
        return start, start + length
    return interval_at(now, unit, window.zone)
