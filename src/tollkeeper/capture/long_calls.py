"""Calls that are under way for longer than a hold is good for: what they hold is taken anew before it lapses.

What a call uses would be charged in full then, and corrected at its end. But its place among calls at once would be
free, while it goes on.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from tollkeeper.capture import faults
from tollkeeper.storage.admission import HOLD_SECONDS, NS_A_SECOND, Admission, Ticket
from tollkeeper.storage.counters import CountersUnavailable, Refused

if TYPE_CHECKING:
    from tollkeeper.storage.counters import Hold

TICK_SECONDS = 60.0
RENEW_NS = 3 * 60 * NS_A_SECOND
"""With less than that left, a hold is taken anew: so long the counters may be away."""
MOST_RENEWALS = 4 * 3600 // (HOLD_SECONDS - 180)
"""Four hours: a stream that somebody keeps and does not read is given up then."""

Wait = Callable[[float], bool]
"""Waits for some seconds; true when it is time to end."""


class LongCalls:
    """Those of one process. `wait` is what its thread does between two looks; `threaded=False`: there is no thread,
    and `tick` is to be called.
    """

    def __init__(self, admission: Admission, wait: Wait | None = None, threaded: bool = True) -> None:
        self._admission = admission
        self._given_wait = wait
        self._threaded = threaded
        self._begin()
        calls = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(calls))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._holds: dict[str, tuple[Hold, int]] = {}
        """By the id that a call was admitted with: what it holds by now, and how often that was taken anew."""

    def begin(self, ticket: Ticket) -> None:
        """A call goes. Only those are kept that hold a place among calls at once."""
        for charge in ticket.hold.charges:
            if charge.kind == "slots":
                break
        else:
            return
        with self._lock:
            self._holds[ticket.hold.id] = ticket.hold, 0
            if self._threaded and self._thread is None and not self._closed.is_set():
                self._start()

    def end(self, ticket: Ticket) -> Ticket:
        """A call is over, or nobody waits for it any more: with what it holds by now."""
        if not self._holds:
            return ticket
        with self._lock:
            hold, _ = self._holds.pop(ticket.hold.id, (ticket.hold, 0))
        return ticket if hold is ticket.hold else ticket._replace(hold=hold)

    def tick(self) -> None:
        """Take anew what will lapse soon."""
        soon = self._admission.counters.now() + RENEW_NS
        with self._lock:
            due = [
                (id, hold, times)
                for id, (hold, times) in self._holds.items()
                if hold.expires_at <= soon and times < MOST_RENEWALS
            ]
        for id, hold, times in due:
            try:
                self._renew(id, hold, times + 1)
            except CountersUnavailable:
                return

    def close(self) -> None:
        """Take nothing anew any more."""
        self._closed.set()

    def _renew(self, id: str, hold: Hold, times: int) -> None:
        counters = self._admission.counters
        # Nobody is asked for room: it has that of the hold before.
        charges = tuple([charge._replace(hard=False) for charge in hold.charges])
        expires_at = counters.now() + HOLD_SECONDS * NS_A_SECOND
        renewed = hold._replace(id=f"{id}+{times}", expires_at=expires_at, charges=charges)
        if isinstance(counters.reserve(renewed), Refused):
            return
        with self._lock:
            goes_on = id in self._holds
            if goes_on:
                self._holds[id] = renewed, times
        over = hold if goes_on else renewed
        counters.settle(over, [0] * len(over.charges))

    def _start(self) -> None:
        wait = self._given_wait or self._closed.wait
        self._thread = threading.Thread(
            target=_look_after, args=(weakref.ref(self), wait), name="tollkeeper-long-calls", daemon=True
        )
        self._thread.start()


def _look_after(calls: weakref.ref[LongCalls], wait: Wait) -> None:
    """The thread. It holds no reference while it waits, and goes on whatever happens."""
    while not wait(TICK_SECONDS):
        found = calls()
        if found is None:
            return
        try:
            found.tick()
        except Exception as fault:  # noqa: BLE001  the boundary to the counters, wherever they are
            faults.report("keep what a long call holds", fault)
        del found


def _begin_anew(calls: weakref.ref[LongCalls]) -> None:
    """A forked child has no thread, and none of its parent's calls."""
    found = calls()
    if found is not None:
        found._begin()
