"""Looks whether the rules hold that a policy has for anomalies: by the ledger's sums, and of sessions by its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tollkeeper.insight.anomaly.rules import Reading, Used, judged
from tollkeeper.model.anomaly_rule import AnomalyRule
from tollkeeper.policy import Policy
from tollkeeper.policy.anomaly_table import threshold_text
from tollkeeper.storage.insight.anomalies import Found
from tollkeeper.storage.insight.recent import RecentUse
from tollkeeper.storage.ledger import DIMENSIONS, Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension, Totals

NANO = 1_000_000_000
HOUR = 3600 * NANO
DAY = 24 * HOUR
MOST_FOUND = 200
"""Of one rule: the highest."""

Values = tuple[str, ...]
"""Of a rule's `per`, in its order."""


class Rules:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger, recent: RecentUse, policy: Callable[[], Policy]) -> None:
        self._ledger = ledger
        self._recent = recent
        self._policy = policy

    def find(self, now: int) -> list[Found]:
        """All that hold now."""
        return [found for rule in self._policy().anomalies for found in self._of_rule(rule, now)]

    def _of_rule(self, rule: AnomalyRule, now: int) -> list[Found]:
        facts = {"condition": threshold_text(rule), "threshold": float(rule.threshold)}
        cooldown = rule.cooldown_seconds * NANO
        found = []
        for values, reading in self._readings(rule, now):
            anomaly = judged(rule, dict(zip(rule.per, values, strict=True)), reading)
            if anomaly is not None:
                told = {"calls": reading.used.calls, "nano_usd": reading.used.nano_usd}
                found.append(Found(anomaly, {**facts, **told}, cooldown))
        found.sort(key=lambda one: -one.anomaly.score)
        return found[:MOST_FOUND]

    def _readings(self, rule: AnomalyRule, now: int) -> Iterator[tuple[Values, Reading]]:
        if rule.type == "z_score":
            yield from self._hours(rule, now)
            return
        window = rule.window_seconds * NANO
        days = range(rule.baseline_days, 0, -1) if rule.type == "ratio" else ()
        spans = [(now - day * DAY - window, now - day * DAY) for day in days]
        before = [self._sums(rule, start, end) for start, end in spans if self._has_calls(start, end)]
        for values, used in self._sums(rule, now - window, now).items():
            yield values, Reading(now - window, now, used, [sums.get(values, Used()) for sums in before])

    def _hours(self, rule: AnomalyRule, now: int) -> Iterator[tuple[Values, Reading]]:
        last = now // HOUR - 1
        first = last - rule.window_seconds // 3600
        by_hour = self._by_hour(rule, first, last + 1)
        known = {hour for sums in by_hour.values() for hour in sums}
        for values, sums in by_hour.items():
            if last in sums:
                # Before there was any call at all, there was no hour to compare with.
                before = [sums.get(hour, Used()) for hour in range(max(first, min(known)), last)]
                yield values, Reading(last * HOUR, (last + 1) * HOUR, sums[last], before)

    def _by_hour(self, rule: AnomalyRule, first: int, end: int) -> dict[Values, dict[int, Used]]:
        dimensions = _dimensions(rule)
        found: dict[Values, dict[int, Used]] = {}
        for row in self._ledger.usage(UsageQuery(first * HOUR, end * HOUR, dimensions, {}, "hour")):
            values = _values(rule, dimensions, row.group)
            if values is not None and row.bucket is not None:
                sums, hour = found.setdefault(values, {}), row.bucket // HOUR
                sums[hour] = sums.get(hour, Used()).plus(_used(row.totals))
        return found

    def _sums(self, rule: AnomalyRule, start: int, end: int) -> Mapping[Values, Used]:
        found: dict[Values, Used] = {}
        for values, used in self._rows(rule, start, end):
            found[values] = found.get(values, Used()).plus(used)
        return found

    def _rows(self, rule: AnomalyRule, start: int, end: int) -> Iterator[tuple[Values, Used]]:
        if "session" in rule.per:
            names = ("session", *_dimensions(rule))
            groups: Sequence[tuple[Values, Used]] = self._recent.groups(names, start, end)
        else:
            names = _dimensions(rule)
            rows = self._ledger.usage(UsageQuery(start, end, _dimensions(rule)))
            groups = [(row.group, _used(row.totals)) for row in rows]
        for group, used in groups:
            values = _values(rule, names, group)
            if values is not None and not ("session" in rule.per and not values[rule.per.index("session")]):
                yield values, used

    def _has_calls(self, start: int, end: int) -> bool:
        """Of a day without any call at all, nobody can say what is usual."""
        day = start // DAY * DAY
        return any(row.totals.calls for row in self._ledger.usage(UsageQuery(day, max(end, day + DAY))))


def _dimensions(rule: AnomalyRule) -> tuple[Dimension, ...]:
    match = rule.match
    fields: Mapping[str, Any] = {"provider": match.provider, "model": match.model, "operation": match.operation}
    asked = {*rule.per, *match.tags, *(name for name, globs in fields.items() if globs)}
    return tuple(name for name in DIMENSIONS if name in asked)


def _values(rule: AnomalyRule, names: Sequence[str], group: Values) -> Values | None:
    """Whose the row is; nothing if the rule does not mean it."""
    said = dict(zip(names, group, strict=True))
    known = (said.get("provider", ""), said.get("model", ""), said.get("operation", ""), said)
    return tuple(said[name] for name in rule.per) if rule.match.of(*known) else None


def _used(sums: Totals) -> Used:
    counted = sums.calls - sums.failed - sums.unmeasured
    return Used(
        sums.calls, sums.failed, sums.input_tokens + sums.output_tokens, sums.nano_usd, sums.costed, counted,
        sums.duration_ns / NANO, sums.timed,
    )  # fmt: skip
