"""Compares each hour and each day with those before it, for everybody and for whoever spends the most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.detect import scan_all
from tollkeeper.insight.anomaly.folding import ALIKE, Key, at_stake, cause_of, folded, hours_of, key_of, leader_of
from tollkeeper.insight.anomaly.sensitivity import Sensitivity
from tollkeeper.insight.anomaly.wording import title_of
from tollkeeper.insight.series import METRICS, Metric, Scope, Series, Step
from tollkeeper.model.anomaly_rule import Detection
from tollkeeper.policy import Policy
from tollkeeper.sidecar.insight.attribution import Attribution
from tollkeeper.storage.insight.anomalies import AnomalyQuery, AnomalyStore, Found, Kept, Source, factors
from tollkeeper.storage.insight.history import History
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension

MINUTE: Final = 60 * 10**9
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LENGTHS: Final[Mapping[Step, int]] = {"hour": HOUR, "day": DAY}
LOOKED_BACK: Final[Mapping[Step, int]] = {"hour": 35 * DAY, "day": 400 * DAY}
LATE: Final = 10 * MINUTE
"""So long after an interval calls of it may still come; that it has too few is not said earlier."""
SCOPES: Final[Mapping[Dimension, Mapping[Step, int]]] = {
    "tenant": {"hour": 40, "day": 150},
    "project": {"hour": 20, "day": 100},
    "user": {"hour": 20, "day": 100},
    "service": {"hour": 20, "day": 50},
    "feature": {"hour": 40, "day": 100},
    "model": {"hour": 20, "day": 50},
    "provider": {"hour": 10, "day": 10},
}
"""Whose figures are looked at: of each kind, so many who have spent the most of late."""
RANKED_BY: Final = 28 * DAY
PAST: Final = 60 * DAY
"""So far back anomalies are kept that were over before anybody looked."""
COOLDOWN: Final[Mapping[Step, int]] = {"hour": 3 * HOUR, "day": DAY}
MONEY_AT_STAKE: Final[Mapping[Step, float]] = {"hour": 1e9, "day": 5e9}
"""Where less was spent, nobody needs to know of tokens and requests; of what has no price, one never knows."""
MATTERS_BY_MONEY: Final[tuple[Metric, ...]] = ("tokens", "requests", "tokens_per_request", "cost_per_request")
MOST_TOLD: Final = 200
MOST_EXPLAINED: Final = 40
MOST_BEFORE: Final = 1000

Group = tuple[str, ...]


class Looked(NamedTuple):
    """Series of one kind of scope, by metric and group, and how many of their intervals are over."""

    dimension: Dimension | None
    series: Mapping[Metric, Mapping[Group, Series]]


class Intervals:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger, history: History, store: AnomalyStore, policy: Callable[[], Policy]) -> None:
        self._ledger = ledger
        self._history = history
        self._store = store
        self._policy = policy
        self._attribution = Attribution(ledger)

    def run(self, step: Step, now: int) -> dict[str, int]:
        """Find, keep and follow. Returns how many series were looked at, and what came of it."""
        source: Source = "hour" if step == "hour" else "day"
        open_ones = {key_of(kept.anomaly): kept for kept in self._store.open() if kept.source == source}
        current: list[Anomaly] = []
        past: list[Anomaly] = []
        looked_at = 0
        for looked in self._looks(step, now):
            looked_at += sum(len(each) for each in looked.series.values())
            for anomaly in self._scanned(looked, step, now):
                (current if holds(anomaly, step, now) else past).append(anomaly)
        self._store.remember(self._explained(self._store.unknown(Found(one.anomaly) for one in folded(past))), now)
        held = self._store.follow(source, self._told(current, open_ones, step, now), now)
        return {"series": looked_at, "open": len(held)}

    def _explained(self, past: Iterable[Found]) -> list[Found]:
        """With what the dearest of them are made of."""
        ranked = sorted(past, key=lambda one: -abs(one.anomaly.excess_nano_usd or 0))
        found = []
        for one in ranked[:MOST_EXPLAINED]:
            anomaly, cause = self._attribution.of(one.anomaly)
            found.append(one._replace(anomaly=anomaly, facts={**one.facts, **({"cause": cause} if cause else {})}))
        return found + ranked[MOST_EXPLAINED:]

    def _told_before(self, step: Step, now: int) -> tuple[list[tuple[Anomaly, dict[str, str]]], list[Anomaly]]:
        """Loops, and of days their hours: who was told of those is not told of the same again."""
        lately = self._store.anomalies(AnomalyQuery(start=now - 2 * DAY, limit=MOST_BEFORE))
        loops = [(kept.anomaly, _causes(kept)) for kept in lately if kept.source == "runaway"]
        hours = [kept.anomaly for kept in lately if kept.source == "hour" and step == "day"]
        return loops, hours

    def _looks(self, step: Step, now: int) -> Iterator[Looked]:
        start = now - LOOKED_BACK[step]
        yield Looked(None, self._history.series(METRICS, (), start, now, step))
        for dimension, most in SCOPES.items():
            names = self._largest(dimension, most[step], now)
            if names:
                found = self._history.series(METRICS, (dimension,), start, now, step, filters={dimension: names})
                yield Looked(dimension, found)

    def _largest(self, dimension: Dimension, most: int, now: int) -> tuple[str, ...]:
        rows = self._ledger.usage(UsageQuery(now - RANKED_BY, now, (dimension,)))
        ranked = sorted(rows, key=lambda row: (-row.totals.nano_usd, -row.totals.calls, row.group))
        named = [row.group[0] for row in ranked if row.group[0]]
        return tuple(named[:most])

    def _scanned(self, looked: Looked, step: Step, now: int) -> Iterator[Anomaly]:
        policy, tuned = self._policy(), factors(self._store.tunings())
        name = looked.dimension or "total"
        for metric, series in looked.series.items():
            detection = policy.detects("hourly" if step == "hour" else "daily", metric, name)
            if not detection.enabled or not series:
                continue
            scopes = {group: _scope(looked.dimension, group) for group in series}
            starts = next(iter(series.values())).starts
            complete = sum(start + LENGTHS[step] + LATE <= now for start in starts)
            for factor, groups in _by_factor(metric, scopes, tuned).items():
                ours = {group: series[group] for group in groups}
                found = scan_all(ours, metric, scopes, sensitivity_of(detection, metric, factor), complete=complete)
                floor = MONEY_AT_STAKE[step] if detection.floor_nano_usd is None else detection.floor_nano_usd
                for group, each in found.items():
                    spend = looked.series["spend"].get(group)
                    yield from (one for one in each.anomalies if one.end > now - PAST and _matters(one, spend, floor))

    def _told(self, current: Iterable[Anomaly], known: Mapping[Key, Kept], step: Step, now: int) -> list[Found]:
        groups = folded(current, known)
        groups.sort(key=lambda one: (key_of(one.anomaly) not in known, -abs(one.anomaly.excess_nano_usd or 0)))
        loops, hours = self._told_before(step, now)
        told: list[Found] = []
        for number, (anomaly, also) in enumerate(groups[:MOST_TOLD]):
            before = known.get(key_of(anomaly))
            facts: dict[str, Any] = {"also": [title_of(each) for each in also]}
            if (part_of := cause_of(anomaly, loops) or hours_of(anomaly, hours)) is not None:
                facts["part_of"] = title_of(part_of)
            if before is not None and before.anomaly.severity == anomaly.severity:
                anomaly = anomaly._replace(contributors=before.anomaly.contributors)
                facts |= {name: before.facts[name] for name in ("cause",) if name in before.facts}
            elif number < MOST_EXPLAINED:
                anomaly, cause = self._attribution.of(anomaly)
                facts |= {"cause": cause} if cause else {}
            told.append(Found(anomaly, facts, COOLDOWN[step]))
        return _without_parts(told, known)


def holds(anomaly: Anomaly, step: Step, now: int) -> bool:
    """Whether it is of the interval that is under way, or of the last one that is over and waits for no late calls."""
    length = LENGTHS[step]
    return anomaly.end > (now - LATE) // length * length - length


def _matters(anomaly: Anomaly, spend: Series | None, floor: float) -> bool:
    """Whether there is money at stake, where it is money that makes it matter."""
    if spend is None or anomaly.metric not in MATTERS_BY_MONEY:
        return True
    stake = at_stake(anomaly, spend)
    return stake is None or stake >= floor


def _without_parts(told: Sequence[Found], known: Mapping[Key, Kept]) -> list[Found]:
    """Who is only a part of somebody's greater excess is named there, and not told of besides."""
    all_found = [one.anomaly for one in told]
    parts: dict[Key, list[str]] = {}
    kept = []
    for one in told:
        leader = None if key_of(one.anomaly) in known else leader_of(one.anomaly, all_found)
        if leader is None:
            kept.append(one)
        else:
            parts.setdefault(key_of(leader), []).append(title_of(one.anomaly))
    return [
        one._replace(facts={**one.facts, "also": [*one.facts["also"], *parts.get(key_of(one.anomaly), ())]})
        for one in kept
    ]


def _causes(kept: Kept) -> dict[str, str]:
    """Whose a loop is nearly all, by name."""
    return {each["dimension"]: each["value"] for each in kept.facts.get("cause", ()) if each["share"] >= ALIKE}


def sensitivity_of(detection: Detection, metric: Metric, factor: float = 1.0) -> Sensitivity:
    """As the policy and people's labels have it."""
    usual = Sensitivity()
    day = usual.day if detection.deviations is None else float(detection.deviations)
    hour = usual.hour if detection.deviations is None else float(detection.deviations)
    least = dict(usual.least)
    if detection.floor_nano_usd is not None and metric in ("spend", "cost_per_request"):
        least[metric] = float(detection.floor_nano_usd)
    return replace(usual, day=day * factor, hour=hour * factor, least=least)


def _by_factor(metric: Metric, scopes: Mapping[Group, Scope], tuned: Mapping[Any, float]) -> dict[float, list[Group]]:
    found: dict[float, list[Group]] = {}
    for group, scope in scopes.items():
        found.setdefault(tuned.get((metric, tuple(sorted(scope.items()))), 1.0), []).append(group)
    return found


def _scope(dimension: Dimension | None, group: Sequence[str]) -> Scope:
    return {} if dimension is None else {dimension: group[0]}
