"""How providers answer, learned from the calls of this process: success, latency, and whether it is worth asking.

Where a sidecar tells how they do elsewhere (`fleet_health`), that counts, too: until this process has seen otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from tollkeeper.capture.fleet_health import FEWEST_CALLS, FleetHealth
from tollkeeper.model import Call
from tollkeeper.model.failure import failure_by
from tollkeeper.model.health import Circuit, Health

KEPT_CALLS = 100
"""Of each model, the newest; older than `KEPT_SECONDS` they say nothing any more."""

KEPT_SECONDS = 600.0
KEPT_MODELS = 512
OPENS_AFTER = 5
"""Failures without an answer between them."""

OPEN_SECONDS = 30.0
"""For how long an open circuit waits before one call tries again."""


class _Answer(NamedTuple):
    at: float
    seconds: float | None
    """`None`: it has failed."""


class _Record:
    """One model of one provider. Shared between threads without a lock: what races is a count, by one."""

    __slots__ = ("answered_at", "answers", "failures", "tried_at")

    def __init__(self) -> None:
        self.answers: deque[_Answer] = deque(maxlen=KEPT_CALLS)
        self.failures = 0
        self.tried_at = 0.0
        """When the circuit opened, or was last tried."""
        self.answered_at = -inf

    def circuit(self, now: float) -> Circuit:
        if self.failures < OPENS_AFTER:
            return "closed"
        return "open" if now - self.tried_at < OPEN_SECONDS else "half_open"


class ProviderHealth:
    """`clock` is in seconds, and only measures spans of time."""

    def __init__(self, clock: Callable[[], float], fleet: FleetHealth | None = None) -> None:
        self._clock = clock
        self._fleet = fleet
        self._records: dict[tuple[str, str], _Record] = {}

    def note(self, call: Call) -> None:
        """Learn from a call that has ended. One that the provider has refused as wrong says nothing of its health."""
        if call.error_type is None:
            if not call.abandoned and call.duration is not None:
                self.answered(call.provider, call.request_model, call.duration)
        elif failure_by(call.status_code, call.error_type) is not None:
            self.failed(call.provider, call.request_model)

    def answered(self, provider: str, model: str | None, seconds: float) -> None:
        """It has answered, in so many seconds."""
        record = self._record(provider, model)
        record.answered_at = self._clock()
        record.answers.append(_Answer(record.answered_at, seconds))
        record.failures = 0

    def failed(self, provider: str, model: str | None) -> None:
        """It has failed, by its own fault."""
        record = self._record(provider, model)
        now = self._clock()
        record.answers.append(_Answer(now, None))
        record.failures += 1
        record.tried_at = now

    def is_closed(self, provider: str, model: str | None) -> bool:
        """Whether nothing is wrong with its circuit."""
        record = self._records.get((provider, model or ""))
        return (record is None or record.failures < OPENS_AFTER) and not self._fails_elsewhere(provider, model, record)

    def allows(self, provider: str, model: str | None) -> bool:
        """Whether to send it a call. Where a circuit has been open for a while, one call is let through to try it."""
        record = self._records.get((provider, model or ""))
        elsewhere = self._fails_elsewhere(provider, model, record)
        if not elsewhere and (record is None or record.failures < OPENS_AFTER):
            return True
        now = self._clock()
        record = record or self._record(provider, model)
        if now - record.tried_at < OPEN_SECONDS:
            return False
        record.tried_at = now
        return True

    def _fails_elsewhere(self, provider: str, model: str | None, record: _Record | None) -> bool:
        """Whether the sidecar has told so, and nothing was heard of it since."""
        since = self._fleet.fails_since(provider, model or "") if self._fleet is not None else None
        return since is not None and (record is None or record.answered_at < since)

    def read(self) -> list[Health]:
        """How every model does that was asked of late, the busiest first; by the sidecar where it was hardly asked."""
        now = self._clock()
        told = {(each.provider, each.model): each for each in self._fleet.read()} if self._fleet is not None else {}
        own = {key: _health(*key, record, now) for key, record in list(self._records.items())}
        found = []
        for key in {**own, **told}:
            mine = own.get(key)
            is_known = mine is not None and (mine.calls >= FEWEST_CALLS or key not in told)
            best = mine if mine is not None and is_known else told[key]
            circuit = mine.circuit if mine is not None else "closed"
            if circuit == "closed" and self._fails_elsewhere(*key, self._records.get(key)):
                circuit = "open"
            found.append(best._replace(circuit=circuit))
        return sorted(found, key=lambda each: -each.calls)

    def of(self, provider: str, model: str) -> Health | None:
        """How one model does; nothing if it was not asked."""
        record = self._records.get((provider, model))
        return None if record is None else _health(provider, model, record, self._clock())

    def _record(self, provider: str, model: str | None) -> _Record:
        key = (provider, model or "")
        record = self._records.get(key)
        if record is None:
            if len(self._records) >= KEPT_MODELS:
                self._records = _newest(self._records)
            record = self._records.setdefault(key, _Record())
        return record


def _health(provider: str, model: str, record: _Record, now: float) -> Health:
    answers = [answer for answer in list(record.answers) if now - answer.at <= KEPT_SECONDS]
    seconds = sorted(answer.seconds for answer in answers if answer.seconds is not None)
    return Health(
        provider,
        model,
        calls=len(answers),
        success=len(seconds) / len(answers) if answers else None,
        latency_p50=_share(seconds, 0.5),
        latency_p95=_share(seconds, 0.95),
        circuit=record.circuit(now),
    )


def _share(ordered: list[float], share: float) -> float | None:
    """The value that this share of all is not above (nearest rank)."""
    return ordered[max(-int(-len(ordered) * share // 1), 1) - 1] if ordered else None


def _newest(records: dict[tuple[str, str], _Record]) -> dict[tuple[str, str], _Record]:
    """The half of them that was asked last."""
    latest = sorted(records.items(), key=lambda item: item[1].answers[-1].at if item[1].answers else 0.0)
    return dict(latest[len(latest) // 2 :])
