"""The sidecar's `/metrics`: what the ledger holds, and how this sidecar is doing.

The totals come from the ledger: they never reset, and every sidecar of one ledger shows the same ones. So they are not
to be summed over instances: `max without (instance)` first. What is named `tollkeeper_sidecar_*` is each one's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tollkeeper.model.limit import Unit, Window
from tollkeeper.policy.period import period_of
from tollkeeper.sidecar.api.sums import nano_usd
from tollkeeper.storage.ledger import Ledger, LedgerUnavailable, Totals, UsageQuery, UsageRow
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.telemetry import sidecar_metrics as names
from tollkeeper.telemetry.metrics import OTHER

LABELS: tuple[Dimension, ...] = names.LEDGER_LABELS
FRESH_SECONDS = 5.0
"""Totals are read from the ledger again when they are older."""
FOR_EVER = (0, 2**63 - 1)

NANO = 1_000_000_000

Values = Mapping[str, float]
Kind = Literal["counter", "gauge"]

FAMILIES: tuple[tuple[str, str, str, Callable[[Totals], Values]], ...] = (
    (
        names.LEDGER_COST,
        "What the recorded calls cost, in US dollars.",
        "",
        # What is unknown is no sample, and not 0.
        lambda sums: {} if (cost := nano_usd(sums)) is None else {"": cost / NANO},
    ),
    (
        names.LEDGER_CALLS,
        "Recorded calls, by outcome.",
        "outcome",
        lambda sums: {"succeeded": sums.calls - sums.failed, "failed": sums.failed},
    ),
    (
        names.LEDGER_TOKENS,
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
        names.LEDGER_UNPRICED,
        "Recorded calls whose model has no price: their cost is unknown.",
        "",
        lambda sums: {"": sums.unpriced},
    ),
    (
        names.LEDGER_UNMEASURED,
        "Recorded calls whose usage nobody counted.",
        "",
        lambda sums: {"": sums.unmeasured},
    ),
)
"""Name, meaning, the label that only this one has, and its values by that label."""

PERIODS: tuple[Unit, ...] = ("day", "month")
"""Of UTC, that the spending of is told."""


class Sample(NamedTuple):
    """One figure of a sidecar's own."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[tuple[str, str], ...]
    value: float


Group = tuple[str, ...]


class LedgerTotals:
    """The ledger's totals as metric families. At most `most` label sets; what comes after counts under `other`.

    Which they are is kept in the ledger, so that no counter falls, and all sidecars show the same. `clock` tells
    seconds, and only forward; `now` nanoseconds since the epoch.
    """

    def __init__(
        self, ledger: Ledger, most: int, clock: Callable[[], float], now: Callable[[], int] = time.time_ns
    ) -> None:
        self._ledger = ledger
        self._most = most
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._totals: dict[Group, Totals] = {}
        self._of_periods: dict[Unit, dict[Group, Totals]] = {}

    def families(self) -> Iterator[Metric]:
        """Counters, one family for each of `FAMILIES`, and the spending of the `PERIODS`."""
        with self._lock:
            self._refresh()
            totals, of_periods = self._totals, self._of_periods
        for name, meaning, own_label, values in FAMILIES:
            family = CounterMetricFamily(name, meaning, labels=[*LABELS, *([own_label] if own_label else [])])
            for group, sums in totals.items():
                for own, value in values(sums).items():
                    family.add_metric([*group, own] if own_label else group, value)
            yield family
        spent = GaugeMetricFamily(names.LEDGER_PERIOD_COST, SPENT, labels=["period", *LABELS])
        for period, by_group in of_periods.items():
            for group, sums in by_group.items():
                if (cost := nano_usd(sums)) is not None:
                    spent.add_metric([period, *group], cost / NANO)
        yield spent

    def _refresh(self) -> None:
        now = self._clock()
        if self._read_at is not None and now - self._read_at < FRESH_SECONDS:
            return
        rows = self._ledger.usage(UsageQuery(*FOR_EVER, group_by=LABELS))
        dearest = sorted(rows, key=lambda row: -row.totals.nano_usd)
        try:
            shown = self._ledger.label_sets([row.group for row in dearest], self._most)
        except LedgerUnavailable:
            # A new set could not be noted. Under `other` it would have to be taken out again: rather the old totals.
            if not self._totals:
                raise
        else:
            self._totals = _bounded(rows, shown)
            at = self._now()
            self._of_periods = {
                unit: _bounded(self._ledger.usage(UsageQuery(*period_of(Window(unit), at), group_by=LABELS)), shown)
                for unit in PERIODS
            }
        self._read_at = now


SPENT = "What the recorded calls of this day and this month of UTC cost, in US dollars."


def _bounded(rows: Iterable[UsageRow], shown: Set[Group]) -> dict[Group, Totals]:
    bounded: dict[Group, Totals] = {}
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
