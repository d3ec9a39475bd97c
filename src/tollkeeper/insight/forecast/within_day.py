"""The rest of a day: how much of a day is usually still to come at an hour, and what it will be today."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from statistics import median
from typing import Final, NamedTuple

from tollkeeper.insight.forecast.contest import LEAST, NOTHING, Backtest, Miss, Standing
from tollkeeper.insight.series import Series

HOURS: Final = 24
LATELY: Final = 8
"""So many days of the same kind (working days, weekends) are compared with."""
FEW: Final = 3
"""With fewer of them, all days are."""
NAMES: Final = ("days before", "pace", "days before and pace")

Curve = Sequence[float]
"""What was used by each full hour of a day, from 0 to 24."""


class Hours(NamedTuple):
    """Whole days, by what was used by each full hour."""

    days: Sequence[date]
    curves: Sequence[Curve]

    def alike(self, day: date, before: int) -> list[Curve]:
        """The last days of the same kind before one, the newest last."""
        weekend = day.weekday() >= 5
        curves = self.curves[:before]
        ours = [curve for curve, each in zip(curves, self.days, strict=False) if (each.weekday() >= 5) == weekend]
        return ours[-LATELY:] if len(ours) >= FEW else list(curves[-LATELY:])

    def left(self, day: date, hour: float) -> float:
        """Which share of what such a day takes is usually still to come; of unknown days, as if it came evenly.

        `hour` is 13.5 at half past one.
        """
        shares = [1 - at_hour(curve, hour) / curve[-1] for curve in self.alike(day, len(self.days)) if curve[-1]]
        return median(shares) if shares else 1 - hour / HOURS

    def backtest(self, day: date, hour: float, spent: float) -> Backtest | None:
        """What is forecast of the rest of a day that has taken so much; and how that was at this hour of past days.

        The last of three ways that err least so far: what was left on such days, as much more as it is ahead of them,
        the mean of both. `None` with less than `LEAST` days.
        """
        length = len(self.days)
        if length < LEAST:
            return None
        errors = [0.0] * len(NAMES)
        windows, off, total = 0, 0.0, 0.0
        misses = []
        usual = sum(curve[-1] for curve in self.curves[-LEAST:]) / LEAST
        for at in range(LEAST // 2, length):
            before = at_hour(self.curves[at], hour)
            ways, actual = self._ways(self.days[at], at, hour, before), self.curves[at][-1] - before
            if at >= LEAST:
                said = ways[_best(errors)]
                misses.append(_miss(at, said, actual, usual))
                off, total = off + abs(said - actual), total + actual
            errors = [error + abs(way - actual) for error, way in zip(errors, ways, strict=True)]
            windows += 1
        rest = self._ways(day, length, hour, spent)[_best(errors)]
        unit = usual * windows
        standings = [
            Standing(name, error / unit if unit else None, windows, float(not place))
            for place, (error, name) in enumerate(sorted(zip(errors, NAMES, strict=True)))
        ]
        return Backtest(length, [rest], usual, 1, standings, misses, {1: off / total} if total else {})

    def _ways(self, day: date, before: int, hour: float, spent: float) -> tuple[float, float, float]:
        alike = self.alike(day, before)
        rest = median(curve[-1] - at_hour(curve, hour) for curve in alike)
        usual = median(at_hour(curve, hour) for curve in alike)
        ahead = rest * spent / usual if usual else rest
        return rest, ahead, (rest + ahead) / 2


def hours_of(series: Series) -> Hours:
    """The whole days of a series of hours. A day on which clocks change has an hour twice, or lacks one.

    An hour below zero, as corrections may leave one, counts as nothing.
    """
    by_day: dict[date, list[float]] = {}
    for day, hour, value in zip(series.dates, series.hours, series.values, strict=True):
        by_day.setdefault(day, [0.0] * HOURS)[hour] += max(value or 0.0, 0.0)
    return Hours(list(by_day), [_summed(hours) for hours in by_day.values()])


def at_hour(curve: Curve, hour: float) -> float:
    """What was used by an hour; between full hours, evenly."""
    full = min(int(hour), HOURS - 1)
    return curve[full] + (curve[full + 1] - curve[full]) * (hour - full)


def _summed(hours: Sequence[float]) -> Curve:
    found = [0.0]
    for amount in hours:
        found.append(found[-1] + amount)
    return found


def _best(errors: Sequence[float]) -> int:
    return min(range(len(errors)), key=errors.__getitem__)


def _miss(at: int, forecast: float, actual: float, usual: float) -> Miss:
    extra = NOTHING * usual
    ratio = (actual + extra) / (forecast + extra) if forecast + extra else 1.0
    return Miss(at, 1, math.log(ratio) if ratio else 0.0)
