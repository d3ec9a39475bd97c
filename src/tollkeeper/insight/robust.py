"""Statistics that a few wild values do not move: median, spread by the median of deviations, quantiles.

Of nothing there is no statistic: `None`. What is not finite must have been left out before.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

NORMAL: Final = 1.4826
"""What makes the median of absolute deviations a standard deviation where values are normal: 1 / 0.6745."""


def median(values: Iterable[float]) -> float | None:
    """The middle one, or the mean of the two in the middle."""
    return median_of_sorted(sorted(values))


def median_of_sorted(ordered: Sequence[float]) -> float | None:
    """The median of what is in order already."""
    length = len(ordered)
    if not length:
        return None
    middle = length // 2
    if length % 2:
        return ordered[middle]
    return ordered[middle - 1] + (ordered[middle] - ordered[middle - 1]) / 2


def deviation(values: Sequence[float], centre: float | None = None) -> float | None:
    """The median of absolute deviations from the centre, by default the median."""
    middle = median(values) if centre is None else centre
    return None if middle is None else median(abs(value - middle) for value in values)


def spread(values: Sequence[float], centre: float | None = None) -> float | None:
    """A standard deviation that half of the values may spoil: the median of deviations, times `NORMAL`."""
    found = deviation(values, centre)
    return None if found is None else NORMAL * found


def quantile(values: Iterable[float], share: float) -> float | None:
    """The value that so great a share of one is below; between two of them, a straight line (type 7 of Hyndman & Fan).

    Raises `ValueError` for a share that is not from 0 to 1.
    """
    return quantile_of_sorted(sorted(values), share)


def quantile_of_sorted(ordered: Sequence[float], share: float) -> float | None:
    """The quantile of what is in order already."""
    if not 0 <= share <= 1:
        raise ValueError(f"a quantile of {share!r}; expected a share from 0 to 1")
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Recent:
    """The last so many values, in the order they came and in the order of their size: a median at once.

    Adding one costs a search by halves, and not a sort.
    """

    __slots__ = ("_came", "_most", "_ordered")

    def __init__(self, most: int, values: Iterable[float] = ()) -> None:
        if most < 1:
            raise ValueError(f"the last {most} values; expected at least 1")
        self._most = most
        self._came: deque[float] = deque()
        self._ordered: list[float] = []
        for value in values:
            self.add(value)

    def __len__(self) -> int:
        return len(self._came)

    @property
    def came(self) -> Sequence[float]:
        """The values, the oldest first."""
        return self._came

    @property
    def ordered(self) -> Sequence[float]:
        """The values, the smallest first."""
        return self._ordered

    def add(self, value: float) -> None:
        """Takes a value in, and lets the oldest go where there are too many."""
        self._came.append(value)
        insort(self._ordered, value)
        if len(self._came) > self._most:
            del self._ordered[bisect_left(self._ordered, self._came.popleft())]

    def clear(self) -> None:
        """Forgets them all."""
        self._came.clear()
        self._ordered.clear()

    def median(self) -> float | None:
        """The middle one."""
        return median_of_sorted(self._ordered)

    def quantile(self, share: float) -> float | None:
        """As `quantile` of all of them."""
        return quantile_of_sorted(self._ordered, share)
