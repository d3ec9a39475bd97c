"""Of anomalies that have one cause, the one that names it best: nobody is told of the same eight times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.series import SUMS, Metric, Series

NARROWEST: Final = ("user", "feature", "service", "project", "tenant", "model", "provider")
"""Whose it can be, the narrowest first; of everybody comes last."""
FAMILIES: Final[Mapping[Metric, str]] = {
    "spend": "use",
    "tokens": "use",
    "requests": "use",
    "cost_per_request": "use",
    "tokens_per_request": "use",
    "error_rate": "errors",
    "latency": "latency",
}
"""What moves together: more of the first makes more of the others."""
_ORDER: Final[Sequence[Metric]] = tuple(FAMILIES)
ALIKE: Final = 0.8
"""Where two excesses are so nearly the same, it is one excess, seen from two sides."""
BEFORE: Final = 7
"""So many intervals before one that has too little say what it might have been."""

Key = tuple[Metric, tuple[tuple[str, str], ...], bool]
"""What an anomaly is of: its metric, its scope, and whether it is too little."""


class Folded(NamedTuple):
    """An anomaly that is told, and what is the same, seen otherwise."""

    anomaly: Anomaly
    also: tuple[Anomaly, ...] = ()


def key_of(anomaly: Anomaly) -> Key:
    """What it is of."""
    return anomaly.metric, tuple(sorted(anomaly.scope.items())), anomaly.score < 0


def folded(anomalies: Iterable[Anomaly], known: Collection[Key] = ()) -> list[Folded]:
    """Those that are told. What is `known` already stays what is told; else money goes first, and the narrowest."""
    groups: list[list[Anomaly]] = []
    for one in sorted(anomalies, key=lambda each: (key_of(each) not in known, *_rank(each))):
        group = next((each for each in groups if any(_is_same(other, one) for other in each)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [Folded(first, tuple(rest)) for first, *rest in groups]


def at_stake(anomaly: Anomaly, spend: Series) -> float | None:
    """What was spent in its intervals, of the same scope, in nano-dollars; of too little, what was in those before.

    `None` where nothing was: what has no price says nothing of what is at stake.
    """
    first, end = bisect_left(spend.starts, anomaly.start), bisect_left(spend.starts, anomaly.end)
    if anomaly.score < 0:
        before = spend.values[max(first - BEFORE, 0) : first]
        mean = sum(value or 0.0 for value in before) / max(len(before), 1)
        return mean * max(end - first, 1) or None
    return sum(value or 0.0 for value in spend.values[first:end]) or None


def cause_of(anomaly: Anomaly, loops: Iterable[tuple[Anomaly, Mapping[str, str]]]) -> Anomaly | None:
    """The runaway that is the same: of a cause (by name) that this is of, too, or of everybody."""
    for loop, cause in loops:
        named = {**cause, **loop.scope}
        is_use = FAMILIES[anomaly.metric] == FAMILIES[loop.metric] and anomaly.score > 0
        if (
            is_use
            and not _is_apart(anomaly, loop)
            and all(named.get(key) == each for key, each in anomaly.scope.items())
        ):
            return loop
    return None


def hours_of(anomaly: Anomaly, hours: Iterable[Anomaly]) -> Anomaly | None:
    """The hour that makes the most of a day: it was told of already."""
    for hour in hours:
        same = hour.scope == anomaly.scope and hour.metric == anomaly.metric and (hour.score < 0) is (anomaly.score < 0)
        mine, its = abs(anomaly.actual - anomaly.expected), abs(hour.actual - hour.expected)
        if same and not _is_apart(anomaly, hour) and anomaly.metric in SUMS and its >= mine * ALIKE:
            return hour
    return None


def leader_of(one: Anomaly, others: Iterable[Anomaly]) -> Anomaly | None:
    """The greater excess that this one is only a part of: what it is made of is nearly all of that one's scope."""
    scopes = [{each.dimension: each.value} for each in one.contributors if (each.share or 0.0) >= ALIKE]
    for other in others:
        if other is one or other.scope not in scopes or other.metric != one.metric:
            continue
        if (other.excess_nano_usd or 0) > (one.excess_nano_usd or 0) and not _is_apart(one, other):
            return other
    return None


def _is_apart(one: Anomaly, other: Anomaly) -> bool:
    return one.start >= other.end or other.start >= one.end


def _rank(one: Anomaly) -> tuple[int, int, float]:
    width = min((NARROWEST.index(name) for name in one.scope if name in NARROWEST), default=len(NARROWEST))
    return (_ORDER.index(one.metric), width, -abs(one.score))


def _is_same(one: Anomaly, other: Anomaly) -> bool:
    if (
        _is_apart(one, other)
        or (one.score < 0) is not (other.score < 0)
        or FAMILIES[one.metric] != FAMILIES[other.metric]
    ):
        return False
    if one.scope == other.scope:
        return True
    if one.metric != other.metric or one.scope.keys() == other.scope.keys():
        return False
    if one.metric not in SUMS:
        return True
    mine, yours = abs(one.actual - one.expected), abs(other.actual - other.expected)
    return min(mine, yours) >= max(mine, yours) * ALIKE
