"""The month of an id: a UUIDv7 begins with the milliseconds since the epoch.

It follows from the id alone, so a key that begins with it is as unique as the id, and PostgreSQL can partition by it.
"""

from __future__ import annotations

from datetime import UTC, datetime

FIRST, LAST = 1_577_836_800_000, 4_102_444_800_000
"""2020 to 2100, in milliseconds: a clock that is further off shall not make partitions."""

OTHERS = 0
"""The month of ids that have none."""

_MILLISECONDS_A_DAY = 86_400_000
_of_day: dict[int, int] = {}


def month_of(id: str) -> int:
    """Year and month of UTC, as in 202511; `OTHERS` for an id that is no UUIDv7."""
    if len(id) != 36 or id[14] != "7" or id[8] != "-":
        return OTHERS
    try:
        milliseconds = int(id[:8] + id[9:13], 16)
    except ValueError:
        return OTHERS
    if not FIRST <= milliseconds < LAST:
        return OTHERS
    day = milliseconds // _MILLISECONDS_A_DAY
    month = _of_day.get(day)
    if month is None:
        moment = datetime.fromtimestamp(day * 86_400, UTC)
        month = _of_day[day] = moment.year * 100 + moment.month
    return month


def month_at(moment: int) -> int:
    """The month of a moment in nanoseconds."""
    date = datetime.fromtimestamp(moment // 1_000_000_000, UTC)
    return date.year * 100 + date.month


def next_month(month: int) -> int:
    """The month after."""
    return month + 1 if month % 100 < 12 else month + 89
