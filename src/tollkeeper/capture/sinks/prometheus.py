"""The app's own Prometheus metrics, with prometheus_client: exact for one process and, under gunicorn, for all of them.

Under `PROMETHEUS_MULTIPROC_DIR` every process writes its own files in that folder and a scrape of any of them sums all.
Prometheus numbers are floats: money is exact to about 15 digits here, and to the nano-dollar in the usage events.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tollkeeper.capture import faults
from tollkeeper.config import ConfigurationError
from tollkeeper.model import Call
from tollkeeper.telemetry import metrics as metric
from tollkeeper.telemetry.measure import (
    COST_SCALE,
    COUNTER_LABELS,
    OWN_LABEL,
    Amount,
    Labels,
    amounts,
    counter_labels,
    histogram_values,
    name_labels,
    other,
)
from tollkeeper.telemetry.metrics import METRICS, OTHER, Metric

OWN_NAMES = frozenset(each.prometheus_name for each in METRICS)
LONGEST_LABEL = 200

_lock = threading.RLock()
"""Held while numbers change, and while the process forks: no child inherits a half-written number or a taken lock."""

_sinks: weakref.WeakSet[PrometheusSink] = weakref.WeakSet()
_shared: Instruments | None = None


def in_many_processes() -> bool:
    """Whether prometheus_client writes to `PROMETHEUS_MULTIPROC_DIR`: it decided that when it was imported."""
    return values.ValueClass is not values.MutexValue


def label_name(name: str) -> str:
    """An attribute's or a tag's name as a Prometheus label."""
    label = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"_{label}" if label[:1].isdigit() else label


def check_tags(metric_tags: Sequence[str]) -> None:
    """Raises `ConfigurationError` for tags that cannot be labels beside each other."""
    names = {label_name(name): name for name in (*COUNTER_LABELS, *OWN_LABEL.values())}
    for tag in metric_tags:
        label = label_name(tag)
        if not tag or label.startswith("__") or label in names:
            beside = f"other than that of {names[label]!r}" if label in names else "that does not begin with __"
            raise ConfigurationError(f"metric_tags: {tag!r} would be the label {label!r}; expected a label {beside}")
        names[label] = tag


class Instruments:
    """The counters and histograms of one registry, each made when it is first needed."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.registry = registry
        self.faults: Mapping[str, int] = {}
        """The faults that are counted already."""
        self._made: dict[tuple[Metric, tuple[str, ...]], Counter | Histogram] = {}

    def series(self, which: Metric, labels: Labels) -> Any:
        """The time series with these labels."""
        names = tuple(label_name(name) for name, _ in labels)
        made = self._made.get((which, names))
        if made is None:
            name, text = which.prometheus_name, which.description
            if which.kind == "counter":
                made = Counter(name, text, names, registry=self.registry)
            else:
                made = Histogram(name, text, names, registry=self.registry, buckets=which.buckets)
            self._made[which, names] = made
        return made.labels(*(_printable(value) for _, value in labels))


def _printable(text: str) -> str:
    return text[:LONGEST_LABEL].encode("utf-8", "replace").decode("utf-8")


