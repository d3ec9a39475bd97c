"""Delivers what is in the spool: one thread, batch by batch, until each is acknowledged. It never gives up."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tollkeeper.storage.spool.contract import Batch, Destination, Refused, Unavailable
from tollkeeper.storage.spool.rejected import set_aside
from tollkeeper.storage.spool.shelf import Shelf, Taken

log = logging.getLogger("tollkeeper.spool")

FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
"""Seconds between two attempts. A destination may ask for more."""
LONGEST_ASKED = 300.0
"""The longest that a destination may ask for."""
LINGER = 0.2
"""Seconds between two looks for something to deliver: so many calls make one batch."""
ADOPTION = 10.0
"""Seconds between two looks for what dead processes have left."""


class Pace(NamedTuple):
    """Time, as the shipper sees it. `wait` returns early, and says yes, when the event is set."""

    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], int] = time.time_ns
    jitter: Callable[[], float] = random.random


PACE = Pace()


class Stopped(Exception):
    """The shipper was told to stop: what is on its way stays in the spool."""


class Shipper:
    """Reads batches off the shelf and delivers them. `run` is the thread; everything else may be called by others."""

    def __init__(self, shelf: Shelf, destination: Destination, pace: Pace = PACE) -> None:
        self._shelf = shelf
        self._destination = destination
        self._pace = pace
        self.start_over()

    def start_over(self) -> None:
        """As if nothing had been delivered yet: this is a new process."""
        self.wake = threading.Event()
        """Look now, and wait no longer for the next attempt."""
        self.stopping = False
        self.rejected = 0
        self.attempts = 0
        self.acknowledged_at: int | None = None
        self.failure: str | None = None
        self.has_looked = False
        """Whether what dead processes have left was taken over, once at least."""
        self._adopt_at = 0.0

    def run(self, is_done: Callable[[], bool]) -> None:
        """Deliver until `stop`, or until there is nothing left and `is_done`."""
        try:
            while not self.stopping:
                if self.step():
                    continue
                if is_done():
                    break
                self._wait(LINGER)
        except Stopped:
            pass

    def stop(self) -> None:
        """Have `run` return soon."""
        self.stopping = True
        self.wake.set()

    def step(self) -> bool:
        """Deliver one batch, however long that takes. False: there was none."""
        if self._pace.monotonic() >= self._adopt_at:
            try:
                self._shelf.adopt()
            except OSError as error:
                log.warning("cannot look for what dead processes have left: %s", error)
            self.has_looked = True
            self._adopt_at = self._pace.monotonic() + ADOPTION
        try:
            taken = self._shelf.take()
        except OSError as error:
            self._fail(f"the spool cannot be read: {error}", 1, None)
            return True
        if taken is None:
            return False
        self._deliver(taken)
        return True

    def _deliver(self, taken: Taken) -> None:
        if taken.batch.parcels:
            self._ship(taken.batch)
            self.acknowledged_at = self._pace.now()
        self._shelf.acknowledge(taken)

    def _ship(self, batch: Batch) -> None:
        """Deliver a batch; halve it to find what is refused in it."""
        try:
            self._insist(batch)
        except Refused as refused:
            if len(batch.parcels) > 1:
                middle = len(batch.parcels) // 2
                self._ship(Batch(batch.origin, batch.parcels[:middle]))
                self._ship(Batch(batch.origin, batch.parcels[middle:]))
                return
            self._give_up(batch, refused)

    def _give_up(self, batch: Batch, refused: Refused) -> None:
        """One record is refused. If nothing at all is taken there, it is not the record that is wrong."""
        failures = 0
        while self._takes_nothing(batch):
            failures += 1
            self._fail(f"it takes nothing at all: {refused}", failures, None)
            try:
                self._insist(batch)
                return
            except Refused as again:
                refused = again
        parcel = batch.parcels[0]
        self.rejected += parcel.kind == "call"
        set_aside(self._shelf.root, parcel, str(refused))

    def _takes_nothing(self, batch: Batch) -> bool:
        """Whether even an empty batch is refused."""
        try:
            self._insist(Batch(batch.origin, ()))
        except Refused:
            return True
        return False

    def _insist(self, batch: Batch) -> None:
        """Deliver a batch. Raises `Refused`, or `Stopped`, and nothing else."""
        failures = 0
        while True:
            if self.stopping:
                raise Stopped
            try:
                self._destination.ship(batch)
            except Unavailable as error:
                failures += 1
                self._fail(str(error), failures, error.retry_after)
            except Refused:
                raise
            except Exception as fault:  # noqa: BLE001  the boundary to the destination: nothing of its may end this thread
                failures += 1
                log.exception("a delivery to %s has failed in an unforeseen way", self._destination.name)
                self._fail(f"{type(fault).__qualname__}: {fault}", failures, None)
            else:
                self.failure = None
                return

    def _fail(self, reason: str, failures: int, retry_after: float | None) -> None:
        """Note why nothing is delivered, and wait before the next attempt."""
        if self.failure is None:
            log.warning("%s cannot be reached, calls are kept in the spool: %s", self._destination.name, reason)
        self.failure = reason
        self.attempts += 1
        most = min(FIRST_WAIT * 2 ** min(failures - 1, 20), LONGEST_WAIT)
        seconds = most * (0.5 + 0.5 * self._pace.jitter())
        if retry_after is not None:
            seconds = max(seconds, min(retry_after, LONGEST_ASKED))
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        if self._pace.wait(self.wake, seconds) and not self.stopping:
            self.wake.clear()
