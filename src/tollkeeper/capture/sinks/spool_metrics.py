"""How the spool of this process is doing, as metrics: read when somebody asks, nothing on the call path."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from tollkeeper.storage.spool import Spool
from tollkeeper.telemetry.metrics import (
    SPOOL_BYTES,
    SPOOL_DROPPED,
    SPOOL_METRICS,
    SPOOL_RECORDS,
    SPOOL_REJECTED,
    Metric,
)

_spools: weakref.WeakSet[Spool] = weakref.WeakSet()
_observed: weakref.WeakSet[Meter] = weakref.WeakSet()


def watch(spool: Spool, meter: Meter | None) -> None:
    """Have a spool's state among the metrics of this process. A meter keeps its instruments: they are made once."""
    _spools.add(spool)
    if meter is None or meter in _observed:
        return
    _observed.add(meter)
    for which in SPOOL_METRICS:
        create = meter.create_observable_gauge if which.kind == "gauge" else meter.create_observable_counter
        create(which.name, [_callback(which)], unit=which.unit, description=which.description)


def _callback(which: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def callback(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(amount) for metric, amount in read() if metric is which]

    return callback


def read() -> list[tuple[Metric, int]]:
    """Each metric's value, over all spools of this process; none where there is no spool."""
    states = [spool.state for spool in list(_spools)]
    if not states:
        return []
    return [
        (SPOOL_RECORDS, sum(state.records for state in states)),
        (SPOOL_BYTES, sum(state.bytes for state in states)),
        (SPOOL_DROPPED, sum(state.dropped for state in states)),
        (SPOOL_REJECTED, sum(state.rejected for state in states)),
    ]
