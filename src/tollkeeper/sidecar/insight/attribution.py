"""What an anomaly is made of: whose calls, and what changed there, against the intervals that are like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.insight.anomaly.explain import Use, expected_use, shared_out, top_contributors
from tollkeeper.insight.series import SUMS, Step
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension, Totals

HOUR: Final = 3600 * 10**9
DAY: Final = 24 * HOUR
BLAMED: Final[Sequence[Dimension]] = ("user", "feature", "service", "model", "tenant")
LIKE: Final[Mapping[Step, tuple[int, int]]] = {"hour": (DAY, 7), "day": (7 * DAY, 4)}
"""How far apart the intervals are that an interval is like, and how many of them are looked at."""
MOST_CAUSES: Final = 4
LEAST_SHARE: Final = 0.2


class Attribution:
    """Of one ledger. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, anomaly: Anomaly) -> tuple[Anomaly, list[dict[str, Any]]]:
        """With what it is made of: of errors and latency who has the most of them, else the parts of the excess."""
        if anomaly.metric in ("error_rate", "latency"):
            return anomaly, self._most(anomaly)
        if anomaly.metric not in SUMS or anomaly.step is None or anomaly.score < 0:
            return anomaly, []
        found = self._parts(anomaly, anomaly.step)
        excess = sum(one.excess_nano_usd for one in found)
        return (anomaly._replace(contributors=found), []) if excess > 0 else (anomaly, [])

    def _parts(self, anomaly: Anomaly, step: Step) -> tuple[Contributor, ...]:
        apart, number = LIKE[step]
        by_dimension: dict[str, tuple[Mapping[str, Use], Mapping[str, Use]]] = {}
        for dimension in BLAMED:
            if dimension in anomaly.scope:
                continue
            actual = self._uses(anomaly, dimension, 0)
            like = [self._uses(anomaly, dimension, each * apart) for each in range(1, number + 1)]
            like = [each for each in like if each]
            names = {name for each in like for name in each}
            usual = {name: expected_use([each.get(name, Use()) for each in like]) for name in names}
            by_dimension[dimension] = actual, _scaled(usual, actual, anomaly)
        return top_contributors(by_dimension)

    def _uses(self, anomaly: Anomaly, dimension: Dimension, before: int) -> dict[str, Use]:
        rows = self._sums(anomaly, dimension, before)
        return {
            name: Use(sums.calls, sums.input_tokens + sums.output_tokens, sums.nano_usd) for name, sums in rows.items()
        }

    def _most(self, anomaly: Anomaly) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        dimensions: tuple[Dimension, ...] = ("provider", *BLAMED)
        for dimension in dimensions:
            if dimension in anomaly.scope:
                continue
            rows = self._sums(anomaly, dimension, 0)
            parts = {name: _part(anomaly, sums) for name, sums in rows.items() if name}
            whole = sum(_part(anomaly, sums) for sums in rows.values())
            name = max(parts, key=lambda each: parts[each], default="")
            if name and whole and parts[name] >= whole * LEAST_SHARE and len(rows) > 1:
                found.append({"dimension": dimension, "value": name, "share": round(parts[name] / whole, 3)})
        return sorted(found, key=lambda each: -each["share"])[:MOST_CAUSES]

    def _sums(self, anomaly: Anomaly, dimension: Dimension, before: int) -> dict[str, Totals]:
        filters: Any = {name: (value,) for name, value in anomaly.scope.items()}
        query = UsageQuery(anomaly.start - before, anomaly.end - before, (dimension,), filters)
        return {row.group[0]: row.totals for row in self._ledger.usage(query)}


def _scaled(usual: Mapping[str, Use], actual: Mapping[str, Use], anomaly: Anomaly) -> dict[str, Use]:
    """What was to be expected of each: their parts, made to add up to what was expected in all."""
    total = sum(round(each.nano_usd) for each in actual.values())
    expected = max(total - (anomaly.excess_nano_usd or 0), 0) if anomaly.excess_nano_usd is not None else None
    # Corrections may make what somebody has cost negative, and all of it together.
    if expected is None or sum(each.nano_usd for each in usual.values()) <= 0:
        return dict(usual)
    return shared_out(usual, expected)


def _part(anomaly: Anomaly, sums: Totals) -> int:
    return sums.failed if anomaly.metric == "error_rate" else sums.duration_ns
