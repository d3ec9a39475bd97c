"""Runs what evaluates the ledger when it is due. What comes of it is kept in the database, for every sidecar."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tollkeeper.storage.insight.evaluations import Evaluations

log = logging.getLogger("tollkeeper")

NANO = 1_000_000_000
AGAIN_SECONDS = 300
"""After one has failed, unless it is due earlier."""


class Evaluator(NamedTuple):
    """Something that is found out every so many seconds.

    `run` is given the moment, in nanoseconds since the epoch, and returns what JSON can say.
    """

    name: str
    every: float
    run: Callable[[int], Any]


class Evaluators:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(
        self, evaluators: Sequence[Evaluator], evaluations: Evaluations, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._evaluators = tuple(evaluators)
        self._evaluations = evaluations
        self._clock = clock

    def tick(self) -> None:
        """Run all that are due, in their order. One that fails holds up no other."""
        for evaluator in self._evaluators:
            every = int(evaluator.every * NANO)
            if self._evaluations.claim(evaluator.name, every):
                self._run(evaluator, every)

    def _run(self, evaluator: Evaluator, every: int) -> None:
        now = self._clock()
        try:
            body = evaluator.run(now)
        except Exception:  # noqa: BLE001  the guard: an evaluator that fails must not hold up the others
            log.exception("the evaluator %r has failed; it runs again", evaluator.name)
            self._evaluations.postpone(evaluator.name, now + min(every, AGAIN_SECONDS * NANO))
        else:
            self._evaluations.keep(evaluator.name, now, body)
