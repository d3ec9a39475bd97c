"""The durable way from a finished call to the ledger: what `record` has taken survives the death of this process."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

from tollkeeper.storage.spool.contract import Destination, SpoolState
from tollkeeper.storage.spool.open_calls import Mark
from tollkeeper.storage.spool.shelf import Shelf
from tollkeeper.storage.spool.shipper import PACE, Pace, Shipper
from tollkeeper.storage.spool.writer import WhenFull, Writer, discard

NAP = 0.05
"""Seconds: who flushes looks so often."""

_spools: list[weakref.ref[Spool]] = []
"""In the order in which they were made, which is that in which a fork takes their locks."""


class Spool:
    """One for each destination. Its thread is started when there is something to do, in each process anew.

    `root` is shared by all processes that deliver to the same place: what one leaves behind another delivers.
    """

    def __init__(
        self,
        root: Path,
        destination: Destination,
        max_bytes: int,
        when_full: WhenFull = "drop_oldest",
        origin: Callable[[], Mapping[str, str]] = dict,
        pace: Pace = PACE,
    ) -> None:
        self._destination = destination
        self._shelf = Shelf(root)
        self._writer = Writer(self._shelf, max_bytes, when_full, origin)
        self._shipper = Shipper(self._shelf, destination, pace)
        self._thread: threading.Thread | None = None
        self._retiring = False
        _spools.append(weakref.ref(self, _spools.remove))

    def start(self) -> None:
        """Deliver what is there, and what dead processes have left. Harmless when it is being done."""
        with self._shelf.lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="tollkeeper-spool", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return  # the interpreter is ending: what is in the files will be delivered by somebody else
                self._thread = thread

    def begin(self, mark: Mark, text: str) -> None:
        """A call is about to be sent: should this process die, it is told of all the same."""
        self._writer.start(mark, text)

    def record(self, text: str, mark: Mark | None = None) -> None:
        """Keep the record of a call that has ended. When this returns, it is in a file."""
        self._writer.record(text, mark)
        if self._thread is None:
            self.start()

    def end(self, mark: Mark) -> None:
        """A call that was begun has ended, and there is no record of its id to come."""
        self._writer.end(mark)

    @property
    def state(self) -> SpoolState:
        """How it is doing."""
        shelf, shipper = self._shelf, self._shipper
        records, size = shelf.waiting()
        return SpoolState(
            records=records,
            bytes=size,
            shipped=shelf.shipped - shipper.rejected,
            dropped=self._writer.dropped,
            rejected=shipper.rejected,
            damaged=shelf.damaged,
            acknowledged_at=shipper.acknowledged_at,
            failure=shipper.failure,
        )

    def flush(self, seconds: float = 5.0, once: bool = False) -> bool:
        """Wait until everything that was recorded so far is delivered. False: not within `seconds`.

        With `once`, an attempt that fails is enough to give up waiting.
        """
        shelf = self._shelf
        with shelf.lock:
            home, current = shelf.own, shelf.current
            until = {id(each): each.size for each in home.segments} if home is not None else {}
        if home is None or current is None:
            return True
        return self._await(lambda: all(each.acked >= until.get(id(each), 0) for each in home.segments), seconds, once)

    def finish(self, seconds: float = 5.0) -> bool:
        """The process ends: deliver what there is, and tell of the calls that will never end. False: not everything.

        What dead processes have left goes with it. What is left then stays in its files, for another process.
        """
        shelf = self._shelf
        self._writer.patient = False
        with shelf.lock:
            home = shelf.own
            self._hand_over(list(self._writer.marks.texts))
        if home is None and self._thread is None:
            return True
        return self._await(lambda: self._shipper.has_looked and not shelf.homes(), seconds, once=True)

    def retire(self, seconds: float = 5.0) -> bool:
        """Deliver what there is. The thread ends after the last call that is under way. False: not within `seconds`."""
        done = self.flush(seconds)
        self._retiring = True
        self._shipper.wake.set()
        return done

    def _await(self, is_done: Callable[[], bool], seconds: float, once: bool) -> bool:
        if threading.current_thread() is self._thread:
            return False
        deadline = time.monotonic() + seconds
        attempts = self._shipper.attempts
        self.start()
        self._shipper.wake.set()
        with self._shelf.lock:
            while not is_done():
                left = deadline - time.monotonic()
                if left <= 0 or (once and self._shipper.attempts > attempts):
                    return False
                self._shelf.freed.wait(min(left, NAP))
        return True

    def _hand_over(self, orphans: list[bytes]) -> None:
        self._writer.finish()
        self._writer.marks.clear()
        self._shelf.hand_over(orphans)

    def _run(self) -> None:
        try:
            self._shipper.run(self._is_done)
        finally:
            self._thread = None

    def _is_done(self) -> bool:
        """Asked when everything is delivered: whether the thread may end."""
        with self._shelf.lock:
            if not self._retiring or self._writer.marks or self._shelf.adopted:
                return False
            self._hand_over([])
            if self._shelf.adopted:
                return False
            self._thread = None
            self._destination.close()
            return True

    def _forked(self) -> None:
        """In a child: everything so far is the parent's."""
        discard(self._shelf, self._writer)
        self._shipper.start_over()
        self._destination.forget()
        self._thread = None


class _Forks(threading.local):
    """The forks of this thread that have begun and not ended, and the spools that each holds. Others fork as well."""

    def __init__(self) -> None:
        self.under_way: list[list[Spool]] = []


_forks = _Forks()


def _before_fork() -> None:
    """No child inherits a lock that is held, nor the lock of a folder that it does not know of."""
    held: list[Spool] = []
    _forks.under_way.append(held)
    for reference in _spools:
        spool = reference()
        if spool is not None:
            spool._shelf.lock.acquire()
            held.append(spool)


def _after_in_parent() -> None:
    for spool in _forks.under_way.pop():
        spool._shelf.lock.release()


def _after_in_child() -> None:
    for spool in _forks.under_way.pop():
        spool._forked()


os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
