"""The mean of a day, of all days or of each weekday: what wins where nothing changes and much is chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Ahead, Method

ALIKE: Final = 2.0
"""Of a weekday's mean, the mean of all days is worth so many weeks."""


def _of_weekdays(weeks: int) -> Callable[[Days, Sequence[int], int], list[Ahead]]:
    def ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
        found = []
        for origin in origins:
            lately = days.tamed[max(origin - 7 * weeks, origin % 7) : origin]
            number = len(lately) // 7
            of_all = ALIKE * sum(lately) / len(lately)
            week = [(sum(lately[weekday::7]) + of_all) / (number + ALIKE) for weekday in range(7)]
            found.append((week * (length // 7 + 1))[:length])
        return found

    return ahead


def _of_all(weeks: int, *, with_outliers: bool = False) -> Callable[[Days, Sequence[int], int], list[Ahead]]:
    def ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
        sums = [0.0, *accumulate(days.amounts if with_outliers else days.tamed)]
        found = []
        for origin in origins:
            since = max(origin - 7 * weeks, origin % 7)
            found.append([(sums[origin] - sums[since]) / (origin - since)] * length)
        return found

    return ahead


METHODS = (
    Method("weekday mean, 4 weeks", 14, _of_weekdays(4)),
    Method("weekday mean, 16 weeks", 63, _of_weekdays(16)),
    Method("mean, 12 weeks", 42, _of_all(12)),
    Method("mean, 12 weeks, outliers included", 42, _of_all(12, with_outliers=True)),
)
