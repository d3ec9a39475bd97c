"""What was found in some days as a month of thirty, and how far a month may be from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tollkeeper.insight.advice.recommendation import Confidence, Saving

MONTH: Final = 30
FEWEST_DAYS: Final = 3
"""Of fewer days nothing is advised."""
SURE_DAYS: Final = 14
LEAST_SAVING: Final = 1_000_000_000
"""Nano-dollars a month: for less, nobody changes anything."""
MOST_TIMES: Final = 5
FOUR_OF_FIVE: Final = 1.2816
"""Standard deviations on each side of a normal mean, between which four of five values are."""
FEW_DAYS_SPREAD: Final = 0.5
"""Of a month, where there was not even a week to see how days differ."""


def days_of(daily: Sequence[int | Fraction]) -> int:
    """How many days there are from the first on that cost something."""
    first = next((at for at, nano_usd in enumerate(daily) if nano_usd), len(daily))
    return len(daily) - first


def usual(daily: Sequence[int]) -> tuple[Fraction, ...]:
    """The days, of which none counts for more than `MOST_TIMES` the middle one of those that cost something.

    A loop that ran for a night is not what the next month will cost.
    """
    spent = sorted(nano_usd for nano_usd in daily if nano_usd)
    middle = spent[(len(spent) - 1) // 2] + spent[len(spent) // 2] if spent else 0
    most = Fraction(middle * MOST_TIMES, 2)
    return tuple(min(Fraction(nano_usd), most) for nano_usd in daily)


def a_month(amount: int, days: int) -> int:
    """What it comes to in thirty days, if it was so much in these; rounded half to even."""
    return round(Fraction(amount * MONTH, days))


def spread(daily: Sequence[int | Fraction]) -> float:
    """By how great a share a month may be more or less than its mean, in four of five cases.

    A month's sum of days that are drawn independently with their standard deviation s, around a mean that is known
    from n days only: s * sqrt(30 + 900 / n). Weekends make s larger than it need be, so it is rather too much.
    """
    lately = [float(each) for each in daily[len(daily) - days_of(daily) :]]
    number, total = len(lately), sum(lately)
    if number < 2 or not total:
        return 1.0
    mean = total / number
    variance = math.fsum((each - mean) ** 2 for each in lately) / (number - 1)
    share = FOUR_OF_FIVE * math.sqrt(variance * (MONTH + MONTH**2 / number)) / (MONTH * mean)
    return min(max(share, FEW_DAYS_SPREAD if number < 7 else 0.0), 1.0)


def saving_of(low: int, mid: int, high: int, spend: int, share: float = 0.0) -> Saving:
    """A saving whose volume may be a share more or less; never below nothing, nor above what is spent."""
    low, high = math.floor(low * (1 - share)), math.ceil(high * (1 + share))
    mid = min(max(mid, 0), spend)
    return Saving(max(min(low, mid), 0), mid, min(max(high, mid), spend))


def confidence_of(days: int) -> Confidence:
    """What so many days are good for."""
    return "high" if days >= SURE_DAYS else "medium" if days >= FEWEST_DAYS else "low"
