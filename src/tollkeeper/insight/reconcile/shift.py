"""Whether a provider's days begin at another hour: by which beginning the ledger's days agree with the invoice's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from tollkeeper.insight.reconcile.recorded import HOURS_A_DAY, Hours, hour_of

OFFSETS = range(-14, 13)
"""Hours after midnight of UTC: +14 is the furthest east that a zone is, so that its day begins 14 hours earlier."""
FEWEST_DAYS = 3
"""With fewer, lost hours would look the same."""
BETTER_BY = 0.5
"""What is left of the differences of single days must be at most this part of what there is without a shift."""


class Shift(NamedTuple):
    """The provider's days begin `hours` after those of UTC; and the tokens that differ, without that and with it."""

    hours: int
    before: int
    after: int


Invoiced = Mapping[tuple[str, date], int]
"""Tokens that were billed, by model and day."""


def shift_of(recorded: Mapping[str, Hours], invoiced: Invoiced, days: Sequence[date], least: float) -> Shift | None:
    """How far a provider's days are shifted, by the models that both sides have; `None`: they are not.

    `least` is the part of all tokens that has to differ before anything is looked for.
    """
    cells = {(model, day): tokens for (model, day), tokens in invoiced.items() if model in recorded and day in days}
    if len({day for _, day in cells}) < FEWEST_DAYS:
        return None
    sums = {model: _Running(recorded[model]) for model in {model for model, _ in cells}}
    differing = {offset: _differing(sums, cells, offset) for offset in OFFSETS}
    before = differing[0]
    if before <= least * sum(cells.values()):
        return None
    best = min(OFFSETS, key=lambda offset: (differing[offset], abs(offset)))
    if best == 0 or differing[best] > BETTER_BY * before:
        return None
    return Shift(best, before, differing[best])


class _Running:
    """The tokens of all hours before one, so that a day's are a difference."""

    def __init__(self, hours: Hours) -> None:
        self._first = min(hours, default=0)
        steps = (hours[hour].tokens if hour in hours else 0 for hour in range(self._first, max(hours, default=-1) + 1))
        self._before = [0, *accumulate(steps)]

    def of_day(self, day: date, offset: int) -> int:
        first = hour_of(day) + offset - self._first
        last = len(self._before) - 1
        begins, ends = (min(max(hour, 0), last) for hour in (first, first + HOURS_A_DAY))
        return self._before[ends] - self._before[begins]


def _differing(sums: Mapping[str, _Running], cells: Invoiced, offset: int) -> int:
    """Tokens of single days that differ, when all days of a model lack the same part: lost calls are another matter."""
    ours = {(model, day): sums[model].of_day(day, offset) for model, day in cells}
    billed: dict[str, int] = defaultdict(int)
    have: dict[str, int] = defaultdict(int)
    for (model, _), tokens in cells.items():
        billed[model] += tokens
    for (model, _), tokens in ours.items():
        have[model] += tokens
    return sum(
        abs(tokens - (ours[model, day] * billed[model] // have[model] if have[model] else 0))
        for (model, day), tokens in cells.items()
    )
