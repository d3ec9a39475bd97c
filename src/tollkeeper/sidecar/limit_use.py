"""How far every limit is used, by everybody whom it counts for: for gauges and alerts.

Used is what the counters have, or the ledger, whichever is more: an app may have counters of its own, and what is
assumed for a call that nobody settled is in the counters alone. Without counters it is what the ledger has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import islice
from typing import NamedTuple

from tollkeeper.model import Limit
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.limit import Window
from tollkeeper.policy.binding import scope_in
from tollkeeper.policy.period import LENGTHS, period_of
from tollkeeper.sidecar.agreement import LONG_ENOUGH
from tollkeeper.sidecar.ledger_use import LedgerUse, dimensions_of
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.counters import CountersUnavailable

MOST_SCOPES = 1000
"""Of one limit: those that have used the most."""
MOST_FULL = 20_000
"""More than that only of those who have come to a threshold."""
KEPT_NANOSECONDS = 60 * 10**9
"""For so long, or as many times as long as it took, it is not looked up again what takes reading single calls."""
KEPT_TIMES = 20
LONGEST_KEPT = 900 * 10**9
FRESH_NANOSECONDS = 2 * 10**9
"""For so long one look does for whoever else wants to know; or for ten times as long as it has taken."""
FRESH_TIMES = 10
LONGEST_FRESH = 30 * 10**9

Scope = tuple[str, ...]


class LimitUse(NamedTuple):
    """One limit, and one of those it counts for. `used` is without what calls under way hold, but of concurrency.

    The period is in nanoseconds since the epoch; 0 where there is none. `key` names the usage to the counters.
    """

    limit: Limit
    scope: Mapping[str, str]
    used: int
    held: int
    period_start: int
    period_end: int
    key: str = ""

    @property
    def ratio(self) -> float:
        """Of the amount; a limit of nothing is used up."""
        return self.used / self.limit.amount if self.limit.amount else 1.0

    def elapsed(self, now: int) -> float | None:
        """How much of the period is over at that moment, from 0 to 1; `None` without a period."""
        length = self.period_end - self.period_start
        return (now - self.period_start) / length if length else None


class _Asked(NamedTuple):
    limit: Limit
    scope: Mapping[str, str]
    charge: Charge
    ledger: int | None
    start: int
    end: int


class Looked(NamedTuple):
    """What was found, and the names of limits of which it cannot be told how all of them stand.

    `at`: when it was begun, in nanoseconds since the epoch.
    """

    uses: Sequence[LimitUse]
    unknown: frozenset[str]
    at: int = 0


class LimitUses:
    """Of one sidecar. Several threads may use it. `clock` tells nanoseconds since the epoch.

    Raises `LedgerUnavailable`.
    """

    def __init__(self, use: LedgerUse, limiting: Limiting, clock: Callable[[], int]) -> None:
        self._use = use
        self._limiting = limiting
        self._clock = clock
        self._kept: dict[str, tuple[int, Mapping[Scope, int] | None]] = {}
        self._lock = threading.Lock()
        self._looked: tuple[int, Looked] | None = None
        """The last look, and until when it does."""

    def all(self) -> Sequence[LimitUse]:
        """Every limit that is counted, with the fullest of its scopes, as it was a moment ago."""
        return self.lately().uses

    def lately(self) -> Looked:
        """How all of them stood a moment ago."""
        with self._lock:
            known = self._looked
            if known is not None and known[1].at <= self._clock() < known[0]:
                return known[1]
        return self.look()

    def look(self) -> Looked:
        """How all of them stand now. Caps of a single call are not counted."""
        with self._lock:
            now = self._clock()
            unknown: set[str] = set()
            asked: list[_Asked] = []
            for limit in self._limiting.policy.limits:
                if is_counted(limit):
                    asked += self._asked(limit, now, unknown)
            uses = []
            for one, level in zip(asked, self._levels(asked), strict=True):
                if (use := _use_of(one, level)) is None:
                    unknown.add(one.limit.name)
                else:
                    uses.append(use)
            found = Looked(uses, frozenset(unknown), now)
            took = self._clock() - now
            self._looked = now + min(max(FRESH_NANOSECONDS, FRESH_TIMES * took), LONGEST_FRESH), found
            return found

    def of_keys(self, keys: Iterable[str]) -> list[LimitUse]:
        """Of what counters know by these names: also of those who have no call in the ledger."""
        now = self._clock()
        asked = [one for key in keys if (one := self._named(key, now)) is not None]
        found = (_use_of(one, level) for one, level in zip(asked, self._levels(asked), strict=True))
        return [use for use in found if use is not None]

    def _named(self, key: str, now: int) -> _Asked | None:
        for limit in self._limiting.policy.limits:
            values = scope_in(key, limit)
            if values is not None and len(values) == len(limit.per):
                scope: dict[str, str] = dict(zip(limit.per, values, strict=True))
                charge = charge_of(limit, scope, now)
                if charge.key == key:
                    return _Asked(limit, scope, charge, None, *_period(limit.window, now))
        return None

    def _asked(self, limit: Limit, now: int, unknown: set[str]) -> Iterator[_Asked]:
        start, end = _period(limit.window, now)
        fullest = self._fullest(limit, start, end, now)
        if fullest is None:
            unknown.add(limit.name)
        for values, ledger in fullest or ():
            scope: dict[str, str] = dict(zip(limit.per, values, strict=True))
            yield _Asked(limit, scope, charge_of(limit, scope, now), ledger, start, end)

    def _levels(self, asked: list[_Asked]) -> list[Level | None]:
        try:
            return list(self._limiting.levels([one.charge for one in asked]))
        except CountersUnavailable:
            return [None] * len(asked)

    def _fullest(self, limit: Limit, start: int, end: int, now: int) -> Sequence[tuple[Scope, int | None]] | None:
        """Whom the limit counts for, and what the ledger has of it; `None` where nobody can tell who they are."""
        window = limit.window
        if window is None or window.rolling or window.unit not in LONG_ENOUGH:
            # The ledger only says who has made calls of late.
            lately = self._sums(limit, now - LENGTHS["hour"], now, now) if limit.per else {(): 0}
            return None if lately is None else [(values, None) for values in islice(lately, MOST_SCOPES)]
        sums = self._sums(limit, start, end, now)
        if not limit.per:
            return [((), None if sums is None else sums.get((), 0))]
        if sums is None:
            return None
        told_from = limit.amount * min(limit.at, default=100)
        full = sum(1 for used in sums.values() if used * 100 >= told_from)
        return nlargest(max(MOST_SCOPES, min(full, MOST_FULL)), sums.items(), key=lambda one: one[1])

    def _sums(self, limit: Limit, start: int, end: int, now: int) -> Mapping[Scope, int] | None:
        if dimensions_of(limit) is not None:
            return self._use.of(limit, start, end)
        until, sums = self._kept.get(limit.name, (0, None))
        if now >= until or until - now > LONGEST_KEPT:
            sums, took = self._use.of(limit, start, end), self._clock() - now
            self._kept[limit.name] = now + min(max(KEPT_NANOSECONDS, KEPT_TIMES * took), LONGEST_KEPT), sums
        return sums


def is_counted(limit: Limit) -> bool:
    return limit.window is not None or limit.measure == "concurrency"


def _period(window: Window | None, now: int) -> tuple[int, int]:
    return (0, 0) if window is None or window.rolling else period_of(window, now)


def _use_of(one: _Asked, level: Level | None) -> LimitUse | None:
    if level is None:
        return (
            None
            if one.ledger is None
            else LimitUse(one.limit, one.scope, one.ledger, 0, one.start, one.end, one.charge.key)
        )
    used = level.held if one.limit.measure == "concurrency" else level.spent
    return LimitUse(one.limit, one.scope, max(used, one.ledger or 0), level.held, one.start, one.end, one.charge.key)
