"""What was used in each interval of a zone's calendar, one after the other, without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple, get_args

from tollkeeper.model.calendar import NS_A_SECOND, intervals, zone_named

Step = Literal["hour", "day"]
STEPS: tuple[Step, ...] = get_args(Step)

Metric = Literal["spend", "tokens", "requests", "error_rate", "latency", "tokens_per_request", "cost_per_request"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""`spend` and `cost_per_request` are in nano-dollars, `latency` is in seconds, `error_rate` is a share of one."""
SUMS: tuple[Metric, ...] = ("spend", "tokens", "requests")
"""Those that add up. Of the others there is nothing to say of an interval without calls."""

Scope = Mapping[str, str]
"""Whose figures these are: `{"tenant": "acme"}`; of everybody it is empty."""


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each interval, the oldest first.

    `starts` are nanoseconds since the epoch, `dates` and `hours` what the zone's clock shows then (hours of days are
    all 0). Of the metrics that add up, an interval without calls has 0, and one of whose calls nothing is known `None`;
    of others both have `None`. `calls` are those behind each value.
    """

    step: Step
    starts: tuple[int, ...]
    dates: tuple[date, ...]
    hours: tuple[int, ...]
    values: tuple[float | None, ...]
    calls: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.starts)

    def until(self, length: int) -> Series:
        """The first so many intervals: what was known then."""
        return self.part(slice(length))

    def part(self, which: slice) -> Series:
        """Some of its intervals, one after the other as they are."""
        return Series(
            self.step, self.starts[which], self.dates[which], self.hours[which], self.values[which], self.calls[which]
        )


class Calendar(NamedTuple):
    """The intervals themselves; many series share one."""

    step: Step
    starts: tuple[int, ...]
    dates: tuple[date, ...]
    hours: tuple[int, ...]

    def series(self, values: Mapping[int, float | None], calls: Mapping[int, int], *, adds_up: bool = True) -> Series:
        """The series of what there was, by the starts of intervals; `None` is what nobody knows."""
        missing = 0 if adds_up else None
        return Series(
            *self,
            tuple(values.get(start, missing) for start in self.starts),
            tuple(calls.get(start, 0) for start in self.starts),
        )


def calendar(start: int, end: int, step: Step, zone: str) -> Calendar:
    """The whole intervals from where the first begins to where the last ends. Raises `ValueError` for a zone."""
    clock = zone_named(zone)
    starts = tuple(span.bucket for span in intervals(start, end, step, zone) if span.bucket is not None)
    shown = [datetime.fromtimestamp(each // NS_A_SECOND, clock) for each in starts]
    hours = tuple(each.hour if step == "hour" else 0 for each in shown)
    return Calendar(step, starts, tuple(each.date() for each in shown), hours)
