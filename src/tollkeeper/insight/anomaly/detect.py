"""Anomalies of a series: each interval is judged by those before it, and what goes on is told once.

An interval whose figure is too far from what the baseline expects begins an anomaly; it goes on while figures are not
much nearer (hysteresis), and what begins again soon after is the same one (cooldown). None of it moves the baseline.
But what stays for days is a new level: it is adopted, and told once, as a shift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.baseline import LEAST_POOLED, UNKNOWN, Baseline, Expectation, Prior, Slots, pooled
from tollkeeper.insight.anomaly.judgement import Judgement
from tollkeeper.insight.anomaly.rates import RateBaseline
from tollkeeper.insight.anomaly.recurrence import Months, Shape, Zeros
from tollkeeper.insight.anomaly.runs import Runs
from tollkeeper.insight.anomaly.sensitivity import USUAL, Sensitivity
from tollkeeper.insight.series import SUMS, Metric, Scope, Series

_NOTHING: Final = math.log(0.01)
"""Of a series that always has something, nothing at all is taken for one percent of what is expected."""
_QUIET_PART: Final = 0.25
"""Where there has never been anything, so great a part of the level is too much."""
_CALLS_OF_NOISE: Final = 10.0
"""A mean over so few calls is as noisy from its calls as from the interval."""
_LEAST_ERRORS: Final = 5.0
"""So many more failed calls than expected, at the least, are news."""
_COMES_BACK: Final = 1.5
"""What was so many standard deviations too much a month ago may be so again."""

YOUNG_DAYS: Final = 28
"""A series of fewer days begins with what others have shown."""


class Scan(NamedTuple):
    """What a series shows: its anomalies in order, a judgement of each interval (or none), what it is like."""

    anomalies: tuple[Anomaly, ...]
    judgements: tuple[Judgement | None, ...]
    profile: Prior


def scan(
    series: Series,
    metric: Metric,
    scope: Scope,
    sensitivity: Sensitivity = USUAL,
    prior: Prior = UNKNOWN,
    *,
    complete: int | None = None,
    end: int | None = None,
) -> Scan:
    """The anomalies of a series.

    `complete` is how many of its intervals are over and no longer wait for late calls, all by default: those after
    are not judged to be too low, and not learned from. `end` is where the last interval ends.
    """
    kind = _Rates if metric == "error_rate" else _Figures
    work = kind(_Task(series, metric, scope, sensitivity, prior, len(series) if complete is None else complete, end))
    for index in range(len(series)):
        work.look(index)
    return work.result()


def scan_all(
    series: Mapping[tuple[str, ...], Series],
    metric: Metric,
    scopes: Mapping[tuple[str, ...], Scope],
    sensitivity: Sensitivity = USUAL,
    *,
    complete: int | None = None,
    end: int | None = None,
) -> dict[tuple[str, ...], Scan]:
    """The anomalies of many series alike. The young ones begin with what the old ones have shown to be usual."""
    old = {name: each for name, each in series.items() if _days(each) >= YOUNG_DAYS}
    found = {
        name: scan(each, metric, scopes[name], sensitivity, complete=complete, end=end) for name, each in old.items()
    }
    profiles = [each.profile for each in found.values()]
    prior = pooled(profiles) if len(profiles) >= LEAST_POOLED else UNKNOWN
    for name, each in series.items():
        if name not in found:
            found[name] = scan(each, metric, scopes[name], sensitivity, prior, complete=complete, end=end)
    return found


def _days(series: Series) -> int:
    """How many days it is since there first was something."""
    first = next((day for day, value in zip(series.dates, series.values, strict=True) if value), None)
    return 0 if first is None else (series.dates[-1] - first).days + 1


class _Task(NamedTuple):
    series: Series
    metric: Metric
    scope: Scope
    how: Sensitivity
    prior: Prior
    complete: int
    end: int | None


class _Figures:
    """A pass over a series of amounts or means."""

    def __init__(self, task: _Task) -> None:
        series, metric, scope, how, prior, complete, end = task
        self.series, self.how, self.complete = series, how, complete
        self.baseline = Baseline(series.step, prior, how.least_sd)
        self.months, self.zeros, self.shape = Months(), Zeros(), Shape(series.step)
        self.adds_up = metric in SUMS
        self.upper = how.begins(series.step)
        self.lower = self.upper + how.lower
        self.runs = Runs(series, metric, scope, how, end)
        self.judged: list[Judgement | None] = []
        self.expectation: Expectation | None = None
        self.days, self.day = 0, date.min

    def look(self, index: int) -> None:
        """Judges an interval, and then learns from it."""
        value, calls = self.series.values[index], self.series.calls[index]
        if not self.usable(value, calls):
            self.judged.append(None)
            self.baseline.skip()
            return
        assert value is not None
        if self.series.dates[index] != self.day:
            self.day = self.series.dates[index]
            self.days += 1
        self.judged.append(found := self.judge(index, value, calls))
        unusual = False
        if found is not None and self.days > self.how.earliest_days:
            unusual = self.runs.follow(found, self.slots(index), complete=index < self.complete)
        if index < self.complete:
            self.learn(index, value, calls, found if unusual else None)

    def usable(self, value: float | None, calls: int) -> bool:
        """Whether it says anything. A series begins with its first call."""
        if value is None or not math.isfinite(value) or value < 0:
            return False
        return self.days > 0 or value > 0 if self.adds_up else calls >= self.how.least_calls

    def slots(self, index: int) -> Slots:
        return self.baseline.slots(self.series.dates[index], self.series.hours[index])

    def noise(self, calls: int) -> float:
        return 1.0 if self.adds_up else math.sqrt(1 + _CALLS_OF_NOISE / max(calls, 1))

    def judge(self, index: int, value: float, calls: int) -> Judgement | None:
        slots = self.slots(index)
        self.expectation = expectation = self.baseline.expect(slots, self.noise(calls))
        if expectation is None or self.baseline.level is None:
            return None
        if value <= 0 and (self.zeros.ordinary(slots.shared) or index >= self.complete):
            return None
        if value > 0 and self.adds_up and self.zeros.always(slots.shared):
            high = math.exp(self.baseline.level) * _QUIET_PART
            return Judgement(index, value, 0.0, 0.0, high, self.upper * max(0.0, 1 + math.log(value / high)))
        centre, sd = expectation
        off = math.log(value) - centre if value > 0 else _NOTHING
        when, below = (self.series.dates[index], self.series.hours[index]), self.baseline.level - centre
        monthly = self.months.expected(*when, below)
        self.months.saw(*when, off, _COMES_BACK * sd, below)
        if monthly:
            off = off - monthly if off > monthly else min(off, 0.0)
        low, high = math.exp(centre - self.lower * sd), math.exp(centre + monthly + self.upper * sd)
        return Judgement(index, value, math.exp(centre + monthly), low, high, off / sd)

    def learn(self, index: int, value: float, calls: int, unusual: Judgement | None) -> None:
        slots = self.slots(index)
        self.zeros.saw(slots.shared, value <= 0)
        known = unusual is None or unusual.expected <= 0 or value <= 0
        off = 0.0 if unusual is None or known else math.log(value / unusual.expected)
        if (changed := self.shape.saw(slots, off, alone=not self.runs.is_long)) is not None:
            self.baseline.absorb(changed, off)
        if unusual is None and value > 0:
            self.baseline.learn(slots, math.log(value), self.noise(calls), self.expectation)
        else:
            self.baseline.skip()
        if shifted := self.runs.shifted():
            levels = [(slots, math.log(value)) for slots, value in shifted if value > 0]
            if len(levels) * 2 > len(shifted):
                self.baseline.adopt(levels)
            else:
                self.zeros.adopt()

    def result(self) -> Scan:
        self.runs.close()
        return Scan(tuple(self.runs.found), tuple(self.judged), self.baseline.profile)


class _Rates(_Figures):
    """A pass over a series of shares of calls: few calls are no news, whatever share of them failed."""

    def __init__(self, task: _Task) -> None:
        super().__init__(task)
        self.rate = RateBaseline(task.series.step)

    def judge(self, index: int, value: float, calls: int) -> Judgement | None:
        found = self.rate.judge(min(value, 1.0), calls)
        if found is None or (found.score > 0 and (value - found.expected) * calls < _LEAST_ERRORS):
            return None
        low, high = self.rate.usual(calls, self.lower, self.upper)
        return Judgement(index, value, found.expected, low, high, found.score)

    def learn(self, index: int, value: float, calls: int, unusual: Judgement | None) -> None:
        if unusual is None:
            self.rate.learn(min(value, 1.0), calls)
        if shifted := self.runs.shifted():
            self.rate.adopt([min(each, 1.0) for _, each in shifted])
