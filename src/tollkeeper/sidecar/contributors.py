"""Who has used the most of a limit: what a message names, besides how full it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tollkeeper.model import Limit
from tollkeeper.model.limit import Per
from tollkeeper.sidecar.ledger_use import Scope, dimensions_of, sums_of_rows
from tollkeeper.storage.ledger import DIMENSIONS, Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension

BLAMED: tuple[Per, ...] = ("feature", "user", "model", "service")
MOST_BLAMED = 2
LEAST_SHARE = 0.1
KEPT_NANOSECONDS = 30 * 10**9
"""Each channel is told of the same alert at about the same moment: for so long it is not looked up again."""
MOST_KEPT = 1000


_Key = tuple[str, Scope, int, int, int]
"""A limit's name, whose, the period, and how much was used."""


class Contributors:
    """Of one ledger; several threads may ask at once. `clock` tells nanoseconds. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._kept: dict[_Key, tuple[int, list[dict[str, Any]]]] = {}

    def of(self, limit: Limit, scope: Mapping[str, str], start: int, end: int, used: int = 0) -> list[dict[str, Any]]:
        """In that period: amounts in the unit of the limit's measure, and shares.

        `used` is of all of them: while it is the same, the answer may be as it was a moment ago. Empty where the
        ledger's sums know no such thing.
        """
        values = tuple(scope.get(name, "") for name in limit.per)
        key = limit.name, values, start, end, used
        now = self._clock()
        looked_at, found = self._kept.get(key, (0, []))
        if not looked_at <= now < looked_at + KEPT_NANOSECONDS:
            found = self._looked_up(limit, values, start, end)
            if len(self._kept) >= MOST_KEPT:
                self._kept = {}
            self._kept[key] = now, found
        return found

    def _looked_up(self, limit: Limit, values: Scope, start: int, end: int) -> list[dict[str, Any]]:
        dimensions = dimensions_of(limit)
        if dimensions is None:
            return []
        mine: dict[Dimension, tuple[str, ...]] = {
            name: (values[limit.per.index(name)],) for name in DIMENSIONS if name in limit.per
        }
        found: list[dict[str, Any]] = []
        for blamed in BLAMED:
            if blamed in limit.per:
                continue
            asked = tuple(name for name in DIMENSIONS if name in {*dimensions, blamed})
            rows = self._ledger.usage(UsageQuery(start, end, asked, mine))
            wider = replace(limit, per=(*limit.per, blamed))
            sums = sums_of_rows(wider, asked, ((row.group, row.totals) for row in rows))
            used = {each[-1]: amount for each, amount in sums.items() if each[:-1] == values}
            found += _largest(blamed, used)
        return found


def _largest(dimension: str, used: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    whole = sum(used.values())
    for value, amount in sorted(used.items(), key=lambda one: -one[1])[:MOST_BLAMED]:
        if value and whole and amount >= whole * LEAST_SHARE:
            yield {"dimension": dimension, "value": value, "amount": amount, "share": round(amount / whole, 3)}
