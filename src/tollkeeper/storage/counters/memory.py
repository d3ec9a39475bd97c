"""Counters of one process, in its memory: one lock, and nothing that survives it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from tollkeeper.storage.counters.contract import LATE, Charge, Held, Hold, Level, Refused
from tollkeeper.storage.counters.rate import cost_of, level_of, room_at

SWEEP = 1024
"""After so many new keys, those whose period is long over are forgotten."""


class _Count:
    """One key. Of a rate, `tat` is the moment at which its bucket is full again."""

    __slots__ = ("assumed", "held", "spent", "tat", "until")

    def __init__(self, until: int) -> None:
        self.spent = self.held = self.assumed = self.tat = 0
        self.until = until


class MemoryCounters:
    """`clock` tells nanoseconds since the epoch."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}
        self._holds: dict[str, Hold] = {}
        self._over: dict[str, Hold | None] = {}
        """Holds that are no more: `None` was settled, a hold has expired, and was charged."""
        self._deadlines: list[tuple[int, str]] = []
        self._forget_at: list[tuple[int, str]] = []
        self._next_sweep = SWEEP
        counters = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(counters))

    def now(self) -> int:
        return self._clock()

    def reserve(self, hold: Hold) -> Held | Refused:
        with self._lock:
            now = self._clock()
            self._expire(now)
            if hold.id in self._holds or hold.id in self._over:
                return Held(self._levels(hold.charges, now))
            for place, charge in enumerate(hold.charges):
                if charge.hard and (retry_at := self._full_until(charge, now)) is not None:
                    return Refused(place, self._level(charge, now), retry_at or None)
            levels = tuple(self._hold(charge, now) for charge in hold.charges)
            self._holds[hold.id] = hold
            heappush(self._deadlines, (hold.expires_at, hold.id))
            return Held(levels)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        with self._lock:
            now = self._clock()
            self._expire(now)
            live = self._holds.pop(hold.id, None)
            if live is None and hold.id in self._over and self._over[hold.id] is None:
                return self._levels(hold.charges, now)
            expired = self._over.get(hold.id)
            self._over[hold.id] = None
            heappush(self._forget_at, (now + LATE, hold.id))
            return tuple(
                self._book(charge, amount, assumed, live is not None, expired is not None, now)
                for charge, amount in zip(hold.charges, amounts, strict=True)
            )

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        with self._lock:
            now = self._clock()
            self._expire(now)
            return self._levels(charges, now)

    def holds(self) -> Sequence[Hold]:
        with self._lock:
            self._expire(self._clock())
            return tuple(self._holds.values())

    def close(self) -> None:
        """Nothing is open."""

    def _count(self, charge: Charge) -> _Count:
        count = self._counts.get(charge.key)
        if count is None:
            count = self._counts[charge.key] = _Count(charge.until)
        return count

    def _full_until(self, charge: Charge, now: int) -> int | None:
        """When there may be room again (0: nobody can tell); `None` where there is room now."""
        count = self._counts.get(charge.key)
        if charge.kind == "rate":
            at = room_at(charge, count.tat if count is not None else 0, now)
            return None if at == now else at
        used = count.spent + count.held if count is not None else 0
        return None if used + charge.amount <= charge.cap else charge.until

    def _hold(self, charge: Charge, now: int) -> Level:
        count = self._count(charge)
        if charge.kind == "rate":
            count.tat = max(count.tat, now) + cost_of(charge, charge.amount)
            return Level(level_of(charge, count.tat, now), 0)
        count.held += charge.amount
        return Level(count.spent, count.held, count.assumed)

    def _book(self, charge: Charge, amount: int, assumed: bool, live: bool, expired: bool, now: int) -> Level:
        count = self._count(charge)
        if charge.kind == "rate":
            before = charge.amount if live or expired else 0
            count.tat = max(count.tat, now if amount > before else 0) + cost_of(charge, amount - before)
            return Level(level_of(charge, count.tat, now), 0)
        if live:
            count.held -= charge.amount
        if charge.kind == "period":
            count.spent += amount - (charge.amount if expired else 0)
            count.assumed += (amount if assumed else 0) - (charge.amount if expired else 0)
        return Level(count.spent, count.held, count.assumed)

    def _level(self, charge: Charge, now: int) -> Level:
        count = self._counts.get(charge.key)
        if count is None:
            return Level(0, 0)
        if charge.kind == "rate":
            return Level(level_of(charge, count.tat, now), 0)
        return Level(count.spent, count.held, count.assumed)

    def _levels(self, charges: Sequence[Charge], now: int) -> tuple[Level, ...]:
        return tuple(self._level(charge, now) for charge in charges)

    def _expire(self, now: int) -> None:
        """Charge what was not settled in time, and forget what is long over."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            hold = self._holds.pop(heappop(deadlines)[1], None)
            if hold is not None:
                self._charge_in_full(hold, now)
        while self._forget_at and self._forget_at[0][0] <= now:
            self._over.pop(heappop(self._forget_at)[1], None)
        if len(self._counts) >= self._next_sweep:
            kept = {key: count for key, count in self._counts.items() if self._is_wanted(count, now)}
            self._counts, self._next_sweep = kept, len(kept) * 2 + SWEEP

    def _charge_in_full(self, hold: Hold, now: int) -> None:
        self._over[hold.id] = hold
        heappush(self._forget_at, (now + LATE, hold.id))
        for charge in hold.charges:
            if charge.kind != "rate":
                count = self._count(charge)
                count.held -= charge.amount
                if charge.kind == "period":
                    count.spent += charge.amount
                    count.assumed += charge.amount

    @staticmethod
    def _is_wanted(count: _Count, now: int) -> bool:
        if count.held:
            return True
        return count.until + LATE > now if count.until else bool(count.spent) or count.tat > now


def _begin_anew(counters: weakref.ref[MemoryCounters]) -> None:
    """A forked child has a lock that nobody holds, and none of its parent's calls under way."""
    found = counters()
    if found is not None:
        found._lock = threading.Lock()
        found._holds, found._deadlines = {}, []
        for count in found._counts.values():
            count.held = 0
