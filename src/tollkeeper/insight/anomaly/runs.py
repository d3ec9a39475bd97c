"""Intervals that are unusual one after the other are one anomaly: where it begins, goes on, ends, or stays for good."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tollkeeper.insight.anomaly.anomaly import Anomaly, AnomalyKind
from tollkeeper.insight.anomaly.baseline import Slots
from tollkeeper.insight.anomaly.judgement import Judgement
from tollkeeper.insight.anomaly.sensitivity import Sensitivity
from tollkeeper.insight.series import Metric, Scope, Series, Step
from tollkeeper.model.finding import Severity

_LONG: Final[dict[Step, int]] = {"hour": 3_600_000_000_000, "day": 86_400_000_000_000}
_A_DAY: Final[dict[Step, int]] = {"hour": 24, "day": 1}
_MOSTLY: Final = 0.8
"""A level has shifted if so many of its intervals are as unusual as that."""
_FAR, _MUCH = 5.0, 10.0
"""So many times what is expected, and so many times the least that is told, is critical."""
GOOD_WHEN_LOW: Final[frozenset[Metric]] = frozenset({"error_rate", "latency"})
"""Too little of these is nothing to be told of."""


@dataclass(slots=True)
class _Run:
    up: bool
    first: int
    last: int
    worst: Judgement
    excess: float = 0.0
    values: list[tuple[Slots, float]] = field(default_factory=list)
    stays: bool = False


class Runs:
    """The anomalies of a series, as its judgements come in one after the other."""

    def __init__(self, series: Series, metric: Metric, scope: Scope, how: Sensitivity, end: int | None) -> None:
        self._series, self._metric, self._scope, self._how, self._end = series, metric, scope, how, end
        self._begins = how.begins(series.step)
        self._least = how.least_excess(metric, series.step)
        self._cooldown = how.cooldown(series.step)
        self._stays_after = how.adopted_after * _A_DAY[series.step]
        self._run: _Run | None = None
        self._before: tuple[Judgement, Slots] | None = None
        self._shifted: list[tuple[Slots, float]] = []
        self.found: list[Anomaly] = []

    @property
    def is_long(self) -> bool:
        """Whether what goes on has lasted for half of a day."""
        run = self._run
        return run is not None and run.last - run.first >= max(_A_DAY[self._series.step] // 2, 1)

    def follow(self, judged: Judgement, slots: Slots, *, complete: bool) -> bool:
        """Whether the interval is part of an anomaly: of one that begins, or of one that goes on."""
        before, self._before = self._before, None
        run, up = self._run, judged.score > 0
        if run is not None and judged.at - run.last - 1 > self._cooldown:
            self.close()
            run = None
        if not (up or complete):
            return False
        strength = self._strength(judged)
        material = abs(judged.actual - judged.expected) >= self._least
        needed = self._how.continues if run is not None and judged.at == run.last + 1 else self._how.twice
        if run is not None and run.up == up and strength >= needed:
            self._extend(run, judged, slots)
            return True
        if not material or strength < self._how.twice:
            return False
        if strength < 1:
            self._before = judged, slots
            if before is None or before[0].at != judged.at - 1 or (before[0].score > 0) != up:
                return False
        self.close()
        self._run = run = _Run(up, judged.at, judged.at, judged)
        if strength < 1 and before is not None:
            run.first = before[0].at
            self._extend(run, *before)
        self._extend(run, judged, slots)
        return True

    def shifted(self) -> list[tuple[Slots, float]]:
        """The figures of a level that has just turned out to be there to stay; mostly none."""
        run = self._run
        if run is None or run.last - run.first + 1 < self._stays_after:
            return []
        if len(run.values) < _MOSTLY * (run.last - run.first + 1):
            return []
        run.stays = True
        self.close()
        return run.values[-self._stays_after :]

    def close(self) -> None:
        """What went on is over."""
        run, self._run = self._run, None
        if run is not None and (run.up or self._metric not in GOOD_WHEN_LOW):
            self.found.append(self._told(run))

    def _strength(self, judged: Judgement) -> float:
        """1 is enough to begin an anomaly."""
        return abs(judged.score) / (self._begins + (0.0 if judged.score > 0 else self._how.lower))

    def _extend(self, run: _Run, judged: Judgement, slots: Slots) -> None:
        run.last = judged.at
        run.excess += judged.actual - judged.expected
        if abs(judged.score) > abs(run.worst.score):
            run.worst = judged
        run.values.append((slots, judged.actual))

    def _told(self, run: _Run) -> Anomaly:
        starts, worst = self._series.starts, run.worst
        kind: AnomalyKind = "level_shift" if run.stays else "spike" if run.up else "drop"
        following = self._end if self._end is not None else starts[-1] + _LONG[self._series.step]
        return Anomaly(
            kind,
            self._metric,
            dict(self._scope),
            self._series.step,
            starts[run.first],
            starts[run.last + 1] if run.last + 1 < len(starts) else following,
            worst.actual,
            worst.expected,
            worst.low,
            worst.high,
            worst.score,
            round(run.excess) if self._metric == "spend" else None,
            self._severity(run),
        )

    def _severity(self, run: _Run) -> Severity:
        if not run.up:
            return "warning" if self._metric == "requests" and not run.stays else "info"
        worst = run.worst
        far = worst.actual >= _FAR * worst.expected and worst.actual - worst.expected >= _MUCH * self._least
        return "critical" if far and not run.stays else "warning"