class PrometheusSink:
    """Records finished calls, and renders what was recorded."""

    name = "prometheus"

    def __init__(
        self, metric_tags: tuple[str, ...], label_sets: int, newest: bool, resource: Mapping[str, str] | None = None
    ) -> None:
        check_tags(metric_tags)
        self._metric_tags = metric_tags
        self._label_sets = label_sets
        self._newest = newest
        self._many = in_many_processes()
        self._files = _files() if self._many else None
        self._resource = {label_name(key): text for key, text in (resource or {}).items()}
        self._forked = False
        self.when_forked: Callable[[], None] | None = None
        """Run before the first call of a forked child is recorded."""
        self.read_states: Callable[[], Sequence[tuple[Metric, int]]] = tuple
        """How the spool and the counters of this process are doing, if it has any."""
        self._start()
        _sinks.add(self)

    def _start(self) -> None:
        self.page = _page(self, self._resource)
        self._instruments = _the_shared() if self._many else Instruments(CollectorRegistry())
        self._counters: dict[tuple[str, ...], dict[tuple[Metric, str], Any]] = {}
        self._histograms: dict[Metric, dict[Labels, Any]] = {}

    def record(self, call: Call, context: Context | None) -> None:
        if self._forked:
            self._forked = False
            if self.when_forked is not None:
                self.when_forked()
        exemplar = None if self._many else _exemplar(context)
        with _lock:
            for which, labels, value in histogram_values(call, self._newest):
                self._histogram(which, labels).observe(value, exemplar)
                exemplar = None  # one a call is enough: the duration leads to the trace
            self._add(call, amounts(call, self._newest))
            self._count_faults()

    def count(self, call: Call, added: Sequence[Amount]) -> None:
        with _lock:
            self._add(call, added)

    def _add(self, call: Call, added: Sequence[Amount]) -> None:
        values = self._bounded(counter_labels(call, self._metric_tags))
        row = self._counters.setdefault(values, {})
        for which, own, amount in added:
            series = row.get((which, own))
            if series is None:
                labels = name_labels(which, values, own, self._metric_tags)
                series = row[which, own] = self._instruments.series(which, labels)
            series.inc(amount / COST_SCALE if which is metric.COST else amount)

    def _histogram(self, which: Metric, labels: Labels) -> Any:
        known = self._histograms.setdefault(which, {})
        series = known.get(labels)
        if series is None:
            if len(known) >= self._label_sets:
                labels = other(labels)
            series = known[labels] = self._instruments.series(which, labels)
        return series

    def _bounded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """These values of the counters' labels, or `other` where there are too many already."""
        if values in self._counters or len(self._counters) < self._label_sets:
            return values
        return (OTHER,) * len(values)

    def _count_faults(self) -> None:
        """Bring the faults counter up to date."""
        counts = faults.counts()
        told = self._instruments.faults
        if counts != told:
            for step, count in counts.items():
                if (more := count - told.get(step, 0)) > 0:
                    self._instruments.series(metric.FAULTS, ((metric.STEP_LABEL, step),)).inc(more)
            self._instruments.faults = counts

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The body and the content type of an answer to a scrape whose `Accept` header this is."""
        encode, content_type = choose_encoder(accept)
        return encode(self.page), content_type

    def families(self) -> Iterator[Family]:
        """Every metric, summed over the processes. Only our own: the folder may hold the app's metrics too."""
        with _lock:
            self._count_faults()
        source: Collector = self._files or self._instruments.registry  # type: ignore[assignment]
        for family in source.collect():
            if family.name in OWN_NAMES:
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family
        if not self._many:
            for which, amount in self.read_states():
                kind = GaugeMetricFamily if which.kind == "gauge" else CounterMetricFamily
                yield kind(which.prometheus_name, which.description, value=amount)

    def start_over(self) -> None:
        """Forget what the parent has counted: the parent still shows it."""
        self._start()
        self._instruments.faults = faults.counts()
        self._forked = True


class _Page(Collector):
    """`target_info`, and then every metric."""

    def __init__(self, sink: PrometheusSink, resource: Mapping[str, str]) -> None:
        self._sink = weakref.ref(sink)
        self._resource = resource

    def collect(self) -> Iterator[Family]:
        target = GaugeMetricFamily("target_info", "Target metadata", labels=list(self._resource))
        target.add_metric([_printable(text) for text in self._resource.values()], 1)
        yield target
        sink = self._sink()
        if sink is not None:
            yield from sink.families()


def _page(sink: PrometheusSink, resource: Mapping[str, str]) -> CollectorRegistry:
    page = CollectorRegistry()
    page.register(_Page(sink, resource))
    return page


def _the_shared() -> Instruments:
    """The instruments of this process's files. Two sets of them would write over each other's numbers."""
    global _shared
    if _shared is None:
        _shared = Instruments(None)
    return _shared


def _files() -> MultiProcessCollector:
    try:
        return MultiProcessCollector(None)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ConfigurationError(f"environment variable PROMETHEUS_MULTIPROC_DIR: {error}; expected a folder") from None


def _exemplar(context: Context | None) -> dict[str, str] | None:
    span = get_current_span(context).get_span_context() if context is not None else None
    if span is None or not span.is_valid or not span.trace_flags.sampled:
        return None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _after_fork_in_child() -> None:
    _lock.release()
    for sink in list(_sinks):
        sink.start_over()


os.register_at_fork(
    before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(), after_in_child=_after_fork_in_child
)
