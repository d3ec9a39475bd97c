"""The ledger's rollups as series: one for each scope, of several metrics, with one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tollkeeper.insight.series import SUMS, Calendar, Metric, Series, Step, calendar
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension, Totals, UsageRow

Group = tuple[str, ...]
"""Values in the order of the dimensions that were asked for."""

_NS = 1e9

Measured = Callable[[Totals], tuple[float, int]]
"""The value, and how many calls are behind it: of none there is no average."""

MEASURES: Mapping[Metric, Measured] = {
    "spend": lambda sums: (sums.nano_usd, sums.calls),
    "tokens": lambda sums: (sums.input_tokens + sums.output_tokens, sums.calls),
    "requests": lambda sums: (sums.calls, sums.calls),
    "error_rate": lambda sums: (_average(sums.failed, sums.calls), sums.calls),
    "latency": lambda sums: (_average(sums.duration_ns / _NS, sums.timed), sums.timed),
    "tokens_per_request": lambda sums: (
        _average(sums.input_tokens + sums.output_tokens, _counted(sums)),
        _counted(sums),
    ),
    "cost_per_request": lambda sums: (_average(sums.nano_usd, sums.costed), sums.costed),
}
"""Of the sums of an interval. Cost and tokens are of the calls of which they are known."""


class History:
    """Of one ledger. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def series(
        self,
        metrics: Sequence[Metric],
        group_by: Sequence[Dimension],
        start: int,
        end: int,
        step: Step = "day",
        zone: str = "UTC",
        filters: Mapping[Dimension, tuple[str, ...]] | None = None,
    ) -> dict[Metric, dict[Group, Series]]:
        """By metric, those of every group that has calls from `start` to `end` (not included), in nanoseconds.

        The first interval is whole, the last may be under way. Raises `ValueError` for a zone that there is not.
        """
        when = calendar(start, end, step, zone)
        if not when.starts:
            return {metric: {} for metric in metrics}
        query = UsageQuery(when.starts[0], end, tuple(group_by), filters or {}, step, zone)
        return series_of(self._ledger.usage(query), when, metrics)


def series_of(rows: Sequence[UsageRow], when: Calendar, metrics: Sequence[Metric]) -> dict[Metric, dict[Group, Series]]:
    """The series of sums by interval and group."""
    by_group: dict[Group, dict[int, Totals]] = {}
    for row in rows:
        if row.bucket is not None:
            by_group.setdefault(row.group, {})[row.bucket] = row.totals
    return {metric: {group: _series(sums, when, metric) for group, sums in by_group.items()} for metric in metrics}


def _series(sums: Mapping[int, Totals], when: Calendar, metric: Metric) -> Series:
    found = {start: MEASURES[metric](totals) for start, totals in sums.items()}
    known = {
        start: None if _is_unknown(sums[start], metric) else value for start, (value, calls) in found.items() if calls
    }
    calls = {start: calls for start, (_, calls) in found.items()}
    return when.series(known, calls, adds_up=metric in SUMS)


def _is_unknown(sums: Totals, metric: Metric) -> bool:
    """Whether there were calls, and of none of them is known what they cost, or used: that is not nothing."""
    if metric == "spend":
        return bool(sums.unpriced or sums.unmeasured) and not sums.costed
    return metric == "tokens" and bool(sums.unmeasured) and not _counted(sums)


def _average(total: float, number: int) -> float:
    return total / number if number else 0.0


def _counted(sums: Totals) -> int:
    return sums.calls - sums.failed - sums.unmeasured
