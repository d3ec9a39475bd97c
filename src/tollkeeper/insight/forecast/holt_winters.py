"""Holt and Winters, in logarithms: a level, a trend that dies away, and weekdays, that follow each day a little.

After Gardner and McKenzie, "Forecasting trends in time series" (1985), as Hyndman and Athanasopoulos write it: ETS with
additive damped trend and additive season. As amounts, forecasts in logarithms would be medians, that add up to too
little; they are multiplied by what past ones fell short by (Duan, "Smearing estimate", 1983).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Ahead, Method

SEASON: Final = 0.15
SMEAR: Final = 0.03
MOST_SMEAR: Final = 4.0
LEAST: Final = 14


class _State(NamedTuple):
    level: float
    trend: float
    week: Sequence[float]
    """In logarithms, by the remainder of a day by seven."""
    smear: float


def _of(alpha: float, beta: float, damping: float) -> Callable[[Days, Sequence[int], int], list[Ahead]]:
    def ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
        states = _states(days, frozenset(origins), alpha, beta, damping)
        return [_from(state, at, length, damping, days.floor) for at, state in states]

    return ahead


def _states(
    days: Days, wanted: frozenset[int], alpha: float, beta: float, damping: float
) -> Iterator[tuple[int, _State]]:
    """After so many days as are wanted."""
    logs, tamed, floor = days.logs, days.tamed, days.floor
    start = logs[:LEAST]
    level, trend, smear = median(start), 0.0, 1.0
    week = [(start[at] + start[at + 7]) / 2 - level for at in range(7)]
    if LEAST in wanted:
        yield LEAST, _State(level, trend, tuple(week), smear)
    for at in range(LEAST, len(logs)):
        place = at % 7
        before = level + damping * trend
        expected = before + week[place]
        off = logs[at] - expected
        usual = floor * math.expm1(expected) if expected > 0 else 0.0
        if usual > floor:
            smear += SMEAR * (min(tamed[at] / usual, MOST_SMEAR) - smear)
        level = before + alpha * off
        trend = damping * trend + beta * off
        week[place] += SEASON * (1 - alpha) * off
        if at + 1 in wanted:
            yield at + 1, _State(level, trend, tuple(week), smear)


def _from(state: _State, at: int, length: int, damping: float, floor: float) -> Ahead:
    level, trend, week, smear = state
    found, much, expm1 = [], smear * floor, math.expm1
    for day in range(at, at + length):
        trend *= damping
        level += trend
        log = level + week[day % 7]
        found.append(much * expm1(log) if log > 0 else 0.0)
    return found


METHODS = (
    Method("Holt-Winters, slow", LEAST, _of(0.05, 0.0, 1.0)),
    Method("Holt-Winters, steady", LEAST, _of(0.12, 0.0, 1.0)),
    Method("Holt-Winters, quick", LEAST, _of(0.3, 0.0, 1.0)),
    Method("Holt-Winters, damped trend", LEAST, _of(0.05, 0.002, 0.99)),
)
