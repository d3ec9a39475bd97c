"""The month of an id: a UUIDv7 begins with the milliseconds since the epoch.

It follows from the id alone, so a key that begins with it is as unique as the id, and PostgreSQL can partition by it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

FIRST, LAST = 1_577_836_800_000, 4_102_444_800_000
"""2020 to 2100, in milliseconds: a clock that is further off shall not make partitions."""

OTHERS = 0
"""The month of ids that have none."""


def month_of(id: str) -> int:
    """Year and month of UTC, as in 202511; `OTHERS` for an id that is no UUIDv7."""
    if len(id) != 36 or id[14] != "7" or id[8] != "-":
        return OTHERS
    return _of_prefix(id[:8]) or _of_milliseconds(id[:8] + id[9:13])


@lru_cache(maxsize=4096)
def _of_prefix(prefix: str) -> int | None:
    """The month of all ids that begin so, which is a minute of them; `None` where they are of two."""
    first, last = _of_milliseconds(prefix + "0000"), _of_milliseconds(prefix + "ffff")
    return first if first == last else None


def _of_milliseconds(digits: str) -> int:
    try:
        milliseconds = int(digits, 16)
    except ValueError:
        return OTHERS
    return month_at(milliseconds * 1_000_000) if FIRST <= milliseconds < LAST else OTHERS


def month_at(moment: int) -> int:
    """The month of a moment in nanoseconds."""
    date = datetime.fromtimestamp(moment // 1_000_000_000, UTC)
    return date.year * 100 + date.month


def next_month(month: int) -> int:
    """The month after."""
    return month + 1 if month % 100 < 12 else month + 89
