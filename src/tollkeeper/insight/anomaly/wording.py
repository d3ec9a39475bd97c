"""An anomaly in words: what was expected, what there was, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.insight.series import Metric

NANO: Final = 1_000_000_000
HOUR: Final = 3600 * NANO
NAMED: Final[Mapping[Metric, str]] = {
    "spend": "spend",
    "tokens": "tokens",
    "requests": "requests",
    "error_rate": "error rate",
    "latency": "latency",
    "tokens_per_request": "tokens per request",
    "cost_per_request": "cost per request",
}
_CHANGED: Final[Mapping[str, str]] = {
    "more_calls": "more calls, rather than bigger ones",
    "bigger_calls": "bigger calls, rather than more of them",
}


def value_text(metric: Metric, value: float) -> str:
    """A figure of a metric for people, with its unit."""
    if metric in ("spend", "cost_per_request"):
        return money_text(value)
    if metric == "error_rate":
        return f"{value * 100:.1f} %"
    if metric == "latency":
        return f"{value:.2f} s"
    number = f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:,.1f}"
    return f"{number} {'requests' if metric == 'requests' else 'tokens'}"


def money_text(nano_usd: float) -> str:
    """Dollars to the cent, or to four digits where there is less than one."""
    dollars = nano_usd / NANO
    if abs(dollars) >= 1 or not dollars:
        return f"{'-' if dollars < 0 else ''}${abs(dollars):,.2f}"
    return f"{'-' if dollars < 0 else ''}${abs(dollars):.4f}".rstrip("0").ljust(5, "0")


def range_text(anomaly: Anomaly) -> str:
    """What would have been usual: `$1.00 to $7.00`; of what has no lower bound, `up to $7.00`."""
    low, high = anomaly.low, anomaly.high
    if low is None and high is None:
        return value_text(anomaly.metric, anomaly.expected)
    if high is None:
        return f"at least {value_text(anomaly.metric, low or 0)}"
    if low is None:
        return f"up to {value_text(anomaly.metric, high)}"
    return f"{value_text(anomaly.metric, low)} to {value_text(anomaly.metric, high)}"


def whom(anomaly: Anomaly) -> str:
    """` for session s1`; nothing of everybody."""
    named = [f"{name} {value or '(none)'}" for name, value in anomaly.scope.items()]
    return f" for {' and '.join(named)}" if named else ""


def subject_of(anomaly: Anomaly) -> str:
    """What it is called in lists, and by channels and silences: the rule's name, or `hourly spend`."""
    if anomaly.rule is not None:
        return anomaly.rule
    metric = NAMED[anomaly.metric]
    if anomaly.kind == "runaway":
        return f"runaway {metric}"
    return f"{'hourly' if anomaly.step == 'hour' else 'daily'} {metric}"


def title_of(anomaly: Anomaly) -> str:
    """In one line, without how severe it is."""
    actual, usual, each = value_text(anomaly.metric, anomaly.actual), range_text(anomaly), _each(anomaly)
    if anomaly.kind == "rule":
        return f"{subject_of(anomaly)}{whom(anomaly)}: {NAMED[anomaly.metric]} {actual}"
    stays = "stays at" if anomaly.kind == "level_shift" else "at"
    return f"{subject_of(anomaly)}{whom(anomaly)} {stays} {actual}{each}, usually {usual}"


def lines_of(anomaly: Anomaly, facts: Mapping[str, Any]) -> list[str]:
    """What there is to say of it, a line each."""
    each = _each(anomaly)
    lines = [f"Expected: {range_text(anomaly)}{each}", f"Actual: {value_text(anomaly.metric, anomaly.actual)}{each}"]
    if anomaly.rule is not None and (said := facts.get("condition")):
        lines.insert(0, f"Rule: {said}")
    if anomaly.excess_nano_usd is not None:
        lines.append(f"Excess: {money_text(anomaly.excess_nano_usd)}")
    if anomaly.kind == "runaway":
        lines += _of_runaway(facts)
    if change := _CHANGED.get(facts.get("change") or ""):
        lines.append(f"Why: {change}")
    if part_of := facts.get("part_of"):
        lines.append(f"Part of: {part_of}")
    lines.append(f"Since: {datetime.fromtimestamp(anomaly.start // NANO, UTC):%Y-%m-%d %H:%M} UTC")
    return lines


def contributor_text(one: Contributor) -> str:
    """`model gpt-4o: $12.00 more (80 %), by more calls`."""
    parts = {"more calls": one.more_calls, "bigger calls": one.bigger_calls, "dearer tokens": one.dearer_tokens}
    most = max(parts, key=lambda name: parts[name])
    why = f", by {most}" if parts[most] > 0 else ""
    return f"{one.dimension} {one.value or '(none)'}: {money_text(one.excess_nano_usd)} more{_share(one.share)}{why}"


def _share(share: float | None) -> str:
    if share is None:
        return ""
    percent = round(share * 100)
    return f" ({percent} %)" if percent <= 100 else " (more than all of it, as others spent less)"


def _of_runaway(facts: Mapping[str, Any]) -> list[str]:
    calls, rate, cost = facts.get("calls"), facts.get("calls_per_hour"), facts.get("nano_usd_per_hour")
    lines = []
    if calls is not None and rate is not None and cost is not None:
        spent = money_text(facts.get("nano_usd") or 0)
        lines.append(f"So far: {calls:,} calls for {spent}; at this pace {rate:,} calls and {money_text(cost)} an hour")
    cause = [f"{each['dimension']} {each['value']} ({each['share'] * 100:.0f} %)" for each in facts.get("cause") or ()]
    return [*lines, f"Cause: {', '.join(cause)}"] if cause else lines


def _each(anomaly: Anomaly) -> str:
    if anomaly.metric not in ("spend", "tokens", "requests"):
        return ""
    return " an hour" if anomaly.kind == "runaway" else ""
