"""The median of the same weekday in the last four weeks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Ahead, Method

WEEKS: Final = 4


def _ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
    found = []
    for origin in origins:
        lately = days.tamed[max(origin - 7 * WEEKS, origin % 7) : origin]
        week = [median(lately[weekday::7]) for weekday in range(7)]
        found.append((week * (length // 7 + 1))[:length])
    return found


METHODS = (Method("weekday median, 4 weeks", 14, _ahead),)
