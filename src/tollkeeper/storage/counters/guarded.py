"""Counters that may be away: after one failure nobody waits for them again until they answer, and nothing is forgotten.

What is settled is kept until it is booked. Counters far away, that take several things at once, are told of it with the
next question, before it, or by a thread some thousandths of a second later: a call that has ended waits for nothing.

`offline`: the last question got no answer. Reserving fails at once, and what is settled is kept. A thread asks now and
then; when it gets an answer, `degraded`: what was kept is delivered first, in order, so that whoever reserves next is
decided upon with all that was used. Then `connected`. What was asked last, and may have been held without our knowing,
is given back first of all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from tollkeeper.storage.counters.contract import (
    Carrying,
    Charge,
    Counters,
    CountersUnavailable,
    Held,
    Hold,
    Level,
    Refused,
    Settlement,
    Unacceptable,
)
from tollkeeper.storage.counters.unbooked import LastLevels, Numbered, Unbooked

log = logging.getLogger("tollkeeper")

State = Literal["connected", "degraded", "offline"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts, doubling. No call waits for them, so the first comes soon: it may have been a hiccup."""
MOST_KEPT = 10_000
"""Settlements; the oldest are dropped beyond. A hold among them is charged in full when it expires."""

TURN = 0.005
"""Seconds: what has been waiting for a whole one is sent, if no question has taken it along."""
IDLE_TURNS = 400
MOST_CARRIED = 32
"""Settlements in one question."""
MOST_UNSENT = 256
"""With more, who settles sends some."""

T = TypeVar("T")

Wait = Callable[[float], bool]
"""Waits for some seconds; true when it is time to end."""


class Figures(NamedTuple):
    """`kept` waits to be booked now; the others count since the start: times that the counters went away, calls that
    could not ask them, settlements that were kept, and those of them that nobody will ever book.
    """

    state: State
    kept: int
    outages: int
    unanswered: int
    kept_ever: int
    dropped: int


