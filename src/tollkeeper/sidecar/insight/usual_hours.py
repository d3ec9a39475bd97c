"""What the same hours of the days before had, of those who are asked for: looked up once in each hour."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tollkeeper.insight.anomaly.runaway import LEAST_HOURS, LONG, Key, Slope
from tollkeeper.storage.ledger import DIMENSIONS, Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Totals

HOUR: Final = LONG
DAYS: Final = 28
"""So many days say what is usual."""


class Alike(NamedTuple):
    """What the same hours of other days had, and what a call cost then: how many an hour, and nano-dollars."""

    amounts: Mapping[Slope, Sequence[float]]
    before: tuple[float, float] | None


class UsualHours:
    """Of one ledger. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._hour = 0
        self._known: dict[Key, Alike] = {}

    def of(self, keys: Iterable[Key], now: int) -> Mapping[Key, Alike]:
        """Of these keys at least; none of them is a session."""
        hour = now // HOUR
        if hour != self._hour:
            self._hour, self._known = hour, {}
        missing: dict[str, set[str]] = {}
        for name, value in keys:
            if (name, value) not in self._known:
                missing.setdefault(name, set()).add(value)
        if missing:
            first = self._first_hour(hour)
            alike = [each for each in same_hours(hour, DAYS) if each >= first]
            for name, values in missing.items():
                self._look_up(name, values, alike)
        return self._known

    def _look_up(self, name: str, values: Collection[str], alike: Sequence[int]) -> None:
        group = tuple(each for each in DIMENSIONS if each == name)
        found: dict[str, list[Totals]] = {value: [] for value in values}
        # Some hours of each day are a small part of the ledger's sums; of everyone's, they are read once.
        for start, end in spans(alike):
            for row in self._ledger.usage(UsageQuery(start * HOUR, end * HOUR, group, {}, "hour")):
                value = row.group[0] if group else ""
                if value in found:
                    found[value].append(row.totals)
        for value, each in found.items():
            self._known[name, value] = _alike([*each, *[Totals()] * (len(alike) - len(each))])

    def _first_hour(self, hour: int) -> int:
        """That there were calls in: before, nobody can say what was usual."""
        days = self._ledger.usage(UsageQuery((hour - (DAYS + 1) * 24) * HOUR, hour * HOUR, (), {}, "day"))
        return min((row.bucket for row in days if row.bucket is not None), default=hour * HOUR) // HOUR


def _alike(hours: Sequence[Totals]) -> Alike:
    calls, costed = sum(one.calls for one in hours), sum(one.costed for one in hours)
    before = (calls / len(hours), sum(one.nano_usd for one in hours) / costed) if calls and costed else None
    spent, asked = [float(one.nano_usd) for one in hours], [float(one.calls) for one in hours]
    return Alike({"spend": spent, "requests": asked}, before)


def same_hours(hour: int, days: int) -> list[int]:
    """The hours of the days before at about that time, of working days or of weekends as the hour is itself; of all
    days where those are too few. Hours are counted from the epoch.
    """
    around = [hour - day * 24 + each for day in range(1, days + 1) for each in (-1, 0, 1)]
    alike = [each for each in around if _is_weekend(each) == _is_weekend(hour)]
    return alike if len(alike) >= LEAST_HOURS else around


def spans(hours: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Hours that follow on each other as one: the first, and the one after the last."""
    start = end = None
    for each in sorted(hours):
        if end != each:
            if start is not None and end is not None:
                yield start, end
            start = each
        end = each + 1
    if start is not None and end is not None:
        yield start, end


def _is_weekend(hour: int) -> bool:
    return datetime.fromtimestamp(hour * 3600, UTC).weekday() >= 5
