"""The latest forecasts, as every sidecar of a database reads them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tollkeeper.insight.forecast.published import Published, read
from tollkeeper.storage.insight.evaluations import Evaluation, Evaluations

NAME = "forecasts"

Budget = tuple[str, tuple[tuple[str, str], ...], int]
"""A limit's name, whose budget it is, and where its period begins."""


class Foreseen(NamedTuple):
    """All forecasts of one moment, in nanoseconds since the epoch."""

    at: int
    forecasts: Sequence[Published]
    budgets: Mapping[Budget, Published]


NOTHING = Foreseen(0, (), {})


def budget_of(limit: str, scope: Mapping[str, str], start: int) -> Budget:
    """By what a forecast of a limit is found."""
    return limit, tuple(sorted(scope.items())), start


class Forecasts:
    """Of one database. Raises `LedgerUnavailable`."""

    def __init__(self, evaluations: Evaluations) -> None:
        self._evaluations = evaluations
        self._lock = threading.Lock()
        self._read: tuple[Evaluation, Foreseen] | None = None

    def latest(self) -> Foreseen:
        """`NOTHING` where nobody has looked yet."""
        found = self._evaluations.latest(NAME)
        if found is None:
            return NOTHING
        with self._lock:
            if self._read is None or self._read[0] is not found:
                self._read = found, _foreseen(found)
            return self._read[1]


def _foreseen(found: Evaluation) -> Foreseen:
    forecasts = [read(document) for document in found.body["forecasts"]]
    budgets = {budget_of(one.limit, one.scope, one.start): one for one in forecasts if one.limit is not None}
    return Foreseen(found.at, forecasts, budgets)
