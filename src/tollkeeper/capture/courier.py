"""One background thread that runs what must not run in the caller: user callbacks, and the end of forgotten streams.

A finaliser may run inside any lock of the process, even one of the metrics SDK, so it must never record by itself.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
from collections.abc import Callable

from tollkeeper.capture import faults

Work = Callable[[], object]


class Courier:
    """Runs work in order. At most `capacity` pieces wait; what comes after that is refused and counted."""

    PATIENCE_SECONDS = 0.005
    """The longest that a caller waits for its work. While the courier is behind, callers do not wait at all."""

    def __init__(self, name: str, capacity: int = 10_000) -> None:
        self._name = name
        self._capacity = capacity
        self._start_over()
        os.register_at_fork(after_in_child=self._start_over)
        atexit.register(self.flush, 5.0)

    def _start_over(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Work, str, threading.Event | None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._behind = False
        self.refused = 0

    def run(self, work: Work, step: str) -> None:
        """Have `work` run soon, and wait for it a little: a quick one has run when this returns."""
        if sys.is_finalizing():
            self._do(work, step)
            return
        if self._queue.qsize() >= self._capacity:
            self.refused += 1
            return
        if self._behind and not self._queue.empty():
            self._queue.put((work, step, None))
            return
        done = threading.Event()
        self._queue.put((work, step, done))
        self._ensure_thread()
        if threading.current_thread() is not self._thread:
            self._behind = not done.wait(self.PATIENCE_SECONDS)

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was given so far has run. False: it did not within `seconds`."""
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        done = threading.Event()
        self._queue.put((lambda: None, "flush", done))
        return done.wait(seconds)

    def _ensure_thread(self) -> None:
        if self._thread is None and self._lock.acquire(blocking=False):
            try:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                    self._thread.start()
            finally:
                self._lock.release()

    def _work(self) -> None:
        pending = self._queue
        while True:
            work, step, done = pending.get()
            self._do(work, step)
            if done is not None:
                done.set()

    def _do(self, work: Work, step: str) -> None:
        try:
            work()
        except Exception as fault:  # noqa: BLE001  the boundary: a user's callback may raise anything
            faults.report(step, fault)
