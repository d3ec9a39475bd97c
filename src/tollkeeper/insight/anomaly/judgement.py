"""What one interval was judged to be."""

from __future__ import annotations

from typing import NamedTuple


class Judgement(NamedTuple):
    """What was expected of an interval, and what would have been usual, in the metric's unit; and how far off it was.

    `score` is the distance in standard deviations, of the logarithm; below 0 for too little.
    """

    at: int
    actual: float
    expected: float
    low: float
    high: float
    score: float
