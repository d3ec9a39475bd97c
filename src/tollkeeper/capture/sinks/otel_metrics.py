"""The metrics of finished calls, through the OpenTelemetry API.

Histograms are recorded a call at a time. Counters are kept here, in exact integers, and observed when a reader asks:
that is cheaper on the call path than a synchronous counter, keeps money exact, and starts at zero in a forked child.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from tollkeeper.capture import faults
from tollkeeper.capture.courier import Courier
from tollkeeper.model import Call
from tollkeeper.telemetry import metrics as metric
from tollkeeper.telemetry.attributes import (
    ERROR_TYPE,
    OPERATION,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SERVER_ADDRESS,
    SERVER_PORT,
    TOKEN_TYPE,
)
from tollkeeper.telemetry.measure import (
    COST_SCALE,
    HTTPS,
    INFERENCE,
    Amount,
    Labels,
    amounts,
    counter_labels,
    name_labels,
)
from tollkeeper.telemetry.metrics import OTHER, Metric

Series = dict[tuple[Metric, str], int]


class Totals:
    """Monotonic sums, in integers. Once `capacity` label sets are there, further ones count as `other`."""

    def __init__(self, metric_tags: tuple[str, ...], capacity: int) -> None:
        self.metric_tags = metric_tags
        self.before_reading: Callable[[], None] = lambda: None
        self._capacity = capacity
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, ...], Series] = {}
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._rows = {}

    def add(self, labels: tuple[str, ...], added: Iterable[Amount]) -> None:
        """Add each amount to its sum. Amounts are whole: tokens, calls, billionths of a dollar."""
        with self._lock:
            row = self._rows.get(labels)
            if row is None:
                row = self._new_row(labels)
            for which, own, amount in added:
                key = (which, own)
                row[key] = row.get(key, 0) + amount

    def _new_row(self, labels: tuple[str, ...]) -> Series:
        if len(self._rows) >= self._capacity:
            labels = (OTHER,) * len(labels)
        return self._rows.setdefault(labels, {})

    def read(self, counter: Metric) -> list[tuple[Labels, int]]:
        """The series of one counter."""
        with self._lock:
            return [
                (name_labels(counter, labels, own, self.metric_tags), amount)
                for labels, row in self._rows.items()
                for (which, own), amount in row.items()
                if which is counter
            ]


ByTags = dict[tuple[str, ...], Totals]

_totals: weakref.WeakKeyDictionary[Meter, ByTags] = weakref.WeakKeyDictionary()


def _observed(meter: Meter, metric_tags: tuple[str, ...], capacity: int) -> Totals:
    """The sums behind this meter's counters. A meter keeps its instruments for ever, so they are made once."""
    by_tags = _totals.get(meter)
    if by_tags is None:
        by_tags = _totals[meter] = {}
        for counter in metric.METRICS:
            if counter.kind == "counter" and counter not in (metric.FAULTS, *metric.STATE_METRICS):
                _observe(meter, counter, by_tags)
        meter.create_observable_counter(
            metric.FAULTS.name, [_faults], unit=metric.FAULTS.unit, description=metric.FAULTS.description
        )
    if metric_tags not in by_tags:
        by_tags[metric_tags] = Totals(metric_tags, capacity)
    return by_tags[metric_tags]


def _observe(meter: Meter, counter: Metric, by_tags: ByTags) -> None:
    scale = COST_SCALE if counter is metric.COST else 1

    def callback(options: CallbackOptions) -> Iterable[Observation]:
        for totals in list(by_tags.values()):
            totals.before_reading()
            for labels, amount in totals.read(counter):
                value = amount / scale if scale != 1 else amount
                yield Observation(value, {name: text for name, text in labels if text})

    meter.create_observable_counter(counter.name, [callback], unit=counter.unit, description=counter.description)


def _faults(options: CallbackOptions) -> Iterable[Observation]:
    for step, count in faults.counts().items():
        yield Observation(count, {metric.STEP_LABEL: step})


BATCH = 128
"""So many calls wait before the courier is woken, unless somebody reads the metrics first."""
BACKLOG = 1024
"""The most calls that may wait for the courier; whoever brings one more records them all himself."""

EXEMPLAR_NANOSECONDS = 100_000_000
"""The least time between two exemplars. One, the link from a metric to a trace, costs as much as the record itself."""

NO_SPAN = set_span_in_context(INVALID_SPAN, Context())
"""The context of a record without an exemplar. An empty one would mean whatever span is current where it is made."""

_draining = threading.Lock()
"""Held while records are made, and while the process forks: no child inherits a taken lock of the metrics SDK."""

_sinks: weakref.WeakSet[MetricsSink] = weakref.WeakSet()


def _forked() -> None:
    global _draining
    _draining = threading.Lock()
    for sink in _sinks:
        sink.forget()


