"""The metrics of finished calls, through the OpenTelemetry API.

Histograms are recorded a call at a time. Counters are kept here, in exact integers, and observed when a reader asks:
that is cheaper on the call path than a synchronous counter, keeps money exact, and starts at zero in a forked child.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from tollkeeper.capture import faults
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
from tollkeeper.telemetry.measure import INFERENCE, Labels, counter_amounts, other
from tollkeeper.telemetry.metrics import Metric


class Totals:
    """Monotonic sums by label set, in integers. Once `capacity` label sets are there, further ones count as `other`."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._sums: dict[Metric, dict[Labels, int]] = {}
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._sums = {}

    def add(self, amounts: Iterable[tuple[Metric, Labels, int]]) -> None:
        """Add each amount to its sum. Amounts are whole: tokens, calls, billionths of a dollar."""
        with self._lock:
            for target, labels, amount in amounts:
                sums = self._sums.setdefault(target, {})
                if labels not in sums and len(sums) >= self._capacity:
                    labels = other(labels)
                sums[labels] = sums.get(labels, 0) + amount

    def read(self, target: Metric) -> list[tuple[Labels, int]]:
        with self._lock:
            return list(self._sums.get(target, {}).items())


_totals: weakref.WeakKeyDictionary[Meter, Totals] = weakref.WeakKeyDictionary()


def _observed(meter: Meter, capacity: int) -> Totals:
    """The sums behind this meter's counters. A meter keeps its instruments for ever, so they are made once."""
    totals = _totals.get(meter)
    if totals is None:
        totals = _totals[meter] = Totals(capacity)
        for counter in (metric.COST, metric.TOKENS, metric.CALLS, metric.UNPRICED_CALLS, metric.UNMEASURED_CALLS):
            _observe(meter, counter, totals)
        meter.create_observable_counter(
            metric.FAULTS.name, [_faults], unit=metric.FAULTS.unit, description=metric.FAULTS.description
        )
    return totals


def _observe(meter: Meter, counter: Metric, totals: Totals) -> None:
    scale = 1_000_000_000 if counter is metric.COST else 1

    def callback(options: CallbackOptions) -> Iterable[Observation]:
        for labels, amount in totals.read(counter):
            value = amount / scale if scale != 1 else amount
            yield Observation(value, {name: text for name, text in labels if text})

    meter.create_observable_counter(counter.name, [callback], unit=counter.unit, description=counter.description)


def _faults(options: CallbackOptions) -> Iterable[Observation]:
    for step, count in faults.counts().items():
        yield Observation(count, {metric.STEP_LABEL: step})


class MetricsSink:
    """Records finished calls with one meter. `newest` switches to the newest metric families of the conventions."""

    name = "metrics"

    def __init__(self, meter: Meter, metric_tags: tuple[str, ...], label_sets: int, newest: bool) -> None:
        self._totals = _observed(meter, label_sets)
        self._metric_tags = metric_tags
        self._newest = newest
        self._input = self._output = None

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

    def record(self, call: Call, context: Context | None) -> None:
        base: dict[str, Any] = {OPERATION: call.operation, PROVIDER: call.provider}
        if call.request_model is not None:
            base[REQUEST_MODEL] = call.request_model
        if call.response_model is not None:
            base[RESPONSE_MODEL] = call.response_model
        if call.server_address is not None:
            base[SERVER_ADDRESS] = call.server_address
            if call.server_port is not None:
                base[SERVER_PORT] = call.server_port
        self._record_times(call, base, context)
        self._record_tokens(call, base, context)
        self._totals.add(counter_amounts(call, self._metric_tags))

    def _record_times(self, call: Call, base: dict[str, Any], context: Context | None) -> None:
        if call.duration is not None:
            record = self._duration if call.operation in INFERENCE else self._operation_duration
            with_error = base if call.error_type is None else {**base, ERROR_TYPE: call.error_type}
            record(call.duration, with_error, context)
        if call.time_to_first_chunk is not None:
            self._first_chunk(call.time_to_first_chunk, base, context)
        if call.time_per_chunk is not None:
            self._per_chunk(call.time_per_chunk, base, context)

    def _record_tokens(self, call: Call, base: dict[str, Any], context: Context | None) -> None:
        usage = call.usage
        if self._input is not None and self._output is not None:
            if usage.input_tokens is not None:
                self._input(usage.input_tokens, base, context)
            if usage.output_tokens is not None:
                self._output(usage.output_tokens, base, context)
            return
        if usage.input_tokens is not None:
            self._tokens(usage.input_tokens, {**base, TOKEN_TYPE: "input"}, context)
        if usage.output_tokens is not None:
            self._tokens(usage.output_tokens, {**base, TOKEN_TYPE: "output"}, context)
