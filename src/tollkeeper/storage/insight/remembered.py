"""What was read from the calls of hours and days, kept in memory: it is read again where their sums have changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from tollkeeper.model.calendar import Span
from tollkeeper.storage.ledger import Ledger, Totals, UsageQuery
from tollkeeper.storage.ledger.tables import NS_A_DAY, NS_AN_HOUR
from tollkeeper.storage.ledger.usage import take_apart

T = TypeVar("T")

Stretch = tuple[int, int]
"""From one moment to another (not included), in nanoseconds since the epoch."""
Sums = tuple[Totals | None, ...]


class _Known(NamedTuple, Generic[T]):
    sums: Sums
    found: T


class Remembered(Generic[T]):
    """`read` makes of the calls of a stretch of time what is to be kept of it; what it makes of several adds up.

    `looks_ahead`: it reads on for so many hours after the stretch, so that these must not have changed, either.
    `is_final`: whether time alone does not change it any more. For one thread.
    """

    def __init__(
        self,
        ledger: Ledger,
        read: Callable[[int, int], T],
        looks_ahead: int = 0,
        is_final: Callable[[T], bool] = lambda found: True,
    ) -> None:
        self._ledger = ledger
        self._read = read
        self._looks_ahead = looks_ahead
        self._is_final = is_final
        self._known: dict[Stretch, _Known[T]] = {}

    def of(self, ranges: Sequence[Stretch]) -> list[list[T]]:
        """For each range, what its whole days, whole hours and edges come to; without those that have no calls."""
        begins, ends = min(start for start, _ in ranges), max(end for _, end in ranges)
        ahead = self._looks_ahead * NS_AN_HOUR
        rows = self._ledger.usage(UsageQuery(begins // NS_AN_HOUR * NS_AN_HOUR, ends + ahead, interval="hour"))
        sums = {(row.bucket or 0) // NS_AN_HOUR: row.totals for row in rows}
        before, self._known = self._known, {}
        return [
            [self._one(stretch, sums, before) for stretch in _stretches(*each) if self._has_calls(stretch, sums)]
            for each in ranges
        ]

    def _one(self, stretch: Stretch, sums: dict[int, Totals], before: dict[Stretch, _Known[T]]) -> T:
        if (known := self._known.get(stretch)) is not None:
            return known.found
        now = tuple(sums.get(hour) for hour in _hours(stretch, self._looks_ahead))
        known = before.get(stretch)
        if known is None or known.sums != now or not self._is_final(known.found):
            known = _Known(now, self._read(*stretch))
        self._known[stretch] = known
        return known.found

    def _has_calls(self, stretch: Stretch, sums: dict[int, Totals]) -> bool:
        return any((totals := sums.get(hour)) is not None and totals.calls for hour in _hours(stretch, 0))


def _stretches(start: int, end: int) -> list[Stretch]:
    parts = take_apart([Span(None, start, end)], 0)
    days = [day for span in parts.days for day in range(span.start, span.end)]
    hours = [hour for span in parts.hours for hour in range(span.start, span.end)]
    return [
        *((day * NS_A_DAY, (day + 1) * NS_A_DAY) for day in days),
        *((hour * NS_AN_HOUR, (hour + 1) * NS_AN_HOUR) for hour in hours),
        *((span.start, span.end) for span in parts.moments),
    ]


def _hours(stretch: Stretch, ahead: int) -> range:
    return range(stretch[0] // NS_AN_HOUR, -(-stretch[1] // NS_AN_HOUR) + ahead)
