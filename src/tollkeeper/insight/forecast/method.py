"""What a method of forecasting is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tollkeeper.insight.forecast.days import Days

Ahead = list[float]
"""What is expected of each day from an origin on, without what is special of a month's first and last days."""


class Method(NamedTuple):
    """Says for each of the `origins` (how many days were known) what the next `length` days amount to.

    It reads the days once, in their order, and says of an origin only what follows from those before it. Every origin
    is at least `least`.
    """

    name: str
    least: int
    ahead: Callable[[Days, Sequence[int], int], list[Ahead]]