class GuardedCounters:
    """A circuit breaker around `inner`. `wait` is what its thread does between attempts; `clock` tells nanoseconds
    since the epoch, for while nobody else does. `threaded=False`: there is no thread, and `attempt` is to be called.
    """

    def __init__(
        self,
        inner: Counters,
        wait: Wait | None = None,
        most_kept: int = MOST_KEPT,
        threaded: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._inner = inner
        self._carrying = inner if isinstance(inner, Carrying) else None
        self._given_wait = wait
        self._most_kept = most_kept
        self._threaded = threaded
        self._clock = clock
        self._levels = LastLevels()
        self._ahead = 0
        self._begin()
        counters = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(counters))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._away: str | None = None
        """Why. The exception itself would keep alive whoever asked."""
        self._state: State = "connected"
        self._kept = Unbooked(self._most_kept)
        self._oldest: Numbered | None = None
        self._turns = 0
        self._asked: tuple[Charge, ...] = ()
        self._renamed: dict[str, str] = {}
        self._renames = 0
        self._pause = FIRST_PAUSE
        self._outages = self._unanswered = self._kept_ever = self._unbookable = 0

    @property
    def state(self) -> State:
        """How it is just now."""
        return self._state

    @property
    def figures(self) -> Figures:
        """For metrics."""
        with self._lock:
            dropped = self._kept.dropped + self._unbookable
            return Figures(self._state, len(self._kept), self._outages, self._unanswered, self._kept_ever, dropped)

    def now(self) -> int:
        if self._away is None:
            try:
                return self._inner.now()
            except CountersUnavailable as away:
                self._fail(away, ())
        return self._clock() + self._ahead

    def reserve(self, hold: Hold) -> Held | Refused:
        self._check()
        sent = self._as_sent(hold)
        try:
            answer = self._reserve(sent)
        except CountersUnavailable as away:
            self._fail(away, hold.charges, Settlement(sent, (0,) * len(hold.charges)), hold.id)
            raise
        if isinstance(answer, Held):
            self._note(hold.charges, answer.levels)
        return answer

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        """As the contract has it; what is kept is booked later, and the levels are `Reckoned`.

        Raises `CountersUnavailable` only for what is not accepted.
        """
        settlement = Settlement(self._as_sent(hold), tuple(amounts), assumed)
        self._renamed.pop(hold.id, None)
        if self._carrying is None or self._closed.is_set():
            return self._book(settlement)
        if len(amounts) != len(hold.charges):
            raise ValueError(f"{len(amounts)} amounts for {len(hold.charges)} charges")
        # First of all: whoever takes it along is soon told of levels with it.
        levels = self._levels.after(settlement)
        self._post(settlement)
        return levels

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """As the contract has it, with all that was settled here."""
        return self._ask(lambda: self._inner.read(charges), charges)

    def holds(self) -> Sequence[Hold]:
        return self._ask(self._inner.holds, ())

    def attempt(self) -> float | None:
        """Ask again, and deliver what was kept. The seconds until the next attempt; `None`: all is well."""
        try:
            while True:
                self._inner.read(self._asked)
                while kept := self._kept.first(1):
                    self._deliver(*kept[0])
                if self._return():
                    return None
        except CountersUnavailable as away:
            with self._lock:
                self._away, self._state = str(away), "offline"
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                return self._pause

    def close(self) -> None:
        """Deliver what is kept, if they answer now."""
        self._closed.set()
        if self._away is None:
            self._send(len(self._kept))
        if self._away is not None and self.attempt() is not None and self._kept:
            log.error("%d settlements could not be delivered to the counters before the end", len(self._kept))
        self._inner.close()

    def _check(self) -> None:
        away = self._away
        if away is not None:
            self._unanswered += 1
            raise CountersUnavailable(away)

    def _reserve(self, hold: Hold) -> Held | Refused:
        """What was settled here goes first. It may be under way with another question already: it is booked once."""
        if self._carrying is None or not self._kept:
            return self._inner.reserve(hold)
        self._carry(len(self._kept) - MOST_CARRIED)
        kept = self._kept.first(MOST_CARRIED)
        try:
            answer = self._carrying.reserve_after([settlement for _, settlement in kept], hold)
        except Exception as fault:  # noqa: BLE001  what it is is found out by each alone
            self._deliver_each(kept, fault)
            return self._inner.reserve(hold)
        self._kept.remove(kept)
        return answer

    def _book(self, settlement: Settlement) -> tuple[Level, ...]:
        hold = settlement.hold
        if self._away is None:
            try:
                levels = self._inner.settle(*settlement)
            except Unacceptable:
                raise
            except CountersUnavailable as away:
                self._fail(away, hold.charges, settlement)
            else:
                self._note(hold.charges, levels)
                return levels
        elif not self._keep(settlement):
            return self._book(settlement)
        return self._levels.after(settlement)

    def _post(self, settlement: Settlement) -> None:
        """Keep it, to be sent soon."""
        if self._keep(settlement):
            return
        with self._lock:
            self._kept.add(settlement)
            self._start()
        if len(self._kept) > MOST_UNSENT:
            self._send(MOST_CARRIED)

    def _send(self, most: int) -> None:
        """The oldest of what is kept."""
        try:
            self._carry(most)
        except CountersUnavailable as away:
            self._fail(away, ())

    def _carry(self, most: int) -> None:
        while most > 0 and self._carrying is not None and (kept := self._kept.first(min(most, MOST_CARRIED))):
            try:
                self._carrying.settle_all([settlement for _, settlement in kept])
            except Exception as fault:  # noqa: BLE001  the same
                self._deliver_each(kept, fault)
            self._kept.remove(kept)
            most -= len(kept)

    def _ask(self, question: Callable[[], T], charges: Sequence[Charge]) -> T:
        self._check()
        try:
            self._carry(len(self._kept))
            return question()
        except CountersUnavailable as away:
            self._fail(away, charges)
            raise

    def _as_sent(self, hold: Hold) -> Hold:
        """By the name that it has there. What could not be reserved may be held all the same: that is given back, and
        then has been settled. So it has another name when it is asked for again, or settled as it was sent unasked.
        """
        name = self._renamed.get(hold.id) if self._renamed else None
        return hold if name is None else hold._replace(id=name)

    def _note(self, charges: Sequence[Charge], levels: Sequence[Level]) -> None:
        self._ahead = self._inner.now() - self._clock()
        self._levels.note(charges, levels)

    def _fail(
        self,
        away: CountersUnavailable,
        charges: Sequence[Charge],
        settlement: Settlement | None = None,
        unsure_of: str | None = None,
    ) -> None:
        if isinstance(away, Unacceptable):
            return
        with self._lock:
            if self._away is None:
                self._outages += 1
                self._kept_ever += len(self._kept)
                self._pause = FIRST_PAUSE
                log.warning("the counters of the limits are away: %s", str(away))
            self._away, self._state, self._asked = str(away), "offline", tuple(charges[:1])
            if settlement is not None:
                self._add(settlement)
            if unsure_of is not None:
                self._rename(unsure_of)
            self._start()

    def _start(self) -> None:
        if self._threaded and self._thread is None and not self._closed.is_set():
            self._turns = 0
            self._thread = threading.Thread(
                target=_follow, args=(weakref.ref(self), self._given_wait or self._closed.wait),
                name="tollkeeper-counters", daemon=True,
            )  # fmt: skip
            self._thread.start()

    def _rename(self, id: str) -> None:
        while len(self._renamed) >= self._most_kept:
            del self._renamed[next(iter(self._renamed))]
        self._renames += 1
        self._renamed[id] = f"{id}~{self._renames}"

    def _keep(self, settlement: Settlement) -> bool:
        """False: they are there, and have been all the time, or have come back."""
        with self._lock:
            if self._away is not None:
                self._add(settlement)
            return self._away is not None

    def _add(self, settlement: Settlement) -> None:
        self._kept.add(settlement)
        self._kept_ever += 1

    def _deliver_each(self, kept: Sequence[Numbered], fault: Exception) -> None:
        """As together they were not taken, whichever of them is to blame."""
        if isinstance(fault, CountersUnavailable) and not isinstance(fault, Unacceptable):
            raise fault
        for number, settlement in kept:
            self._deliver(number, settlement)

    def _deliver(self, number: int, settlement: Settlement) -> None:
        with self._lock:
            if self._state == "offline":
                self._state = "degraded"
                log.info("the counters of the limits answer again: %d settlements wait", len(self._kept))
        try:
            self._inner.settle(*settlement)
        except Unacceptable as refused:
            self._unbookable += 1
            log.error("the counters do not take what %s has used: %s", settlement.hold.id, refused)  # noqa: TRY400
        except CountersUnavailable:
            raise
        except Exception:
            # It would fail again and again, and keep all others waiting. A hold is charged in full when it expires.
            self._unbookable += 1
            log.exception("what %s has used cannot be booked", settlement.hold.id)
        self._kept.remove([(number, settlement)])

    def turn(self) -> float | None:
        """What the thread does. Seconds until the next one; `None`: there is nothing to do any more."""
        if self._away is not None:
            return self.attempt()
        with self._lock:
            before, self._oldest = self._oldest, next(iter(self._kept.first(1)), None)
            if self._oldest is None:
                self._turns += 1
                if self._turns > IDLE_TURNS:
                    self._thread = None
                    return None
                return TURN
            self._turns = 0
        if before == self._oldest:
            self._send(len(self._kept))
        return self._pause if self._away is not None else TURN

    def _return(self) -> bool:
        """False: something has come to be settled meanwhile."""
        with self._lock:
            if self._kept:
                return False
            if self._away is not None:
                self._away, self._state, self._thread = None, "connected", None
                log.info("the counters of the limits are back, and all that was used meanwhile is booked")
            return True


def _follow(counters: weakref.ref[GuardedCounters], wait: Wait) -> None:
    """The thread, while they are away or something may have to be sent. It goes on whatever happens, and while it waits
    it holds no reference but to what is soon sent.
    """
    found = counters()
    pause: float | None = None if found is None else TURN if found._away is None else FIRST_PAUSE
    while pause is not None:
        if found is not None and (found._away is not None or not found._kept):
            found = None
        if wait(pause):
            return
        found = counters()
        if found is None:
            return
        try:
            pause = found.turn()
        except Exception:
            log.exception("the counters of the limits could not be asked again")
            pause = LONGEST_PAUSE


def _begin_anew(counters: weakref.ref[GuardedCounters]) -> None:
    """A forked child has no thread, and none of its parent's settlements: the parent delivers them."""
    found = counters()
    if found is not None:
        found._begin()
