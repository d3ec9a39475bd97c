"""How models do in all apps together, by the sidecar's word: for `cheapest` and failover. Calls never wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tollkeeper.model.health import Health

STALE_SECONDS = 300.0
"""What was found so long ago is believed no more."""
FEWEST_CALLS = 20
"""Of fewer, nothing is made."""


class Told(NamedTuple):
    """What the sidecar has found, and the name of when that was."""

    evaluated_at: str | None
    found: Sequence[tuple[Health, bool]]
    """Each with whether it fails just now."""


class FleetHealth:
    """The newest that was told. `clock` is in seconds, and only measures spans of time. Read without a lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._evaluated_at: str | None = None
        self._changed_at = 0.0
        self._found: dict[tuple[str, str], tuple[Health, bool]] = {}

    def use(self, told: Told) -> None:
        """Go by this from now on. An evaluation that was told of before gets no younger."""
        if told.evaluated_at is None or told.evaluated_at == self._evaluated_at:
            return
        self._evaluated_at = told.evaluated_at
        self._changed_at = self._clock()
        self._found = {(health.provider, health.model): (health, fails) for health, fails in told.found}

    def read(self) -> list[Health]:
        """How every model does, unless that was too long ago."""
        return [health for health, _ in self._found.values()] if self._is_fresh() else []

    def fails_since(self, provider: str, model: str) -> float | None:
        """When it was told that this model fails just now; `None`: it was not, or too long ago."""
        found = self._found.get((provider, model))
        return self._changed_at if found is not None and found[1] and self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return self._clock() - self._changed_at <= STALE_SECONDS
