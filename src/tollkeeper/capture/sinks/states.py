"""How spool, counters and limits of this process are doing, as metrics: read when somebody asks, never by a call."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from tollkeeper.telemetry.metrics import (
    COUNTERS_AWAY,
    COUNTERS_DROPPED,
    COUNTERS_KEPT,
    COUNTERS_UNANSWERED,
    LIMITS_UNKNOWN,
    SPOOL_BYTES,
    SPOOL_DROPPED,
    SPOOL_RECORDS,
    SPOOL_REJECTED,
    STATE_METRICS,
    Metric,
)

if TYPE_CHECKING:
    from tollkeeper.capture.policy_feed import PolicyFeed
    from tollkeeper.storage.counters.guarded import GuardedCounters
    from tollkeeper.storage.spool import Spool

Reading = list[tuple[Metric, int]]

_watched: weakref.WeakKeyDictionary[Any, Callable[[Any], Reading]] = weakref.WeakKeyDictionary()
_observed: weakref.WeakSet[Meter] = weakref.WeakSet()


def watch_spool(spool: Spool, meter: Meter | None) -> None:
    """Have a spool's state among the metrics of this process."""
    _watched[spool] = _of_spool
    _observe(meter)


def watch_counters(counters: GuardedCounters, meter: Meter | None) -> None:
    """Have it among the metrics of this process whether its counters can be reached."""
    _watched[counters] = _of_counters
    _observe(meter)


def watch_limits(feed: PolicyFeed, meter: Meter | None) -> None:
    """Have it among the metrics of this process whether the sidecar has told its limits."""
    _watched[feed] = _of_limits
    _observe(meter)


def _observe(meter: Meter | None) -> None:
    """A meter keeps its instruments: they are made once."""
    if meter is None or meter in _observed:
        return
    _observed.add(meter)
    for which in STATE_METRICS:
        create = meter.create_observable_gauge if which.kind == "gauge" else meter.create_observable_counter
        create(which.name, [_callback(which)], unit=which.unit, description=which.description)


def _callback(which: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def callback(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(amount) for metric, amount in read() if metric is which]

    return callback


def read() -> Reading:
    """Each metric's value, over all that is watched in this process; none of what there is not."""
    sums: Counter[Metric] = Counter()
    for watched, reading in list(_watched.items()):
        for which, amount in reading(watched):
            sums[which] += amount
    return list(sums.items())


def _of_spool(spool: Spool) -> Reading:
    state = spool.state
    return [
        (SPOOL_RECORDS, state.records),
        (SPOOL_BYTES, state.bytes),
        (SPOOL_DROPPED, state.dropped),
        (SPOOL_REJECTED, state.rejected),
    ]


def _of_counters(counters: GuardedCounters) -> Reading:
    figures = counters.figures
    return [
        (COUNTERS_AWAY, int(figures.state != "connected")),
        (COUNTERS_UNANSWERED, figures.unanswered),
        (COUNTERS_KEPT, figures.kept),
        (COUNTERS_DROPPED, figures.dropped),
    ]


def _of_limits(feed: PolicyFeed) -> Reading:
    return [(LIMITS_UNKNOWN, int(not feed.known and not feed.stopped))]