os.register_at_fork(
    before=lambda: _draining.acquire(), after_in_parent=lambda: _draining.release(), after_in_child=_forked
)


class MetricsSink:
    """Records finished calls with one meter. `newest` switches to the newest metric families of the conventions.

    A record costs the SDK more than all else that a call costs us, so they are made in batches, off the call path, by
    the courier. Whoever reads the metrics gets them complete: the counters are asked first, and have the rest recorded.
    """

    name = "metrics"

    def __init__(
        self, meter: Meter, metric_tags: tuple[str, ...], label_sets: int, newest: bool, courier: Courier
    ) -> None:
        self._totals = _observed(meter, metric_tags, label_sets)
        self._totals.before_reading = self.drain
        self._newest = newest
        self._input = self._output = None
        self._courier = courier
        self.forget()
        _sinks.add(self)

        def histogram(which: Metric) -> Callable[..., Any]:
            return meter.create_histogram(
                which.name, which.unit, which.description, explicit_bucket_boundaries_advisory=which.buckets
            ).record

        self._operation_duration = histogram(metric.OPERATION_DURATION)
        if newest:
            self._duration = histogram(metric.INFERENCE_DURATION)
            self._first_chunk = histogram(metric.INFERENCE_TIME_TO_FIRST_CHUNK)
            self._per_chunk = histogram(metric.INFERENCE_TIME_PER_OUTPUT_CHUNK)
            self._input = histogram(metric.INFERENCE_INPUT)
            self._output = histogram(metric.INFERENCE_OUTPUT)
        else:
            self._duration = self._operation_duration
            self._first_chunk = histogram(metric.TIME_TO_FIRST_CHUNK)
            self._per_chunk = histogram(metric.TIME_PER_OUTPUT_CHUNK)
            self._tokens = histogram(metric.TOKEN_USAGE)

    def forget(self) -> None:
        """What was waiting before a fork is the parent's."""
        self._pending: deque[tuple[Call, Context | None]] = deque()
        self._scheduled = False
        self._exemplar_at = 0

    def record(self, call: Call, context: Context | None) -> None:
        self._pending.append((call, context))
        waiting = len(self._pending)
        if waiting > BACKLOG:
            self.drain()
        elif waiting >= BATCH and not self._scheduled:
            self._scheduled = True
            self._courier.soon(self.drain, "record metrics")

    def drain(self) -> None:
        """Record what is waiting."""
        with _draining:
            self._scheduled = False
            while self._pending:
                call, context = self._pending.popleft()
                try:
                    self._record(call, context)
                except Exception as fault:  # noqa: BLE001  the boundary to the metrics SDK and its readers
                    faults.report("record a call (metrics)", fault)

    def count(self, call: Call, added: Sequence[Amount]) -> None:
        self._totals.add(counter_labels(call, self._totals.metric_tags), added)

    def _record(self, call: Call, context: Context | None) -> None:
        base: dict[str, Any] = {OPERATION: call.operation, PROVIDER: call.provider}
        if call.request_model is not None:
            base[REQUEST_MODEL] = call.request_model
        if call.response_model is not None:
            base[RESPONSE_MODEL] = call.response_model
        if call.server_address is not None:
            base[SERVER_ADDRESS] = call.server_address
            if call.server_port is not None and call.server_port != HTTPS:
                base[SERVER_PORT] = call.server_port
        self._record_times(call, base, context)
        self._record_tokens(call, base)
        self._totals.add(counter_labels(call, self._totals.metric_tags), amounts(call, self._newest))

    def _record_times(self, call: Call, base: dict[str, Any], context: Context | None) -> None:
        if call.duration is not None:
            record = self._duration if call.operation in INFERENCE else self._operation_duration
            with_error = base if call.error_type is None else {**base, ERROR_TYPE: call.error_type}
            if call.started_at - self._exemplar_at > EXEMPLAR_NANOSECONDS:
                self._exemplar_at = call.started_at
                record(call.duration, with_error, context)
            else:
                record(call.duration, with_error, NO_SPAN)
        if call.time_to_first_chunk is not None:
            self._first_chunk(call.time_to_first_chunk, base, NO_SPAN)
        if call.time_per_chunk is not None:
            self._per_chunk(call.time_per_chunk, base, NO_SPAN)

    def _record_tokens(self, call: Call, base: dict[str, Any]) -> None:
        usage = call.usage
        if self._input is not None and self._output is not None:
            if usage.input_tokens is not None:
                self._input(usage.input_tokens, base, NO_SPAN)
            if usage.output_tokens is not None:
                self._output(usage.output_tokens, base, NO_SPAN)
            return
        if usage.input_tokens is not None:
            self._tokens(usage.input_tokens, {**base, TOKEN_TYPE: "input"}, NO_SPAN)
        if usage.output_tokens is not None:
            self._tokens(usage.output_tokens, {**base, TOKEN_TYPE: "output"}, NO_SPAN)
