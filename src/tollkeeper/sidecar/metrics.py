"""The sidecar's `/metrics`: what the ledger holds, and how this sidecar is doing.

The totals come from the ledger: they never reset, and every sidecar of one ledger shows the same ones. So they are not
to be summed over instances: `max without (instance)` first. What is named `tollkeeper_sidecar_*` is each one's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tollkeeper.sidecar.api.sums import nano_usd
from tollkeeper.storage.ledger import Ledger, LedgerUnavailable, Totals, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.telemetry.metrics import OTHER

LABELS: tuple[Dimension, ...] = ("provider", "model", "operation", "tenant", "service", "feature")
"""The labels of the ledger's totals. Users and sessions are never among them: there is no end to those."""
FRESH_SECONDS = 5.0
"""Totals are read from the ledger again when they are older."""
FOR_EVER = (0, 2**63 - 1)

NANO = 1_000_000_000

Values = Mapping[str, float]
Kind = Literal["counter", "gauge"]

FAMILIES: tuple[tuple[str, str, str, Callable[[Totals], Values]], ...] = (
    (
        "tollkeeper_ledger_cost_usd",
        "What the recorded calls cost, in US dollars.",
        "",
        # What is unknown is no sample, and not 0.
        lambda sums: {} if (cost := nano_usd(sums)) is None else {"": cost / NANO},
    ),
    (
        "tollkeeper_ledger_calls",
        "Recorded calls, by outcome.",
        "outcome",
        lambda sums: {"succeeded": sums.calls - sums.failed, "failed": sums.failed},
    ),
    (
        "tollkeeper_ledger_tokens",
        "Tokens of recorded calls. Input includes both of the cache, output includes reasoning.",
        "type",
        lambda sums: {
            "input": sums.input_tokens,
            "output": sums.output_tokens,
            "cache_read": sums.cache_read_tokens,
            "cache_write": sums.cache_write_tokens,
            "reasoning": sums.reasoning_tokens,
        },
    ),
    (
        "tollkeeper_ledger_unpriced_calls",
        "Recorded calls whose model has no price: their cost is unknown.",
        "",
        lambda sums: {"": sums.unpriced},
    ),
    (
        "tollkeeper_ledger_unmeasured_calls",
        "Recorded calls whose usage nobody counted.",
        "",
        lambda sums: {"": sums.unmeasured},
    ),
)
"""Name, meaning, the label that only this one has, and its values by that label."""


class Sample(NamedTuple):
    """One figure of a sidecar's own."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[tuple[str, str], ...]
    value: float


class LedgerTotals:
    """The ledger's totals as metric families. At most `most` label sets; what comes after counts under `other`.

    Which they are is kept in the ledger, so that no counter falls, and all sidecars show the same.
    """

    def __init__(self, ledger: Ledger, most: int, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._totals: dict[tuple[str, ...], Totals] = {}

    def families(self) -> Iterator[Metric]:
        """Counters, one family for each of `FAMILIES`."""
        totals = self._fresh()
        for name, meaning, own_label, values in FAMILIES:
            family = CounterMetricFamily(name, meaning, labels=[*LABELS, *([own_label] if own_label else [])])
            for group, sums in totals.items():
                for own, value in values(sums).items():
                    family.add_metric([*group, own] if own_label else group, value)
            yield family

    def _fresh(self) -> dict[tuple[str, ...], Totals]:
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= FRESH_SECONDS:
                self._totals = self._bounded()
                self._read_at = now
            return self._totals

    def _bounded(self) -> dict[tuple[str, ...], Totals]:
        rows = self._ledger.usage(UsageQuery(*FOR_EVER, group_by=LABELS))
        dearest = sorted(rows, key=lambda row: -row.totals.nano_usd)
        try:
            shown = self._ledger.label_sets([row.group for row in dearest], self._most)
        except LedgerUnavailable:
            # A new set could not be noted. Under `other` it would have to be taken out again: rather the old totals.
            if not self._totals:
                raise
            return self._totals
        bounded: dict[tuple[str, ...], Totals] = {}
        for row in rows:
            group = row.group if row.group in shown else (OTHER,) * len(LABELS)
            bounded[group] = _add(bounded[group], row.totals) if group in bounded else row.totals
        return bounded


def _add(left: Totals, right: Totals) -> Totals:
    return Totals(*(one + other for one, other in zip(left, right, strict=True)))


class _Everything(Collector):
    def __init__(self, totals: LedgerTotals, samples: Callable[[], Iterable[Sample]]) -> None:
        self._totals = totals
        self._samples = samples

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._totals.families()
        families: dict[str, Metric] = {}
        for sample in self._samples():
            if sample.name not in families:
                family = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
                families[sample.name] = family(sample.name, sample.meaning, labels=[name for name, _ in sample.labels])
            families[sample.name].add_metric([value for _, value in sample.labels], sample.value)  # type: ignore[attr-defined]
        yield from families.values()


class MetricsPage:
    """Renders `/metrics`. Reads the database, so not on an event loop."""

    def __init__(self, totals: LedgerTotals, samples: Callable[[], Iterable[Sample]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Everything(totals, samples))

    def render(self) -> bytes:
        return generate_latest(self._registry)
