"""One background thread that runs what must not run in the caller: user callbacks, and the end of forgotten streams.

A finaliser may run inside any lock of the process, even one of the metrics SDK, so it must never record by itself.
"""

from __future__ import annotations

import atexit
import multiprocessing.util
import os
import queue
import sys
import threading
from collections.abc import Callable
from time import perf_counter

from tollkeeper.capture import faults

Work = Callable[[], object]


class Courier:
    """Runs work in order. At most `capacity` pieces wait; what comes after that is refused and counted."""

    PATIENCE_SECONDS = 0.02
    """The longest that a caller waits for its work."""
    QUICK_SECONDS = 0.005
    """After work that took longer than this, callers do not wait at all, until some is quick again."""

    def __init__(self, name: str, capacity: int = 10_000) -> None:
        self._name = name
        self._capacity = capacity
        self._start()
        os.register_at_fork(after_in_child=self._start)
        # Children of `multiprocessing` run no `atexit` handlers.
        multiprocessing.util.register_after_fork(self, Courier._flush_when_this_child_ends)
        atexit.register(self.flush, 5.0)

    def _start(self) -> None:
        """Start the thread now, and again in a forked child: a finaliser must not have to."""
        self._queue: queue.SimpleQueue[tuple[Work, str, threading.Event | None]] = queue.SimpleQueue()
        self._slow = False
        self._late: threading.Event | None = None
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def _flush_when_this_child_ends(self) -> None:
        multiprocessing.util.Finalize(self, self.flush, exitpriority=10)

    def run(self, work: Work, step: str, may_refuse: bool = False) -> None:
        """Have `work` run soon, and wait for it a little: a quick one has run when this returns.

        With `may_refuse` it is dropped, and counted as a fault, while `capacity` pieces of work are waiting.
        """
        if sys.is_finalizing():
            self._do(work, step)
            return
        if may_refuse and self._queue.qsize() >= self._capacity:
            faults.report(step, OverflowError(f"more than {self._capacity} wait for it; this one is left out"))
            return
        behind = self._slow or (self._late is not None and not self._late.is_set())
        done = None if behind else threading.Event()
        self._queue.put((work, step, done))
        if done is not None and threading.current_thread() is not self._thread:
            self._late = None if done.wait(self.PATIENCE_SECONDS) else done

    def soon(self, work: Work, step: str) -> None:
        """Have `work` run soon, without waiting for it at all."""
        self._queue.put((work, step, None))

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was given so far has run. False: it did not within `seconds`."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return True
        done = threading.Event()
        self._queue.put((lambda: None, "flush", done))
        return done.wait(seconds)

    def _work(self) -> None:
        pending = self._queue
        while True:
            work, step, done = pending.get()
            started = perf_counter()
            self._do(work, step)
            self._slow = perf_counter() - started > self.QUICK_SECONDS
            if done is not None:
                done.set()

    def _do(self, work: Work, step: str) -> None:
        try:
            work()
        except Exception as fault:  # noqa: BLE001  the boundary: a user's callback may raise anything
            faults.report(step, fault)
