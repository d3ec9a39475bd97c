"""Rules of one's own: whether one holds, by what was used in its window and before."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.robust import median
from tollkeeper.insight.series import METRICS, Metric, Scope
from tollkeeper.model.anomaly_rule import MONEY, AnomalyRule, RuleMetric
from tollkeeper.model.finding import Severity

NANO: Final = 1_000_000_000
HOUR: Final = 3600 * NANO
FEWEST_HOURS: Final = 6
"""That have something to say: a z-score of fewer says nothing."""
FEWEST_DAYS: Final = 3
LEAST_DEVIATION: Final = 0.01
"""Of the mean: where nothing has ever varied, a hundredth more is one standard deviation."""


class Used(NamedTuple):
    """Sums over some calls, as the ledger has them. `counted` are those whose tokens are known."""

    calls: int = 0
    failed: int = 0
    tokens: int = 0
    nano_usd: int = 0
    costed: int = 0
    counted: int = 0
    seconds: float = 0.0
    timed: int = 0

    def plus(self, other: Used) -> Used:
        """Both together."""
        return Used._make(mine + yours for mine, yours in zip(self, other, strict=True))


class Reading(NamedTuple):
    """What a rule looks at, of one scope: the window, or its last whole hour, and what there was before, the oldest
    first. `start` and `end` are of the window, in nanoseconds since the epoch.
    """

    start: int
    end: int
    used: Used
    before: Sequence[Used] = ()


def metric_of(metric: RuleMetric) -> Metric:
    """What it is of: spend, of `spend_per_hour`."""
    said = metric.removesuffix("_per_hour")
    return next(each for each in METRICS if each == said)


def value_of(used: Used, metric: RuleMetric, hours: float = 1.0) -> float | None:
    """In the metric's unit, money in nano-dollars; `None` where calls have nothing to say of it."""
    if metric.endswith("_per_hour"):
        return float(_SUMS[metric_of(metric)](used)) / hours
    if (summed := _SUMS.get(metric_of(metric))) is not None:
        return float(summed(used))
    total, number = _SHARES[metric_of(metric)](used)
    return total / number if number else None


def judged(rule: AnomalyRule, scope: Scope, reading: Reading) -> Anomaly | None:
    """The anomaly, if the rule holds."""
    hours = (reading.end - reading.start) / HOUR
    actual = value_of(reading.used, rule.metric, hours)
    if actual is None or reading.used.nano_usd < rule.floor_nano_usd:
        return None
    before = [value for used in reading.before if (value := value_of(used, rule.metric, hours)) is not None]
    measured = _COMPARED[rule.type](rule, actual, before)
    if measured is None:
        return None
    score, expected, high = measured
    if score <= float(rule.threshold) * _unit(rule):
        return None
    metric = metric_of(rule.metric)
    excess = round(actual - expected) if metric == "spend" and rule.metric == "spend" else None
    return Anomaly(
        "rule", metric, scope, None, reading.start, reading.end, actual, expected, None, high,
        round(score / _unit(rule), 4), None if excess is None else max(excess, 0), severity_of(rule, score), rule.name,
    )  # fmt: skip


def severity_of(rule: AnomalyRule, score: float) -> Severity:
    """The worst whose value is reached."""
    reached = [name for name, value in rule.severities.items() if score >= float(value) * _unit(rule)]
    return reached[-1] if reached else "info" if "warning" in rule.severities else "warning"


def _unit(rule: AnomalyRule) -> float:
    """Thresholds of money are written in dollars."""
    return float(NANO) if rule.type == "threshold" and rule.metric in MONEY else 1.0


_Measured = tuple[float, float, float]
"""What is compared with the threshold, what was expected, and what is too much."""


def _threshold(rule: AnomalyRule, actual: float, _: Sequence[float]) -> _Measured | None:
    high = float(rule.threshold) * _unit(rule)
    return actual, high, high


def _ratio(rule: AnomalyRule, actual: float, before: Sequence[float]) -> _Measured | None:
    usual = median(before)
    if usual is None or len(before) < FEWEST_DAYS or usual <= 0:
        return None
    return actual / usual, usual, usual * float(rule.threshold)


def _z_score(rule: AnomalyRule, actual: float, before: Sequence[float]) -> _Measured | None:
    if len(before) < FEWEST_HOURS or not any(before):
        return None
    mean = math.fsum(before) / len(before)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in before) / (len(before) - 1))
    deviation = max(deviation, abs(mean) * LEAST_DEVIATION)
    return (actual - mean) / deviation, mean, mean + float(rule.threshold) * deviation


_COMPARED: Final[Mapping[str, Callable[[AnomalyRule, float, Sequence[float]], _Measured | None]]] = {
    "threshold": _threshold,
    "ratio": _ratio,
    "z_score": _z_score,
}
_SUMS: Final[Mapping[Metric, Callable[[Used], int]]] = {
    "spend": lambda used: used.nano_usd,
    "tokens": lambda used: used.tokens,
    "requests": lambda used: used.calls,
}
_SHARES: Final[Mapping[Metric, Callable[[Used], tuple[float, int]]]] = {
    "error_rate": lambda used: (used.failed, used.calls),
    "latency": lambda used: (used.seconds, used.timed),
    "tokens_per_request": lambda used: (used.tokens, used.counted),
    "cost_per_request": lambda used: (used.nano_usd, used.costed),
}
