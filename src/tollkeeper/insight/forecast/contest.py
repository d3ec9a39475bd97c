"""Which methods would have been right: each is asked at many days of the past, and held against what came.

A forecast is the mean of all methods, weighted so that the one that erred least has the most to say. Of a day in the
past it is made of what they had erred by until then, so that its errors are those of the whole procedure, choice
included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from tollkeeper.insight.forecast import holt_winters, intermittent, means, seasonal_naive, weekday_median
from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Method

METHODS: tuple[Method, ...] = (
    *seasonal_naive.METHODS, *weekday_median.METHODS, *means.METHODS, *holt_winters.METHODS, *intermittent.METHODS
)  # fmt: skip

LEAST: Final = 14
"""Days of history: below, there is nothing to choose by."""
HORIZONS: Final = (1, 2, 4, 7, 10, 14, 20, 26, 31)
"""Of how many days together errors are measured. The longest month is the longest."""
LONGEST: Final = HORIZONS[-1]
JUDGED: Final = (4, 7, 10, 14, 20, 26)
"""What methods are chosen by."""
DECISIVE: Final = 8
"""One method that errs twice as much as another has 2 to the power of this less weight."""
MOST_ORIGINS: Final = 48
MOST_STEP: Final = 5
LATELY: Final = 56
"""Days whose mean errors are measured by."""
NOTHING: Final = 0.02
"""Of the usual amount: so much is added to both sides of a ratio, as nothing may have been used."""


class Standing(NamedTuple):
    """How a method did: its mean absolute error of a total as a part of what is usual, and over how many totals.

    `weight` is what part of the forecast is its own.
    """

    method: str
    error: float | None
    windows: int
    weight: float


class Miss(NamedTuple):
    """By how much the total of `horizon` days from `origin` on was another than forecast: the log of the ratio."""

    origin: int
    horizon: int
    log_ratio: float


class Backtest(NamedTuple):
    """What is forecast of the days after the history, and how such forecasts did in the past.

    `usual` is the mean of a day lately; `step` is how many days are between two origins. `standings` have the best
    method first. `errors` are by horizon: the sum of absolute errors of totals as a part of the sum of totals.
    """

    length: int
    ahead: Sequence[float]
    usual: float
    step: int
    standings: Sequence[Standing]
    misses: Sequence[Miss]
    errors: Mapping[int, float]


class _Tally:
    """How far each method was off in what was over by some day."""

    def __init__(self, methods: int) -> None:
        self.errors = [0.0] * methods
        self.windows = [0] * methods

    def weights(self, available: Sequence[int]) -> dict[int, float]:
        """Of those, in all one. Before anything is known of them, they are equal; who never erred is alone."""
        means = {each: self.errors[each] / self.windows[each] for each in available if self.windows[each]}
        if not means:
            return {each: 1 / len(available) for each in available}
        least = min(means.values())
        powers = {each: (least / mean) ** DECISIVE if mean else 1.0 for each, mean in means.items()}
        total = sum(powers.values())
        return {each: power / total for each, power in powers.items()}


def backtest(days: Days) -> Backtest:
    """Raises `ValueError` for less than `LEAST` days."""
    length = len(days)
    if length < LEAST:
        raise ValueError(f"{length} days of history; expected at least {LEAST}")
    origins, step = _origins(length)
    sums = [0.0, *accumulate(days.amounts)]
    forecasts = _forecasts(days, origins)
    tally = _Tally(len(METHODS))
    waiting = [(origin + horizon, origin, horizon) for origin in origins for horizon in JUDGED]
    waiting.sort(reverse=True)
    made: dict[int, list[float]] = {}
    for origin in origins:
        while waiting and waiting[-1][0] <= origin:
            _, since, horizon = waiting.pop()
            _judge(tally, forecasts[since], sums, since, horizon)
        made[origin] = _together(forecasts[origin], tally)
    over = [(origin, horizon) for origin in origins for horizon in HORIZONS if origin + horizon <= length]
    misses = [_miss(made[origin], sums, origin, horizon) for origin, horizon in over]
    totals = made[length]
    weights = tally.weights(_available(forecasts[length]))
    ahead = [now - before for now, before in zip(totals, [0.0, *totals], strict=False)]
    return Backtest(
        length, ahead, _usual(sums, length), step, _standings(tally, weights), misses, _errors(made, sums, over)
    )


def _origins(length: int) -> tuple[list[int], int]:
    """The last one is now. Steps of whole weeks would see one weekday only."""
    step = min(max(-(-(length - LEAST) // MOST_ORIGINS), 1), MOST_STEP)
    return list(range(length, LEAST - 1, -step))[:MOST_ORIGINS][::-1], step


def _forecasts(days: Days, origins: Sequence[int]) -> dict[int, list[list[float] | None]]:
    """By origin and method, the totals of the next 1, 2, … days."""
    factors = {origin: days.factors(origin, LONGEST) for origin in origins}
    found: dict[int, list[list[float] | None]] = {origin: [None] * len(METHODS) for origin in origins}
    for number, method in enumerate(METHODS):
        asked = [origin for origin in origins if origin >= method.least]
        for origin, ahead in zip(asked, method.ahead(days, asked, LONGEST), strict=True):
            found[origin][number] = list(accumulate(map(float.__mul__, ahead, factors[origin])))
    return found


def _judge(
    tally: _Tally, forecasts: Sequence[list[float] | None], sums: Sequence[float], at: int, horizon: int
) -> None:
    actual = sums[at + horizon] - sums[at]
    unit = _usual(sums, at) * horizon
    if not unit:
        return
    for number, totals in enumerate(forecasts):
        if totals is not None:
            tally.errors[number] += abs(totals[horizon - 1] - actual) / unit
            tally.windows[number] += 1


def _available(forecasts: Sequence[list[float] | None]) -> list[int]:
    return [number for number, totals in enumerate(forecasts) if totals is not None]


def _together(forecasts: Sequence[list[float] | None], tally: _Tally) -> list[float]:
    found = [0.0] * LONGEST
    for number, weight in tally.weights(_available(forecasts)).items():
        found = [sum_ + weight * each for sum_, each in zip(found, forecasts[number] or (), strict=True)]
    return found


def _miss(totals: Sequence[float], sums: Sequence[float], origin: int, horizon: int) -> Miss:
    forecast, actual = totals[horizon - 1], sums[origin + horizon] - sums[origin]
    extra = NOTHING * horizon * _usual(sums, origin)
    log_ratio = math.log((actual + extra) / (forecast + extra)) if actual + extra and forecast + extra else 0.0
    return Miss(origin, horizon, log_ratio)


def _errors(
    made: Mapping[int, Sequence[float]], sums: Sequence[float], over: Sequence[tuple[int, int]]
) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for origin, horizon in over:
        actual = sums[origin + horizon] - sums[origin]
        both = found.setdefault(horizon, [0.0, 0.0])
        both[0] += abs(made[origin][horizon - 1] - actual)
        both[1] += actual
    return {horizon: error / actual for horizon, (error, actual) in found.items() if actual}


def _usual(sums: Sequence[float], at: int) -> float:
    since = max(0, at - LATELY)
    return (sums[at] - sums[since]) / (at - since)


def _standings(tally: _Tally, weights: Mapping[int, float]) -> list[Standing]:
    found = [
        Standing(method.name, errors / windows if windows else None, windows, weights.get(number, 0.0))
        for number, (method, errors, windows) in enumerate(zip(METHODS, tally.errors, tally.windows, strict=True))
    ]
    return sorted(found, key=lambda one: (-one.weight, math.inf if one.error is None else one.error))
