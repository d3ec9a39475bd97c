"""What the ledger has: sums by hour of UTC, so that days can begin wherever a provider's do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

HOURS_A_DAY = 24
_EPOCH = date(1970, 1, 1).toordinal()


class Sums(NamedTuple):
    """Of the calls that succeeded; `input` is what no cache had. `unpriced` and `unmeasured` are in no sum."""

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    nano_usd: int = 0
    unpriced: int = 0
    unmeasured: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input + self.cache_read + self.cache_write + self.output

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))


NONE = Sums()

Model = tuple[str, str]
"""Provider and model."""
Hours = Mapping[int, Sums]
"""By hours since the epoch."""


def hour_of(day: date) -> int:
    """The hour, counted from the epoch, in which a day of UTC begins."""
    return (day.toordinal() - _EPOCH) * HOURS_A_DAY


def day_sums(hours: Hours, day: date, offset: int = 0) -> Sums:
    """Of a day that begins so many hours later than that of UTC (8: midnight in Los Angeles, in winter)."""
    first = hour_of(day) + offset
    total = NONE
    for hour in range(first, first + HOURS_A_DAY):
        if (sums := hours.get(hour)) is not None:
            total = total.plus(sums)
    return total
