"""Where a period will end: what is used, what is to come, how surely; and when a budget is used up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tollkeeper.insight.forecast.calibration import Spread
from tollkeeper.insight.forecast.contest import NOTHING

SURE, SURER = 80, 95


class Coming(NamedTuple):
    """What is forecast from now until a moment of the period, in all: the unit of the series, nanoseconds.

    `spread`: what it may be instead; or why nobody can tell. `usual` is what is usual in so long a time.
    """

    until: int
    amount: float
    usual: float
    spread: Spread | str


class Point(NamedTuple):
    """What will be used in all by a moment: 80 of 100 times between `low` and `high`."""

    at: int
    low: float | None
    middle: float | None
    high: float | None


class Exhaustion(NamedTuple):
    """When a budget is used up: the earliest of 80 of 100 cases, the median, the latest. `None`: not in the period."""

    early: int | None
    median: int | None
    late: int | None


class Outlook(NamedTuple):
    """The total of a period, in the unit of the series.

    `middle` is what methods say: on made-up series, moving it to the median of past errors made it no better. `low` and
    `high` hold it 80 of 100 times, `lowest` and `highest` 95; `None` where nobody can tell, and `reason` says why.
    `exceeds` is the probability that it is more than the budget.
    """

    spent: float
    lowest: float | None
    low: float | None
    middle: float | None
    high: float | None
    highest: float | None
    band: Sequence[Point]
    exceeds: float | None
    exhaustion: Exhaustion | None
    reason: str | None


def outlook(now: int, spent: float, coming: Sequence[Coming], budget: float | None = None) -> Outlook:
    """`coming` is by moments in their order, the last one the period's end. Raises `ValueError` where there is none.

    A budget that is used up already is exceeded, and was exhausted in the past: nobody knows from here when.
    """
    if not coming:
        raise ValueError("nothing is to come; expected at least the end of the period")
    band = _band(spent, coming)
    end = coming[-1]
    spread = end.spread
    reason = spread if isinstance(spread, str) else None
    lowest = highest = None
    if isinstance(spread, Spread) and spread.tells(SURER):
        edge = (1 - SURER / 100) / 2
        lowest, highest = (
            min(_total(spent, end, edge), band[-1].low or 0),
            max(_total(spent, end, 1 - edge), band[-1].high or 0),
        )
    return Outlook(
        spent, lowest, band[-1].low, band[-1].middle, band[-1].high, highest, band,
        None if budget is None else _exceeds(spent, end, budget),
        None if budget is None or spent >= budget or reason else _exhaustion(now, spent, band, budget),
        reason,
    )  # fmt: skip


def _band(spent: float, coming: Sequence[Coming]) -> list[Point]:
    """What is used in all only grows."""
    found: list[Point] = []
    low = middle = high = spent
    edge = (1 - SURE / 100) / 2
    for each in coming:
        if isinstance(each.spread, str):
            middle = max(middle, spent + each.amount)
            found.append(Point(each.until, None, middle, None))
            continue
        low = max(low, _total(spent, each, edge))
        middle = max(middle, low, spent + each.amount)
        high = max(high, middle, _total(spent, each, 1 - edge))
        found.append(Point(each.until, low, middle, high))
    return found


def _total(spent: float, coming: Coming, share: float) -> float:
    assert isinstance(coming.spread, Spread)
    extra = NOTHING * coming.usual
    return spent + max(0.0, (coming.amount + extra) * math.exp(coming.spread.log_ratio(share)) - extra)


def _exceeds(spent: float, end: Coming, budget: float) -> float | None:
    if spent > budget:
        return 1.0
    if isinstance(end.spread, str):
        return None
    extra = NOTHING * end.usual
    coming, room = end.amount + extra, budget - spent + extra
    if not coming or not room:
        return 1.0 if coming else 0.0
    return end.spread.share_above(math.log(room / coming))


def _exhaustion(now: int, spent: float, band: Sequence[Point], budget: float) -> Exhaustion:
    lines = zip(*(((point.high or 0), point.middle, (point.low or 0)) for point in band), strict=True)
    moments = [now, *(point.at for point in band)]
    return Exhaustion(*(_crossing(moments, [spent, *line], budget) for line in lines))


def _crossing(moments: Sequence[int], line: Sequence[float], budget: float) -> int | None:
    """When a line that only rises comes to the budget; between two moments it is straight."""
    for (since, before), (until, after) in pairwise(zip(moments, line, strict=True)):
        if after >= budget:
            return since + round((until - since) * (budget - before) / (after - before)) if after > before else until
    return None
