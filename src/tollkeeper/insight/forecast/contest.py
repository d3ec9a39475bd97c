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
from tollkeeper.insight.forecast.days import NO_HABITS, Days
from tollkeeper.insight.forecast.method import Method

METHODS: tuple[Method, ...] = (
    *seasonal_naive.METHODS, *weekday_median.METHODS, *means.METHODS, *holt_winters.METHODS, *intermittent.METHODS
)  # fmt: skip

LEAST: Final = 14
"""Days of history: below, there is nothing to choose by."""
HORIZONS: Final = (1, 2, 4, 7, 10, 14, 20, 26, 31)
"""Of how many days together errors are measured. The longest month is the longest."""
LONGEST: Final = HORIZONS[-1]
JUDGED: Final = (2, 3, 4, 5, 6, 7)
"""Which of them methods are chosen by: from 4 days on to 26."""
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
    forecasts, now = _forecasts(days, origins)
    tally = _Tally(len(METHODS))
    waiting = [(origin + HORIZONS[at], origin, at) for origin in origins for at in JUDGED]
    waiting.sort(reverse=True)
    made: dict[int, list[float]] = {}
    for origin in origins:
        while waiting and waiting[-1][0] <= origin:
            _, since, at = waiting.pop()
            _judge(tally, forecasts[since], sums, since, at)
        made[origin] = _together(forecasts[origin], tally.weights(_available(forecasts[origin])))
    over = [(origin, at) for origin in origins for at, horizon in enumerate(HORIZONS) if origin + horizon <= length]
    misses = [_miss(made[origin][at], sums, origin, HORIZONS[at]) for origin, at in over]
    weights = tally.weights(_available(now))
    ahead, errors = _together(now, weights), _errors(made, sums, over)
    return Backtest(length, ahead, _usual(sums, length), step, _standings(tally, weights), misses, errors)


def _origins(length: int) -> tuple[list[int], int]:
    """The last one is now. Steps of whole weeks would see one weekday only."""
    step = min(max(-(-(length - LEAST) // MOST_ORIGINS), 1), MOST_STEP)
    return list(range(length, LEAST - 1, -step))[:MOST_ORIGINS][::-1], step


_Forecasts = list[list[float] | None]
"""By method; `None` of one that needs more history."""


def _forecasts(days: Days, origins: Sequence[int]) -> tuple[dict[int, _Forecasts], _Forecasts]:
    """By origin, the totals of each of `HORIZONS`; and from now on, day by day."""
    factors = {origin: days.factors(origin, LONGEST) for origin in origins}
    found: dict[int, _Forecasts] = {origin: [None] * len(METHODS) for origin in origins}
    now: _Forecasts = [None] * len(METHODS)
    for number, method in enumerate(METHODS):
        asked = [origin for origin in origins if origin >= method.least]
        for origin, ahead in zip(asked, method.ahead(days, asked, LONGEST), strict=True):
            if factors[origin] is not NO_HABITS:
                ahead = list(map(float.__mul__, ahead, factors[origin]))  # noqa: PLW2901
            totals = list(accumulate(ahead))
            found[origin][number] = [totals[horizon - 1] for horizon in HORIZONS]
            now[number] = ahead
    return found, now


def _judge(tally: _Tally, forecasts: _Forecasts, sums: Sequence[float], origin: int, at: int) -> None:
    horizon = HORIZONS[at]
    actual, unit = sums[origin + horizon] - sums[origin], _usual(sums, origin) * horizon
    if not unit:
        return
    errors, windows = tally.errors, tally.windows
    for number, totals in enumerate(forecasts):
        if totals is not None:
            errors[number] += abs(totals[at] - actual) / unit
            windows[number] += 1


def _available(forecasts: _Forecasts) -> list[int]:
    return [number for number, totals in enumerate(forecasts) if totals is not None]


def _together(forecasts: _Forecasts, weights: Mapping[int, float]) -> list[float]:
    weighted = [(weight, totals) for number, weight in weights.items() if (totals := forecasts[number]) is not None]
    found = [0.0] * len(weighted[0][1])
    for weight, totals in weighted:
        found = [total + weight * each for total, each in zip(found, totals, strict=True)]
    return found


def _miss(forecast: float, sums: Sequence[float], origin: int, horizon: int) -> Miss:
    actual = sums[origin + horizon] - sums[origin]
    extra = NOTHING * horizon * _usual(sums, origin)
    log_ratio = math.log((actual + extra) / (forecast + extra)) if actual + extra and forecast + extra else 0.0
    return Miss(origin, horizon, log_ratio)


def _errors(
    made: Mapping[int, Sequence[float]], sums: Sequence[float], over: Sequence[tuple[int, int]]
) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for origin, at in over:
        horizon = HORIZONS[at]
        actual = sums[origin + horizon] - sums[origin]
        both = found.setdefault(horizon, [0.0, 0.0])
        both[0] += abs(made[origin][at] - actual)
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
