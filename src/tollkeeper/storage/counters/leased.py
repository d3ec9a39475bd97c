"""Counters of which a process takes some in advance, so that most calls need not ask.

What it takes is a block: a hold like any other, of some calls' worth, and it counts as held until it is settled with
what was used of it. So the caps hold, wherever the counters are. Blocks begin with single calls, double as long as they
are used up at once, and are never more than a fiftieth of what is left under any cap: near it, each call asks alone. A
block that is not used up in a second is given back. It expires soon, so that a process that dies takes little with it;
what long calls need of it is taken anew before that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import gt, itemgetter
from typing import Any
from uuid import uuid4

from tollkeeper.model.charge import Charge, Level
from tollkeeper.storage.counters.contract import (
    Counters,
    CountersUnavailable,
    Held,
    Hold,
    Reckoned,
    Refused,
)
from tollkeeper.storage.counters.lease import Due, Pool

log = logging.getLogger("tollkeeper")

NS = 1_000_000_000
BLOCK_NS = 30 * NS
"""For how long a block is good. A process that dies is charged for it in full then."""
RENEW_NS = 10 * NS
STOP_NS = 25 * NS
"""From this age on nothing is granted from a block that could not be renewed."""
IDLE_NS = NS
TICK_SECONDS = 0.25
MOST_SETTLED = 65_536
"""Ids of settled calls that are remembered."""

Wait = Callable[[float], bool]
"""Waits for some seconds; true when it is time to end."""

_shape = itemgetter(0, 2, 3, 4, 5, 6, 7)
"""All of a charge but its amount."""
_amount = itemgetter(1)


class LeasedCounters:
    """`inner` must take every settlement, at once or later, as `GuardedCounters` does.

    `clock` only goes forward, in nanoseconds. `wait` is what its thread does between two looks; `threaded=False`: there
    is none, and `tick` is to be called.
    """

    def __init__(
        self,
        inner: Counters,
        clock: Callable[[], int] = time.monotonic_ns,
        wait: Wait | None = None,
        threaded: bool = True,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._given_wait = wait
        self._threaded = threaded
        self._begin()
        counters = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(counters))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._pools: dict[tuple[Any, ...], Pool] = {}
        self._granted: dict[str, tuple[Pool | None, Hold]] = {}
        """Calls under way, and the pool that let them go; `None`: they were asked about."""
        self._settled: dict[str, Pool] = {}

    @property
    def inner(self) -> Counters:
        """What is leased of."""
        return self._inner

    def now(self) -> int:
        return self._inner.now()

    def reserve(self, hold: Hold) -> Held | Refused:
        if not hold.charges:
            return self._inner.reserve(hold)
        shape, now = tuple(map(_shape, hold.charges)), self._clock()
        with self._lock:
            known = self._granted.get(hold.id)
            settled = self._settled.get(hold.id)
            if known is None and settled is None:
                pool = self._pools.get(shape)
                if pool is not None and (levels := self._grant(pool, hold, now)) is not None:
                    return Held(levels)
            if settled is not None:
                return Held(settled.levels(now))
        if known is not None:
            pool, _ = known
            return self._inner.reserve(hold) if pool is None else Held(pool.levels(now))
        return self._ask(shape, hold)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        now = self._clock()
        with self._lock:
            pool, granted = self._granted.get(hold.id, (None, hold))
            settled = self._settled.get(hold.id)
            if settled is not None:
                return settled.levels(now)
            if pool is None:
                self._granted.pop(hold.id, None)
            elif not assumed:
                levels, excess, dues = self._end(pool, granted, amounts, now)
        if pool is None:
            return self._inner.settle(hold, amounts, assumed)
        if assumed:
            return self._settle_assumed(pool, granted, amounts)
        if excess or dues:
            beyond = [Due(_unasked(granted), excess)] if any(excess) else []
            self._settle_all(pool, [*beyond, *dues])
        return levels

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """As the contract has it. What this process has leased and does not use is nobody's."""
        levels, now = list(self._inner.read(charges)), self._clock()
        places = {charge.key: place for place, charge in enumerate(charges)}
        with self._lock:
            shares = [share for pool in self._pools.values() if pool.blocks for share in pool.shares]
            for share in shares:
                if (place := places.get(share.charge.key)) is not None:
                    levels[place] = share.seen(levels[place], now)
        return tuple(levels)

    def holds(self) -> Sequence[Hold]:
        """What is under way. Blocks are among it, and stand for the calls that they let go."""
        return self._inner.holds()

    def close(self) -> None:
        """Give back what no call holds. Calls under way are still settled."""
        self._closed.set()
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            self._try(partial(self._shed, pool, keep=False))
        self._inner.close()

    def tick(self) -> None:
        """Let go of calls that nobody settles, give back what is idle, and renew what grows old."""
        self._try(self._lapse)
        now = self._clock()
        with self._lock:
            pools = list(self._pools.items())
        for shape, pool in pools:
            with self._lock:
                ages = [now - block.taken_at for block in pool.blocks]
            if not ages and now - pool.used_at >= IDLE_NS:
                self._drop(shape, pool)
            elif ages and (ages[-1] >= IDLE_NS or ages[0] >= RENEW_NS):
                self._try(partial(self._shed, pool, keep=ages[-1] < IDLE_NS))

    def _grant(self, pool: Pool, hold: Hold, now: int) -> tuple[Level, ...] | None:
        if not pool.blocks or now - pool.blocks[0].taken_at >= STOP_NS:
            return None
        levels = pool.grant(hold.charges, now)
        if levels is not None:
            self._granted[hold.id] = (pool, hold)
        return levels

    def _end(
        self, pool: Pool, granted: Hold, amounts: Sequence[int], now: int
    ) -> tuple[tuple[Level, ...], list[int], list[Due]]:
        del self._granted[granted.id]
        self._settled[granted.id] = pool
        if len(self._settled) > MOST_SETTLED:
            del self._settled[next(iter(self._settled))]
        levels = pool.settle(granted.charges, amounts, now)
        is_beyond = any(map(gt, amounts, map(_amount, granted.charges)))
        excess = pool.excess(now) if is_beyond else []
        return levels, excess, pool.empty(now) if self._closed.is_set() else []

    def _settle_assumed(self, pool: Pool, granted: Hold, amounts: Sequence[int]) -> tuple[Level, ...]:
        """By itself, so that the counters know what of it is assumed."""
        levels = self._inner.settle(granted, amounts, True)
        self._release(pool, granted)
        return levels

    def _release(self, pool: Pool, granted: Hold) -> None:
        """The call is no longer this pool's: the counters have it by itself."""
        now = self._clock()
        with self._lock:
            if granted.id in self._granted:
                *_, dues = self._end(pool, granted, (0,) * len(granted.charges), now)
            else:
                dues = []
        self._settle_all(pool, dues)

    def _ask(self, shape: tuple[Any, ...], hold: Hold) -> Held | Refused:
        """A block, or, where no more is to be had, a hold for this call alone."""
        while True:
            with self._lock:
                pool = self._pools.get(shape)
                if pool is None:
                    pool = self._pools[shape] = Pool(hold.charges, self._clock())
            with pool.filling:
                with self._lock:
                    if self._pools.get(shape) is not pool:
                        continue
                    pool.expect(hold.charges)
                    if (levels := self._grant(pool, hold, self._clock())) is not None:
                        return Held(levels)
                if (held := self._ask_for_block(pool, hold)) is not None:
                    return held
            return self._ask_alone(pool, hold)

    def _ask_for_block(self, pool: Pool, hold: Hold) -> Held | None:
        size = 1 if self._closed.is_set() else pool.wanted(self._clock())
        while size > 1:
            amounts = pool.amounts(hold.charges, size)
            charges = [charge._replace(amount=most) for charge, most in zip(hold.charges, amounts, strict=True)]
            block, asked_at = self._block(hold.owner, charges), self._clock()
            answer = self._inner.reserve(block)
            if isinstance(answer, Held):
                return self._fill(pool, block, answer, hold, asked_at)
            size = min(size // 2, pool.shares[answer.place].affords(answer.level))
        pool.size = 1
        return None

    def _fill(self, pool: Pool, block: Hold, answer: Held, hold: Hold, asked_at: int) -> Held | None:
        with self._lock:
            pool.add(block, answer.levels, asked_at)
            pool.grow(answer.levels, asked_at)
            levels = self._grant(pool, hold, self._clock())
            if self._threaded and self._thread is None and not self._closed.is_set():
                self._start()
        self._retire(pool, [charge.amount for charge in block.charges])
        return None if levels is None else Held(levels)

    def _ask_alone(self, pool: Pool, hold: Hold) -> Held | Refused:
        asked_at, answer = self._clock(), self._inner.reserve(hold)
        if isinstance(answer, Refused) and self._give_back(hold.charges[answer.place].key):
            asked_at, answer = self._clock(), self._inner.reserve(hold)
        with self._lock:
            if isinstance(answer, Refused):
                pool.size = 1
            else:
                self._granted[hold.id] = (None, hold)
                pool.note(answer.levels, asked_at)
                pool.grow(answer.levels, asked_at)
        return answer

    def _give_back(self, key: str) -> bool:
        """Whether there was anything of this key here that no call needs."""
        with self._lock:
            pools = [
                pool
                for pool in self._pools.values()
                if pool.blocks and any(share.charge.key == key for share in pool.shares)
            ]
        given = [self._try(partial(self._shed, pool, keep=False)) for pool in pools]
        return any(given)

    def _shed(self, pool: Pool, keep: bool) -> bool:
        """Book what was used, and give back what no call needs, or with `keep` what was used up only.

        What calls under way hold is taken anew, without asking for room: it has that of the old blocks.
        """
        with pool.filling:
            now = self._clock()
            with self._lock:
                dues = pool.empty(now)
                is_old = bool(pool.blocks) and now - pool.blocks[0].taken_at >= RENEW_NS
                is_worth_it = bool(pool.blocks) and (is_old or pool.is_slack(now))
                needed = [share.held + (max(share.free(now), 0) if keep else 0) for share in pool.shares]
                renewed = self._renewed(pool, needed) if is_worth_it else None
            self._settle_all(pool, dues)
            if renewed is None:
                return bool(dues)
            answer = self._inner.reserve(renewed)
            if isinstance(answer, Refused):
                return False
            with self._lock:
                pool.add(renewed, answer.levels, now)
            self._retire(pool, [0] * len(needed))
            return True

    def _renewed(self, pool: Pool, needed: Sequence[int]) -> Hold:
        """A block of what is needed. After the end nobody renews it any more: it is good as long as its calls are."""
        old = pool.blocks[0].hold
        charges = [charge._replace(amount=most, hard=False) for charge, most in zip(old.charges, needed, strict=True)]
        block = self._block(old.owner, charges)
        if not self._closed.is_set():
            return block
        ends = [hold.expires_at for owner, hold in self._granted.values() if owner is pool]
        return block._replace(expires_at=max([block.expires_at, *ends]))

    def _retire(self, pool: Pool, want: Sequence[int]) -> None:
        """Settle the blocks that are used up, so far that as much as `want` stays free."""
        while True:
            with self._lock:
                due = pool.pop(self._clock(), want)
            if due is None:
                return
            self._settle_all(pool, [due])

    def _settle_all(self, pool: Pool, dues: Iterable[Due]) -> None:
        for hold, amounts in dues:
            asked_at = self._clock()
            levels = self._inner.settle(hold, amounts)
            with self._lock:
                if isinstance(levels, Reckoned):
                    pool.reckon(hold.charges, amounts)
                else:
                    pool.note(levels, asked_at)

    def _lapse(self) -> None:
        """Calls that nobody has settled in time are charged in full, and may be corrected, as single ones are."""
        now, lapsed = self._inner.now(), []
        with self._lock:
            for pool, hold in self._granted.values():
                if hold.expires_at > now:
                    break
                lapsed.append((pool, hold))
        for pool, hold in lapsed:
            if pool is not None:
                self._inner.reserve(hold._replace(charges=tuple([each._replace(hard=False) for each in hold.charges])))
                self._release(pool, hold)
            with self._lock:
                self._granted.pop(hold.id, None)
                self._settled.pop(hold.id, None)

    def _drop(self, shape: tuple[Any, ...], pool: Pool) -> None:
        with self._lock:
            if pool.filling.acquire(blocking=False):
                if not pool.blocks:
                    del self._pools[shape]
                pool.filling.release()

    def _block(self, owner: str, charges: Sequence[Charge]) -> Hold:
        return Hold(f"lease-{uuid4().hex}", owner, self._inner.now() + BLOCK_NS, tuple(charges))

    def _try(self, what: Callable[[], bool | None]) -> bool:
        try:
            return bool(what())
        except CountersUnavailable as away:
            log.debug("leases are not given back: %s", away)
            return False

    def _start(self) -> None:
        wait = self._given_wait or self._closed.wait
        self._thread = threading.Thread(
            target=_look_after, args=(weakref.ref(self), wait), name="tollkeeper-leases", daemon=True
        )
        self._thread.start()


def _unasked(hold: Hold) -> Hold:
    """For what was used beyond a hold: nothing is held for it."""
    return Hold(
        f"beyond-{uuid4().hex}", hold.owner, hold.expires_at, tuple([each._replace(amount=0) for each in hold.charges])
    )


def _look_after(counters: weakref.ref[LeasedCounters], wait: Wait) -> None:
    """The thread. It holds no reference while it waits, and goes on whatever happens."""
    while not wait(TICK_SECONDS):
        found = counters()
        if found is None:
            return
        try:
            found.tick()
        except Exception:
            log.exception("leases could not be looked after")
        del found


def _begin_anew(counters: weakref.ref[LeasedCounters]) -> None:
    """A forked child has no leases: they are its parent's."""
    found = counters()
    if found is not None:
        found._begin()
