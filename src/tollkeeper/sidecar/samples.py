"""A sidecar's own figures, summed over the worker processes that share its port.

Each worker leaves its figures in a folder that they share; whichever is scraped adds them up. Those of a worker that
has died stay, so that no counter falls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from tollkeeper.sidecar.metrics import Sample
from tollkeeper.sidecar.pipeline import Pipeline
from tollkeeper.sidecar.receive.counts import ReceiveCounts
from tollkeeper.version import __version__

Series = tuple[str, tuple[tuple[str, str], ...]]


def samples_of(pipeline: Pipeline, received: ReceiveCounts) -> list[Sample]:
    """The figures of this process."""
    counts = pipeline.counts
    found = [
        _counter("records_total", "Calls that came in, by what became of them.", counts.new, outcome="new"),
        _counter("records_total", "", counts.duplicates, outcome="duplicate"),
        _counter("records_total", "", counts.conflicts, outcome="conflict"),
        _counter("records_total", "", counts.rejected, outcome="rejected"),
        _counter("writes_total", "Transactions of the ledger, by outcome.", counts.writes, outcome="committed"),
        _counter("writes_total", "", counts.failed_writes, outcome="failed"),
        _counter("orphans_total", "Calls that were begun and never reported.", counts.started),
        _gauge("waiting_records", "Records that wait to be written.", pipeline.waiting),
        _gauge("last_write_seconds", "How long the last write took.", counts.last_write_seconds),
    ]
    for (transport, signal), number in sorted(received.batches.items()):
        found.append(_counter("requests_total", "OTLP requests taken.", number, transport=transport, signal=signal))
    for (transport, signal, status), number in sorted(received.refused.items()):
        labels = {"transport": transport, "signal": signal, "status": str(status)}
        found.append(_counter("refused_requests_total", "OTLP requests refused, by status.", number, **labels))
    for (signal, kind), number in sorted(received.records.items()):
        found.append(_counter("received_records_total", "What was in the requests.", number, signal=signal, kind=kind))
    for transport, number in sorted(received.received_bytes.items()):
        found.append(_counter("received_bytes_total", "Bytes received, as they came.", number, transport=transport))
    return found


def build_info() -> Sample:
    return Sample(
        "tollkeeper_build_info", "gauge", "Always 1; the label says what runs.", (("version", __version__),), 1
    )


def _counter(name: str, meaning: str, value: float, **labels: str) -> Sample:
    return Sample(f"tollkeeper_sidecar_{name}", "counter", meaning, tuple(labels.items()), value)


def _gauge(name: str, meaning: str, value: float) -> Sample:
    return Sample(f"tollkeeper_sidecar_{name}", "gauge", meaning, (), value)


class Board:
    """The folder in which workers leave their figures. Without a folder there is one process only."""

    def __init__(self, folder: str | None) -> None:
        self._own = Path(folder, f"{os.getpid()}.json") if folder else None

    def leave(self, samples: Iterable[Sample]) -> None:
        """Put this process's figures up."""
        if self._own is not None:
            fresh = self._own.with_suffix(".new")
            fresh.write_text(json.dumps(list(samples)), encoding="utf-8")
            fresh.replace(self._own)

    def sum(self, own: Iterable[Sample]) -> list[Sample]:
        """This process's figures with those of all others."""
        total: dict[Series, Sample] = {}
        for sample in (*own, *self._others()):
            key = (sample.name, sample.labels)
            known = total.get(key)
            total[key] = sample if known is None else known._replace(value=known.value + sample.value)
        return list(total.values())

    def _others(self) -> list[Sample]:
        if self._own is None:
            return []
        return [
            Sample(name, kind, meaning, tuple((label, text) for label, text in labels), value)
            for path in sorted(self._own.parent.glob("*.json"))
            if path != self._own
            for name, kind, meaning, labels, value in json.loads(path.read_text(encoding="utf-8"))
        ]
