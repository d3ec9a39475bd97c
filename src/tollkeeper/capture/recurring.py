"""Work that a thread of its own does now and then, beside the calls, which never wait for it."""

from __future__ import annotations

import os
import random
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable

from tollkeeper.capture import faults

SPREAD = 0.2
"""By this part more or less, so that many processes do not ask all at once."""

Wait = Callable[[float], bool]
"""Waits for some seconds; true when it is time to end."""


class Recurring(ABC):
    """Done at once, and then every so many `seconds`, until `stop`. `task` is what it does, for the log.

    `wait` is the clock; tests bring one of their own. A forked child goes on by itself.
    """

    def __init__(self, task: str, seconds: float, wait: Wait | None = None) -> None:
        self._task = task
        self._seconds = seconds
        self._given_wait = wait
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        recurring = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_again(recurring))

    @abstractmethod
    def poll(self) -> object:
        """Do it once."""

    def start(self) -> None:
        """Do it now, and then every so often, until `stop`."""
        self._stopped.clear()
        wait = self._given_wait or self._stopped.wait
        # The thread holds no reference while it waits: what nobody has any more ends by itself.
        self._thread = threading.Thread(
            target=_repeat, args=(weakref.ref(self), wait), name="tollkeeper-feed", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Do it no more. What is being done is not waited for."""
        self._stopped.set()
        self._thread = None

    def pause(self) -> float:
        """How many seconds to wait before it is done again."""
        return self._seconds * (1 + SPREAD * (2 * random.random() - 1))  # noqa: S311  no secret

    @property
    def task(self) -> str:
        """What it does."""
        return self._task

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def start_again(self) -> None:
        """In a forked child, which has no thread: go on, if it did before."""
        if self._thread is not None and not self.stopped:
            self._stopped = threading.Event()
            self.start()


def _repeat(recurring: weakref.ref[Recurring], wait: Wait) -> None:
    """The thread. Whatever goes wrong, it goes on."""
    while (found := recurring()) is not None and not found.stopped:
        try:
            found.poll()
        except Exception as fault:  # noqa: BLE001  the guard of this thread
            faults.report(found.task, fault)
        seconds = found.pause()
        del found
        if wait(seconds):
            return


def _start_again(recurring: weakref.ref[Recurring]) -> None:
    if (found := recurring()) is not None:
        found.start_again()
