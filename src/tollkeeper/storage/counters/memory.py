"""Counters of one process, in its memory: one lock, and nothing that survives it."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence

from tollkeeper.storage.counters.contract import LATE, REMEMBERED, Charge, Held, Hold, Level, Refused
from tollkeeper.storage.counters.counts import COUNTS, Count

log = logging.getLogger("tollkeeper")

SWEEP = 1024
"""After so many new keys, those whose period is long over are forgotten."""

FORGET_EVERY = 60_000_000_000
"""A minute: how often, at the most, settled holds are forgotten."""

_NOTHING = Level(0, 0)


class _Over:
    """Ids of holds that are no more, until they are forgotten: a minute's at a time, as there are very many."""

    __slots__ = ("_batches", "_begin_at", "_known_for", "ids")

    def __init__(self, known_for: int) -> None:
        self._known_for = known_for
        self.ids: set[str] = set()
        self._batches: deque[tuple[int, list[str]]] = deque()
        self._begin_at = 0

    def add(self, id: str, now: int) -> None:
        if now >= self._begin_at:
            self._begin_at = now + FORGET_EVERY
            self._batches.append((self._begin_at + self._known_for, []))
        self.ids.add(id)
        self._batches[-1][1].append(id)

    def forget(self, now: int) -> None:
        while self._batches and self._batches[0][0] <= now:
            self.ids.difference_update(self._batches.popleft()[1])


class MemoryCounters:
    """`clock` tells nanoseconds since the epoch."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, Count] = {}
        self._holds: dict[str, Hold] = {}
        self._deadlines: deque[tuple[int, str]] = deque()
        """In order. Nearly all come in order: a heap would take longer."""
        self._lapsed, self._settled = _Over(LATE), _Over(REMEMBERED)
        self._next_sweep = SWEEP
        self._forget_at = 0
        self._is_forked = False
        counters = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(counters))

    def now(self) -> int:
        return self._clock()

    def reserve(self, hold: Hold) -> Held | Refused:
        id, charges = hold.id, hold.charges
        if self._is_forked:
            self._warn(charges)
        with self._lock:
            now = self._clock()
            self._expire(now)
            if id in self._holds or id in self._settled.ids or id in self._lapsed.ids:
                return Held(self._levels(charges, now))
            counts = self._counts_of(charges)
            for place, charge in enumerate(charges):
                if charge.hard and (retry_at := counts[place].full_until(charge, now)) is not None:
                    return Refused(place, counts[place].level(charge, now), retry_at or None)
            levels = [count.hold(charge, now) for count, charge in zip(counts, charges, strict=True)]
            self._holds[id] = hold
            self._expect(hold.expires_at, id)
            return Held(tuple(levels))

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        id, charges = hold.id, hold.charges
        if len(amounts) != len(charges):
            raise ValueError(f"{len(amounts)} amounts for {len(charges)} charges")
        with self._lock:
            now = self._clock()
            self._expire(now)
            if id in self._settled.ids:
                return self._levels(charges, now)
            live = self._holds.pop(id, None) is not None
            expired = id in self._lapsed.ids
            self._lapsed.ids.discard(id)
            self._settled.add(id, now)
            booked = zip(self._counts_of(charges), charges, amounts, strict=False)
            levels = [count.book(charge, amount, assumed, live, expired, now) for count, charge, amount in booked]
            return tuple(levels)

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

    def _warn(self, charges: Sequence[Charge]) -> None:
        if any(charge.hard for charge in charges):
            self._is_forked = False
            log.warning(
                "process %d was forked, and counts by itself what it uses of the limits: each such process has the "
                'whole of them. counters="sqlite:///FILE" is for all processes of a host',
                os.getpid(),
            )

    def _counts_of(self, charges: Sequence[Charge]) -> list[Count]:
        known = self._counts
        return [known.get(charge.key) or self._begin(charge) for charge in charges]

    def _begin(self, charge: Charge) -> Count:
        count = self._counts[charge.key] = COUNTS[charge.kind](charge.until)
        return count

    def _levels(self, charges: Sequence[Charge], now: int) -> tuple[Level, ...]:
        counts = [self._counts.get(charge.key) for charge in charges]
        return tuple(
            count.level(charge, now) if count is not None else _NOTHING
            for count, charge in zip(counts, charges, strict=True)
        )

    def _expect(self, deadline: int, id: str) -> None:
        deadlines = self._deadlines
        if not deadlines or deadlines[-1][0] <= deadline:
            deadlines.append((deadline, id))
        else:
            insort(deadlines, (deadline, id))

    def _expire(self, now: int) -> None:
        """Charge what was not settled in time, and forget what is long over."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            hold = self._holds.pop(deadlines.popleft()[1], None)
            if hold is not None:
                self._lapsed.add(hold.id, now)
                for count, charge in zip(self._counts_of(hold.charges), hold.charges, strict=True):
                    count.lapse(charge)
        if now >= self._forget_at:
            self._lapsed.forget(now)
            self._settled.forget(now)
            self._forget_at = now + FORGET_EVERY
        if len(self._counts) >= self._next_sweep:
            kept = {key: count for key, count in self._counts.items() if count.is_wanted(now)}
            self._counts, self._next_sweep = kept, len(kept) * 2 + SWEEP


def _begin_anew(counters: weakref.ref[MemoryCounters]) -> None:
    """A forked child has a lock that nobody holds, and none of its parent's calls under way."""
    found = counters()
    if found is not None:
        found._lock = threading.Lock()
        found._holds, found._deadlines = {}, deque()
        found._is_forked = True
        for count in found._counts.values():
            count.held = 0
