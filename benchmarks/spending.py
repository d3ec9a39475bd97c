"""Daily spending that was made up, of many shapes: what forecasts are measured by.

Each shape is a function of chance and length. They were decided before the methods were; methods were tuned on series
of even seeds, and the figures that are published and asserted are of odd ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

FIRST = date(2025, 1, 6)
"""A Monday."""
DOLLAR = 1_000_000_000

WORKING_WEEK = (1.0, 1.05, 1.1, 1.05, 0.95, 0.35, 0.3)
SHOP_WEEK = (0.9, 0.8, 0.85, 0.95, 1.2, 1.5, 1.3)
WILD = (2, 3, 5)


class Made(NamedTuple):
    """One series: its shape, and nano-dollars a day from `first` on."""

    shape: str
    first: date
    values: list[int]

    @property
    def dates(self) -> list[date]:
        return [self.first + timedelta(days=day) for day in range(len(self.values))]


Shape = Callable[[Random, list[date]], list[float]]


def _noise(chance: Random, spread: float) -> float:
    return math.exp(chance.gauss(0, spread))


def _level(chance: Random) -> float:
    return math.exp(chance.uniform(math.log(2), math.log(2000)))


def _week(chance: Random) -> list[float]:
    week = chance.choice((WORKING_WEEK, SHOP_WEEK))
    return [part * _noise(chance, 0.08) for part in week]


def reference(chance: Random, days: list[date]) -> list[float]:
    """The reference's: a weekday pattern, lognormal noise, 2 % contaminated days."""
    level, week, spread = _level(chance), _week(chance), chance.uniform(0.15, 0.45)
    return [
        level * week[day.weekday()] * _noise(chance, spread) * (chance.choice(WILD) if chance.random() < 0.02 else 1)
        for day in days
    ]  # fmt: skip


def steady(chance: Random, days: list[date]) -> list[float]:
    level, week, spread = _level(chance), _week(chance), chance.uniform(0.1, 0.35)
    return [level * week[day.weekday()] * _noise(chance, spread) for day in days]


def growth(chance: Random, days: list[date]) -> list[float]:
    """By 3 to 25 % a month, or as much less."""
    rate = chance.choice((1, 1, -1)) * chance.uniform(0.03, 0.25) / 30
    return [value * math.exp(rate * at) for at, value in enumerate(steady(chance, days))]


def level_shift(chance: Random, days: list[date]) -> list[float]:
    """Two or three times in a year, to between a third and three times as much."""
    value, factor, found = 1.0, 1.0, []
    for value in steady(chance, days):
        if chance.random() < 1 / 130:
            factor *= math.exp(chance.choice((-1, 1)) * chance.uniform(0.4, 1.1))
        found.append(value * factor)
    return found


def spikes(chance: Random, days: list[date]) -> list[float]:
    """One day in thirty is three to ten times as dear."""
    return [
        value * (chance.uniform(3, 10) if chance.random() < 1 / 30 else 1) for value in steady(chance, days)
    ]  # fmt: skip


def sparse(chance: Random, days: list[date]) -> list[float]:
    """Nothing on 35 % of the days, whatever weekday."""
    level, spread = _level(chance), chance.uniform(0.4, 0.9)
    return [0.0 if chance.random() < 0.35 else level * _noise(chance, spread) for _ in days]


def closed_at_weekends(chance: Random, days: list[date]) -> list[float]:
    level, spread = _level(chance), chance.uniform(0.15, 0.35)
    return [0.0 if day.weekday() >= 5 else level * _noise(chance, spread) for day in days]


def month_start(chance: Random, days: list[date]) -> list[float]:
    """A job on the first of the month, at times on the second as well, costs four to ten days."""
    first, second = chance.uniform(4, 10), chance.choice((1, chance.uniform(2, 5)))
    return [
        value * {1: first, 2: second}.get(day.day, 1.0) for day, value in zip(days, steady(chance, days), strict=True)
    ]


def month_end(chance: Random, days: list[date]) -> list[float]:
    """Reports on the last two days of the month cost three to eight days each."""
    factor = chance.uniform(3, 8)
    return [
        value * (factor if (day + timedelta(days=2)).day <= 2 else 1.0)
        for day, value in zip(days, steady(chance, days), strict=True)
    ]


def bursty(chance: Random, days: list[date]) -> list[float]:
    """Campaigns of one to two weeks; between them a quarter, and what was high yesterday is high today."""
    level, week, is_on, drift, found = _level(chance), _week(chance), True, 0.0, []
    for day in days:
        if chance.random() < (0.1 if is_on else 0.07):
            is_on = not is_on
        drift = 0.7 * drift + chance.gauss(0, 0.2)
        found.append(level * week[day.weekday()] * (1.0 if is_on else 0.25) * math.exp(drift))
    return found


def wandering(chance: Random, days: list[date]) -> list[float]:
    """A level that goes its own way: a random walk in logarithms, of 4 % a day."""
    level, found = 0.0, []
    for value in steady(chance, days):
        level += chance.gauss(0, 0.04)
        found.append(value * math.exp(level))
    return found


SHAPES: Mapping[str, Shape] = {
    shape.__name__: shape
    for shape in (
        reference, steady, growth, level_shift, spikes, sparse, closed_at_weekends, month_start, month_end, bursty,
        wandering,
    )
}  # fmt: skip

REFERENCE_TENANTS, REFERENCE_DAYS, REFERENCE_FIRST = 150, 60, date(2025, 3, 2)
"""The reference's simulation. The tenth day of its second month, that has thirty, is the fortieth."""


def make(shape: str, seed: int, length: int = 400, first: date = FIRST) -> Made:
    """One series, the same for the same seed."""
    chance = Random(f"{shape} {seed}")
    days = [first + timedelta(days=at) for at in range(length)]
    return Made(shape, first, [round(value * DOLLAR) for value in SHAPES[shape](chance, days)])


def many(each: int, seed: int, length: int = 400) -> Iterator[Made]:
    """So many of each shape. Different seeds have no series in common."""
    for shape in SHAPES:
        for number in range(each):
            yield make(shape, seed * 100_000 + number, length)
