"""What comes back each month or week, and how often there is nothing: all of it is usual once it has been seen."""

from __future__ import annotations

import math
from calendar import monthrange
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from tollkeeper.insight.anomaly.baseline import WORKING_DAYS, Slots
from tollkeeper.insight.series import Step

_ORDINARY: Final = 0.05
_QUIET: Final = 0.95
_QUIET_SEEN: Final = 6.0
_MEMORY: Final = 0.95


@lru_cache(maxsize=4096)
def month_places(day: date) -> tuple[tuple[str, bool], ...]:
    """What a day is in its month, and whether bills are often made on such a day: there, one month is proof enough."""
    last = monthrange(day.year, day.month)[1]
    places = [(f"day {day.day}", day.day == 1)]
    if day.day == last:
        places.append(("last", True))
    if day.weekday() < WORKING_DAYS:
        if day.day <= 3 and all((day - timedelta(back)).weekday() >= WORKING_DAYS for back in range(1, day.day)):
            places.append(("first working day", True))
        following = range(1, last - day.day + 1)
        if last - day.day < 3 and all((day + timedelta(on)).weekday() >= WORKING_DAYS for on in following):
            places.append(("last working day", True))
    return tuple(places)


class Months:
    """What each place in the month was like before: how far off, and by how much of the level."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], tuple[tuple[float, float], ...]] = {}

    def expected(self, day: date, hour: int, below_level: float) -> float:
        """By how much the logarithm may be above what is expected otherwise; 0 where nothing comes back.

        `below_level`: how far the expectation is below the level: what comes on top is as much on a Sunday as on a
        Monday.
        """
        found = 0.0
        for place, alone in month_places(day):
            before = self._seen.get((place, hour), ())
            needed = 1 if alone else 2
            if len(before) >= needed:
                off, extra = min(before[-needed:])
                found = max(found, off, math.log1p(extra * math.exp(min(below_level, 20.0))))
        return found

    def saw(self, day: date, hour: int, off: float, unusual: float, below_level: float) -> None:
        """Remembers the last two times. An `off` of less than `unusual` is nothing."""
        off = min(off, 50.0) if off >= unusual else 0.0
        extra = math.expm1(off) * math.exp(-below_level)
        for place, _ in month_places(day):
            self._seen[place, hour] = (*self._seen.get((place, hour), ())[-1:], (off, extra))


class Zeros:
    """How often intervals have nothing, in a slot and at all; older ones weigh less."""

    def __init__(self) -> None:
        self._all = [2.0, 10.0]
        self._slots: dict[int, list[float]] = {}

    @property
    def share(self) -> float:
        """Of all intervals."""
        return self._all[0] / self._all[1]

    def ordinary(self, slot: int) -> bool:
        """Whether it is no news that there is nothing."""
        nothing, seen = self._slots.get(slot, (0.0, 0.0))
        return (nothing + 2 * self.share) / (seen + 2) > _ORDINARY

    def always(self, slot: int) -> bool:
        """Whether there has been nothing in this slot ever since, in a series in which there mostly is something."""
        nothing, seen = self._slots.get(slot, (0.0, 0.0))
        return seen >= _QUIET_SEEN and nothing >= _QUIET * seen and self.share < 0.7

    def saw(self, slot: int, nothing: bool) -> None:
        """Counts an interval."""
        kept = self._slots.setdefault(slot, [0.0, 0.0])
        kept[:] = _MEMORY * kept[0] + nothing, _MEMORY * kept[1] + 1
        self._all[:] = 0.99 * self._all[0] + nothing, 0.99 * self._all[1] + 1

    def adopt(self) -> None:
        """From now on nothing is usual everywhere."""
        self._all[:] = self._all[1], self._all[1]
        for kept in self._slots.values():
            kept[0] = kept[1]


class Shape:
    """What is off in the same way whenever a slot comes round is the week's new shape, and no anomaly any more."""

    def __init__(self, step: Step) -> None:
        self._hourly = step == "hour"
        self._off: dict[int, tuple[int, bool]] = {}

    def saw(self, slots: Slots, off: float, *, alone: bool) -> int | None:
        """The slot whose figures have changed, if that is clear by now.

        `off` is the distance of an anomaly, 0 where there is none; `alone` is whether it is none of a long one, which
        is no matter of single slots.
        """
        changed = None
        for slot, needed in self._watched(slots):
            if not off or not alone:
                self._off.pop(slot, None)
                continue
            before, up = self._off.get(slot, (0, off > 0))
            count = before + 1 if up == (off > 0) else 1
            self._off[slot] = count, off > 0
            if count >= needed and changed is None:
                changed = slot
        if changed is not None:
            for slot, _ in self._watched(slots):
                self._off.pop(slot, None)
        return changed

    def _watched(self, slots: Slots) -> tuple[tuple[int, int], ...]:
        """A weekday that is off a third time; an hour of the day a fourth time, an hour of the week a third time."""
        return ((slots.shared, 4), (slots.parts[2], 3)) if self._hourly else ((slots.shared, 3),)
