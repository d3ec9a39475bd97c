"""Days as methods want them: outliers tamed, what is special of a month's first and last days told apart.

One pass from the oldest day to the newest, that looks at nothing that came later: so what is known of a day is what
was known then, and a backtest on it is honest.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Final

FLOOR: Final = 0.05
"""Of the median day with spending: amounts are logarithms above it, and no more than proportional below it."""
LEVEL, WEEKDAY, SPREAD = 0.2, 0.2, 0.06
"""How much of what a day teaches is believed."""
WILD: Final = 3.5
"""So many times the usual spread from what was expected, a day is an outlier …"""
TAMED: Final = 2.0
"""… and is taken for one of so many."""
TIGHTEST: Final = 0.1
"""The least spread in logarithms: below it, nothing is wild."""
SHIFTED: Final = 3
"""After so many wild days to the same side, it is not the days that are odd, but the level that is another."""
EDGE: Final = 3
"""So many days at each end of a month may have a habit of their own …"""
MONTHS: Final = 2
"""… if they had it in so many months, every time."""
HABIT: Final = 0.25
"""The least habit in logarithms."""

NO_HABITS: Final = (1.0,) * 31
"""Of the days of the longest month."""

Slot = int
"""A day at an edge of its month: 1 is the first, -1 the last; 0 is none."""
Habits = Mapping[Slot, float]
"""By how much such days differ, in logarithms."""


@dataclass(frozen=True, slots=True)
class Days:
    """A history of whole days without gaps.

    `amounts` are as they were, `tamed` without outliers and monthly habits, `logs` the same as logarithms:
    `log(1 + tamed / floor)`. `habits_from` are the days from which on `habits` were known.
    """

    first: date
    amounts: Sequence[float]
    floor: float
    logs: Sequence[float]
    tamed: Sequence[float]
    outliers: Collection[int]
    habits_from: Sequence[int]
    habits: Sequence[Habits]

    def __len__(self) -> int:
        return len(self.amounts)

    @property
    def weekday(self) -> int:
        """Of the first day; Monday is 0."""
        return self.first.weekday()

    def habits_at(self, day: int) -> Habits:
        """What was known before that day."""
        return self.habits[bisect_right(self.habits_from, day) - 1]

    def factors(self, origin: int, length: int) -> Sequence[float]:
        """By how much days from `origin` on differ from others of their weekday, as was known then; 31 at the most."""
        habits = self.habits_at(origin)
        if not habits:
            return NO_HABITS
        start = self.first + timedelta(days=origin)
        return [math.exp(habits.get(slot_of(start + timedelta(days=ahead)), 0.0)) for ahead in range(length)]


def slot_of(day: date) -> Slot:
    """Which edge of its month a day is at."""
    if day.day <= EDGE:
        return day.day
    if day.day < 29 - EDGE:
        return 0
    left = (day + timedelta(days=EDGE)).day
    return left - EDGE - 1 if left <= EDGE else 0


def days_of(first: date, amounts: Sequence[float], flagged: Collection[int] = ()) -> Days:
    """The history of a series. `flagged` are days known to be anomalies: what they cost teaches nothing.

    Amounts are at least 0. Raises `ValueError` where one is not, or is no number.
    """
    if wrong := [amount for amount in amounts if not 0 <= amount < math.inf]:
        raise ValueError(f"amounts of a day: {wrong[:3]}; expected numbers of at least 0")
    spent = [amount for amount in amounts if amount > 0]
    floor = FLOOR * median(spent) if spent else 1.0
    return _Pass(first, amounts, floor, frozenset(flagged)).run()


class _Pass:
    """What was usual until a day: a level, weekdays, a spread, habits of a month's edges."""

    def __init__(self, first: date, amounts: Sequence[float], floor: float, flagged: frozenset[int]) -> None:
        self._first = first
        self._amounts = amounts
        self._floor = floor
        self._flagged = flagged
        raw = [math.log1p(amount / floor) for amount in amounts]
        start = raw[:14]
        self._raw = raw
        self._level = median(start) if start else 0.0
        self._weekdays = [0.0] * 7
        for weekday in range(7):
            if len(ours := start[weekday::7]) > 1:
                self._weekdays[weekday] = median(ours) - self._level
        off = [abs(each - self._level - self._weekdays[at % 7]) for at, each in enumerate(start)]
        self._spread = max(TIGHTEST, 1.5 * median(off)) if off else TIGHTEST
        self._logs: list[float] = []
        self._wild: list[int] = []
        self._outliers: set[int] = set()
        self._seen: dict[Slot, list[float]] = {}
        self._habits_from: list[int] = [0]
        self._habits: list[Habits] = [{}]

    def run(self) -> Days:
        first = self._first.toordinal()
        for at in range(len(self._raw)):
            self._day(at, slot_of(date.fromordinal(first + at)))
        floor = self._floor
        return Days(
            self._first, self._amounts, floor, self._logs, [floor * math.expm1(max(each, 0.0)) for each in self._logs],
            frozenset(self._outliers), self._habits_from, self._habits,
        )  # fmt: skip

    def _day(self, at: int, slot: Slot) -> None:
        weekday, value = at % 7, self._raw[at]
        expected = self._level + self._weekdays[weekday]
        if at in self._flagged:
            self._logs.append(max(expected, 0.0))
            self._outliers.add(at)
            return
        habit = self._habits[-1].get(slot, 0.0) if slot else 0.0
        off = value - habit - expected
        if slot:
            self._learn(at, slot, value - expected)
        if abs(off) > WILD * self._spread:
            self._outliers.add(at)
            self._wild = [*self._wild, at] if self._is_on(at, off) else [at]
            if len(self._wild) >= SHIFTED:
                self._shift(at)
                return
            off = math.copysign(TAMED * self._spread, off)
        else:
            self._wild = []
            self._spread = max(TIGHTEST, self._spread + SPREAD * (1.2533 * abs(off) - self._spread))
        self._logs.append(max(expected + off, 0.0))
        self._level += LEVEL * off
        self._weekdays[weekday] += WEEKDAY * (off - LEVEL * off)

    def _is_on(self, at: int, off: float) -> bool:
        """Whether it goes on from the day before, to the same side."""
        if not self._wild or self._wild[-1] != at - 1:
            return False
        return (self._logs[at - 1] > self._level) == (off > 0)

    def _shift(self, at: int) -> None:
        days = self._wild
        self._outliers -= set(days)
        self._logs[days[0] :] = [self._raw[day] for day in days]
        self._level = median(self._raw[day] - self._weekdays[day % 7] for day in days)
        self._wild = []

    def _learn(self, at: int, slot: Slot, off: float) -> None:
        seen = self._seen.setdefault(slot, [])
        seen.append(off)
        lately = seen[-6:]
        habits = {each: value for each, value in self._habits[-1].items() if each != slot}
        middle = median(lately)
        same_side = sum((each > HABIT) if middle > 0 else (each < -HABIT) for each in lately)
        if len(lately) >= MONTHS and abs(middle) > HABIT and same_side >= 0.8 * len(lately):
            habits[slot] = middle
        if habits != self._habits[-1]:
            self._habits_from.append(at + 1)
            self._habits.append(habits)
