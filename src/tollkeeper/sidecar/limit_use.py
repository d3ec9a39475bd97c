"""How far every limit is used, by everybody whom it counts for: for gauges and alerts.

Used is what the counters have, or the ledger, whichever is more: an app may have counters of its own, and what is
assumed for a call that nobody settled is in the counters alone. Without counters it is what the ledger has.
"""

from __future__ import annotations

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
KEPT_NANOSECONDS = 60 * 10**9
"""For so long it is not looked up again what takes reading single calls."""

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


class LimitUses:
    """Of one sidecar. `clock` tells nanoseconds since the epoch. Raises `LedgerUnavailable`."""

    def __init__(self, use: LedgerUse, limiting: Limiting, clock: Callable[[], int]) -> None:
        self._use = use
        self._limiting = limiting
        self._clock = clock
        self._kept: dict[str, tuple[int, Mapping[Scope, int]]] = {}

    def all(self) -> list[LimitUse]:
        """Every limit that is counted, with the fullest of its scopes; caps of a single call are not counted.

        Without counters, those that only they know are left out.
        """
        now = self._clock()
        asked = [one for limit in self._limiting.policy.limits if _is_counted(limit) for one in self._asked(limit, now)]
        found = (_use_of(one, level) for one, level in zip(asked, self._levels(asked), strict=True))
        return [use for use in found if use is not None]

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

    def _asked(self, limit: Limit, now: int) -> Iterator[_Asked]:
        start, end = _period(limit.window, now)
        for values, ledger in self._fullest(limit, start, end, now):
            scope: dict[str, str] = dict(zip(limit.per, values, strict=True))
            yield _Asked(limit, scope, charge_of(limit, scope, now), ledger, start, end)

    def _levels(self, asked: list[_Asked]) -> list[Level | None]:
        try:
            return list(self._limiting.levels([one.charge for one in asked]))
        except CountersUnavailable:
            return [None] * len(asked)

    def _fullest(self, limit: Limit, start: int, end: int, now: int) -> Sequence[tuple[Scope, int | None]]:
        """Whom the limit counts for, and what the ledger has of it."""
        window = limit.window
        if window is not None and not window.rolling and window.unit in LONG_ENOUGH:
            sums = self._sums(limit, start, end, now)
            return nlargest(MOST_SCOPES, sums.items() if limit.per else [((), sums.get((), 0))], key=lambda one: one[1])
        # The ledger only says who has made calls of late.
        lately: Iterable[Scope] = self._sums(limit, now - LENGTHS["hour"], now, now) if limit.per else ((),)
        return [(values, None) for values in islice(lately, MOST_SCOPES)]

    def _sums(self, limit: Limit, start: int, end: int, now: int) -> Mapping[Scope, int]:
        if dimensions_of(limit) is not None:
            return self._use.of(limit, start, end) or {}
        kept_at, sums = self._kept.get(limit.name, (None, {}))
        if kept_at is None or not kept_at <= now < kept_at + KEPT_NANOSECONDS:
            sums = self._use.of(limit, start, end) or {}
            self._kept[limit.name] = now, sums
        return sums


def _is_counted(limit: Limit) -> bool:
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
