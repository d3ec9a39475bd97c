"""Two measures against each other: where each point is, in parts of a hundred of the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import floor, log10
from typing import NamedTuple

MARGIN = 1.6
"""Around the least and the most: so many times less, and more."""
LEFT, RIGHT, TOP, BOTTOM = 16.0, 98.0, 4.0, 88.0
STEPS = (1, 2, 5)


class Point(NamedTuple):
    """A name, how fast, what it costs, and of how many calls; `x` and `y` are where it is."""

    name: str
    seconds: float
    usd: Decimal
    calls: int
    x: float = 0.0
    y: float = 0.0


class Tick(NamedTuple):
    """A value of an axis, and where it is."""

    value: float
    at: float


class Scatter(NamedTuple):
    """Both axes are logarithmic, as models differ by hundreds of times."""

    points: Sequence[Point]
    across: Sequence[Tick]
    up: Sequence[Tick]


def scatter(points: Iterable[Point]) -> Scatter:
    """Of those whose measures are known, and above zero."""
    known = [each for each in points if each.seconds > 0 and each.usd > 0]
    if not known:
        return Scatter((), (), ())
    fast = _range([each.seconds for each in known])
    cheap = _range([float(each.usd) for each in known])
    placed = [
        each._replace(x=_place(each.seconds, fast, LEFT, RIGHT), y=_place(float(each.usd), cheap, BOTTOM, TOP))
        for each in known
    ]
    across = [Tick(value, _place(value, fast, LEFT, RIGHT)) for value in _ticks(fast)]
    return Scatter(placed, across, [Tick(value, _place(value, cheap, BOTTOM, TOP)) for value in _ticks(cheap)])


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / MARGIN, max(values) * MARGIN


def _place(value: float, of: tuple[float, float], first: float, last: float) -> float:
    part = (log10(value) - log10(of[0])) / (log10(of[1]) - log10(of[0]))
    return round(first + part * (last - first), 2)


def _ticks(of: tuple[float, float]) -> list[float]:
    decades = range(floor(log10(of[0])), floor(log10(of[1])) + 1)
    steps = STEPS if len(decades) < 3 else STEPS[:1]
    return [value for power in decades for step in steps if of[0] <= (value := step * 10.0**power) <= of[1]]
