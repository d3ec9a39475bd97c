"""Looks for loops that run away: the last hour's calls, against the same hours of the weeks before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.insight.anomaly.explain import Use as Spent
from tollkeeper.insight.anomaly.explain import expected_use, top_contributors
from tollkeeper.insight.anomaly.runaway import (
    COLD,
    DEFAULTS,
    EVERYBODY,
    LEAST_SPREAD,
    LONG,
    MINUTE,
    SLOPES,
    TIMES,
    Hour,
    Key,
    Runaway,
    Sensitivity,
    Slope,
    Use,
    Usual,
    by_session,
    found,
    goes_on,
    is_steep,
    narrowed,
    since,
    usual_of,
    usual_of_peers,
)
from tollkeeper.insight.series import Scope
from tollkeeper.policy import Policy
from tollkeeper.sidecar.insight.attribution import BLAMED
from tollkeeper.sidecar.insight.usual_hours import DAYS, UsualHours, same_hours
from tollkeeper.storage.insight.anomalies import AnomalyStore, Found, Kept, factors
from tollkeeper.storage.insight.recent import RecentUse
from tollkeeper.storage.ledger import Ledger, UsageQuery

HOUR = LONG
DAY = 24 * HOUR
COOLDOWN = 30 * MINUTE
MOST_LOOKED_AT = 50
"""Scopes of which it is looked up what is usual for them: the steepest ones."""
MOST_EXPLAINED = 5
"""Of those that are found at once; all of them name their cause."""
LONGEST_LOOK = DAY
"""No further back is it added up what a loop has cost."""


class Runaways:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(self, recent: RecentUse, ledger: Ledger, store: AnomalyStore, policy: Callable[[], Policy]) -> None:
        self._recent = recent
        self._ledger = ledger
        self._store = store
        self._policy = policy
        self._usual = UsualHours(ledger)

    def find(self, now: int) -> list[Found]:
        """All that run away now."""
        hour, policy = self._recent.hour(now), self._policy()
        tuned = factors(self._store.tunings())
        open_ones = [kept for kept in self._store.open() if kept.source == "runaway"]
        known = [(kept, again) for kept in open_ones if (again := self._again(kept, hour, policy)) is not None]
        new = narrowed(self._new(hour, policy, tuned, now), hour, [again for _, again in known])
        found_now = [self._found(again, now, kept) for kept, again in known]
        explained = [self._parts(one, now) if number < MOST_EXPLAINED else () for number, one in enumerate(new)]
        return found_now + [self._found(one, now, None, parts) for one, parts in zip(new, explained, strict=True)]

    def _new(self, hour: Hour, policy: Policy, tuned: Mapping[Any, float], now: int) -> Iterator[Runaway]:
        steep = [(slope, *each) for slope in SLOPES for each in _steep(hour, slope, policy)]
        known = self._usual.of((key for _, key, _ in steep if key[0] != "session"), now)
        for slope, key, how in steep:
            if key[0] == "session":
                usual, before = usual_of_peers(hour.peers(key[1], slope), how), None
            else:
                usual, before = usual_of(known[key].amounts[slope], how), known[key].before
            factor = tuned.get((slope, ((key[0], key[1]),) if key[0] else ()), 1.0)
            usual = usual._replace(too_much=max(usual.too_much * factor, how.floor))
            if is_steep(hour.uses[key], slope, usual.too_much):
                yield by_session(found(key, slope, usual, hour, before), hour)

    def _again(self, kept: Kept, hour: Hour, policy: Policy) -> Runaway | None:
        """What was found before, as it is now; nothing if it is over."""
        anomaly = kept.anomaly
        slope: Slope = "spend" if anomaly.metric == "spend" else "requests"
        key = next(iter(anomaly.scope.items()), EVERYBODY)
        too_much = anomaly.high or DEFAULTS[slope].floor * COLD
        is_wanted = policy.detects("runaway", slope, key[0] or "total").enabled
        if not is_wanted or not goes_on(hour.uses.get(key, Use()), slope, too_much):
            return None
        usual = Usual(anomaly.expected, too_much, kept.facts.get("spread", LEAST_SPREAD))
        calls, cost = kept.facts.get("usual_calls_per_hour"), kept.facts.get("usual_nano_usd_per_call")
        return found(key, slope, usual, hour, None if calls is None or cost is None else (calls, cost))

    def _found(self, one: Runaway, now: int, kept: Kept | None, parts: tuple[Contributor, ...] = ()) -> Found:
        start = self._began(one, now) if kept is None else kept.anomaly.start
        added_up_from = max(start, now - LONGEST_LOOK)
        spent = self._recent.total(one.scope, added_up_from, now)
        usual = one.usual
        excess = None
        if one.slope == "spend":
            excess = max(round(spent.nano_usd - usual.expected * (now - added_up_from) / HOUR), 0)
        told = kept.anomaly.contributors if kept is not None else parts
        anomaly = Anomaly(
            "runaway", one.slope, one.scope, None, start, now, one.rate, usual.expected, None, usual.too_much,
            round(one.score, 3), excess, one.severity,
            None, told,
        )  # fmt: skip
        told_now = Found(anomaly, _facts(one, spent.calls, spent.nano_usd), COOLDOWN)
        return told_now if kept is None else _with_worst(told_now, kept)

    def _began(self, one: Runaway, now: int) -> int:
        minutes = [each.of(one.slope) for each in self._recent.minutes(one.scope, now)]
        return now - LONG + since(minutes) * MINUTE

    def _parts(self, one: Runaway, now: int) -> tuple[Contributor, ...]:
        """What its last hour has beyond what such an hour usually has; of a session nothing is usual."""
        hour = now // HOUR
        alike = set(same_hours(hour, DAYS))
        span = (hour - DAYS * 24 - 1) * HOUR, (hour - 1) * HOUR
        by_dimension: dict[str, tuple[Mapping[str, Spent], Mapping[str, Spent]]] = {}
        for dimension in BLAMED:
            if dimension in one.scope:
                continue
            actual = {
                values[0]: Spent(used.calls, used.tokens, used.nano_usd)
                for values, used in self._recent.groups((dimension,), now - LONG, now, one.scope)
            }
            usual: dict[str, list[Spent]] = {}
            if "session" not in one.scope:
                filters: Any = {name: (value,) for name, value in one.scope.items()}
                for row in self._ledger.usage(UsageQuery(*span, (dimension,), filters, "hour")):
                    if row.bucket is not None and row.bucket // HOUR in alike:
                        sums = row.totals
                        spent = Spent(sums.calls, sums.input_tokens + sums.output_tokens, sums.nano_usd)
                        usual.setdefault(row.group[0], []).append(spent)
            known = {name: expected_use(each, len(each) / len(alike)) for name, each in usual.items()}
            by_dimension[dimension] = actual, known
        return tuple(each for each in top_contributors(by_dimension) if each.value)


def _steep(hour: Hour, slope: Slope, policy: Policy) -> list[tuple[Key, Sensitivity]]:
    """Who is above the floor, the steepest first, and how sensitive one is to be."""
    found = []
    for key, use in hour.uses.items():
        said = policy.detects("runaway", slope, key[0] or "total")
        how = DEFAULTS[slope]
        if said.deviations is not None:
            how = how._replace(deviations=float(said.deviations))
        if said.floor_nano_usd is not None and slope == "spend":
            how = how._replace(floor=max(float(said.floor_nano_usd), 1.0))
        if said.enabled and is_steep(use, slope, how.floor):
            found.append((key, how))
    found.sort(key=lambda one: -hour.uses[one[0]].minutes.of(slope))
    return found[:MOST_LOOKED_AT]


def _with_worst(told_now: Found, kept: Kept) -> Found:
    """A loop that slows down is told of as it was when it was worst: what is left of it explains nothing."""
    anomaly, worst = told_now.anomaly, kept.anomaly
    if anomaly.excess_nano_usd is not None and worst.excess_nano_usd is not None:
        anomaly = anomaly._replace(excess_nano_usd=max(anomaly.excess_nano_usd, worst.excess_nano_usd))
    if anomaly.actual >= worst.actual:
        return told_now._replace(anomaly=anomaly)
    anomaly = anomaly._replace(actual=worst.actual, score=max(anomaly.score, worst.score))
    return told_now._replace(anomaly=anomaly, facts={**told_now.facts, "change": kept.facts.get("change")})


def _facts(one: Runaway, calls: int, nano_usd: int) -> dict[str, Any]:
    """Money is in nano-dollars. `calls` and `nano_usd` are since it began, `…_per_hour` by the last five minutes."""
    minutes = one.use.minutes
    return {
        "calls": calls,
        "nano_usd": nano_usd,
        "calls_per_hour": minutes.calls * TIMES,
        "nano_usd_per_hour": minutes.nano_usd * TIMES,
        "failed_per_hour": minutes.failed * TIMES,
        "usual_calls_per_hour": None if one.before is None else round(one.before[0], 3),
        "usual_nano_usd_per_call": None if one.before is None else round(one.before[1]),
        "change": None if one.bigger is None else "bigger_calls" if one.bigger else "more_calls",
        "cause": list(_causes(one.scope, one.cause)),
        "spread": one.usual.spread,
    }


def _causes(scope: Scope, cause: Mapping[str, tuple[str, float]]) -> Iterable[dict[str, Any]]:
    for name, value in scope.items():
        yield {"dimension": name, "value": value, "share": 1.0}
    for name, (value, share) in cause.items():
        yield {"dimension": name, "value": value, "share": round(share, 3)}
