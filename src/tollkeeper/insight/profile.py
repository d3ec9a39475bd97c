"""When calls are made: by hour and weekday of a zone's clock, with the hours without calls counted, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from tollkeeper.insight.series import calendar
from tollkeeper.model.calendar import NS_A_SECOND, zone_named

HOURS, WEEKDAYS = range(24), range(7)


class Use(NamedTuple):
    """What was used in some time. `nano_usd` is of the `costed` calls, whose cost is known."""

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    costed: int = 0

    def plus(self, other: Use) -> Use:
        """Both together."""
        return Use(*(one + another for one, another in zip(self, other, strict=True)))


NONE = Use()


class Slot(NamedTuple):
    """An hour of a weekday (0 is Monday), an hour of the day (weekday `None`), or a weekday (hour `None`).

    `times` is how often it came in the range: what is used at one time is `use`, divided by it. For weekdays these are
    days. Where clocks go back an hour comes twice a day, where they go forward, not at all.
    """

    weekday: int | None
    hour: int | None
    times: int
    use: Use

    @property
    def calls_a_time(self) -> float | None:
        """On average; `None` if it never came."""
        return self.use.calls / self.times if self.times else None


class Profile(NamedTuple):
    """Of one range. `cells` are by weekday, then hour; all 168 of them."""

    cells: tuple[Slot, ...]
    hours: tuple[Slot, ...]
    weekdays: tuple[Slot, ...]

    @property
    def peak_hours(self) -> tuple[Slot, ...]:
        """Hours of the day with calls, the busiest first."""
        return _busiest(self.hours)

    @property
    def peaks(self) -> tuple[Slot, ...]:
        """Hours of weekdays with calls, the busiest first."""
        return _busiest(self.cells)


def profile(start: int, end: int, zone: str, uses: Mapping[int, Use]) -> Profile:
    """Of what was used in each hour of a zone's calendar, by where the hour begins, in nanoseconds since the epoch.

    Raises `ValueError` for a zone that there is not.
    """
    clock = zone_named(zone)
    hours = calendar(start, end, "hour", zone)
    found: dict[tuple[int, int], tuple[int, Use]] = {}
    for begins in hours.starts:
        shown = datetime.fromtimestamp(begins // NS_A_SECOND, clock)
        place = shown.weekday(), shown.hour
        times, use = found.get(place, (0, NONE))
        found[place] = times + 1, use.plus(uses.get(begins, NONE))
    days = [date.weekday() for date in calendar(start, end, "day", zone).dates]
    cells = tuple(Slot(weekday, hour, *found.get((weekday, hour), (0, NONE))) for weekday in WEEKDAYS for hour in HOURS)
    return Profile(
        cells,
        tuple(_together(None, hour, (cell for cell in cells if cell.hour == hour)) for hour in HOURS),
        tuple(
            _together(weekday, None, (cell for cell in cells if cell.weekday == weekday))._replace(
                times=days.count(weekday)
            )
            for weekday in WEEKDAYS
        ),
    )


def _together(weekday: int | None, hour: int | None, cells: Iterable[Slot]) -> Slot:
    times, use = 0, NONE
    for cell in cells:
        times, use = times + cell.times, use.plus(cell.use)
    return Slot(weekday, hour, times, use)


def _busiest(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    used = (slot for slot in slots if slot.use.calls)
    return tuple(sorted(used, key=lambda slot: (-(slot.calls_a_time or 0), slot.weekday or 0, slot.hour or 0)))
