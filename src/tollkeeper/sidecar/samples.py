"""A sidecar's own figures, as `/metrics` shows them: each family spelled once, and its values in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tollkeeper.sidecar.agreement import Agreement
from tollkeeper.sidecar.forward import ForwardCounts
from tollkeeper.sidecar.metrics import NANO, Kind, Sample
from tollkeeper.sidecar.pipeline import Pipeline
from tollkeeper.sidecar.receive.counts import ReceiveCounts
from tollkeeper.telemetry import sidecar_metrics as names
from tollkeeper.version import __version__


class Family(NamedTuple):
    """What a figure means, and by what it is told apart."""

    meaning: str
    labels: tuple[str, ...] = ()


OWN: Mapping[str, Family] = {
    "records_total": Family("Calls that came in, by what became of them.", ("outcome",)),
    "writes_total": Family("Transactions of the ledger, by outcome.", ("outcome",)),
    "orphans_total": Family("Calls that were begun and never reported."),
    "waiting_records": Family("Records that wait to be written."),
    "write_seconds_total": Family("How long the transactions took, all together."),
    "lost_records_total": Family("Records that spools of apps had to drop, as the spool or the disk was full."),
    "requests_total": Family("OTLP requests taken.", ("transport", "signal")),
    "refused_requests_total": Family("OTLP requests refused, by status.", ("transport", "signal", "status")),
    "received_records_total": Family("What was in the requests.", ("signal", "kind")),
    "received_bytes_total": Family("Bytes received, as they came.", ("transport",)),
    "inflated_bytes_total": Family("Bytes received, once they were inflated.", ("transport",)),
    "forwarded_requests_total": Family("Requests that were sent on, with `--forward`.", ("signal",)),
    "forwarded_bytes_total": Family("Bytes that were sent on."),
    "forward_dropped_requests_total": Family("Requests that could not be sent on, by why.", ("signal", "reason")),
    "forward_retries_total": Family("Times that sending on was tried again."),
    "forward_waiting_requests": Family("Requests that wait to be sent on."),
    "forward_waiting_bytes": Family("Bytes of the requests that wait to be sent on."),
    "limit_missing": Family(
        "What the ledger has of a limit's usage for minutes, and the counters have not.", ("limit", "measure")
    ),
    "limit_excess": Family(
        "What the counters have of a limit for minutes beyond the ledger, and beyond what was assumed.",
        ("limit", "measure"),
    ),
    "limit_assumed": Family("What was charged to a limit for calls that nobody settled.", ("limit", "measure")),
    "limits_unchecked": Family("Limits that cannot be compared with the ledger."),
}
"""By name, without `tollkeeper_sidecar_`. What ends with `_total` is a counter."""

Figure = tuple[str, float, tuple[str, ...]]
"""The name of a family, a value, and its labels in their order."""


def samples_of(pipeline: Pipeline, received: ReceiveCounts, forwarded: ForwardCounts | None) -> list[Sample]:
    """The figures of this process. Spools that lost records are not among them: one may tell several processes."""
    figures = [*_of_pipeline(pipeline), *_of_receivers(received)]
    if forwarded is not None:
        figures += _of_forwarding(forwarded)
    return [sample(*figure) for figure in figures]


def sample(name: str, value: float, labels: tuple[str, ...] = ()) -> Sample:
    """A figure of the family of this name."""
    family = OWN[name]
    kind: Kind = "counter" if name.endswith("_total") else "gauge"
    return Sample(names.SIDECAR + name, kind, family.meaning, tuple(zip(family.labels, labels, strict=True)), value)


def limit_samples(agreement: Agreement) -> list[Sample]:
    """How counters and ledger agree, by limit: sums over its scopes. Each worker compares all of them by itself."""
    found = [sample("limits_unchecked", len(agreement.last.unchecked))]
    for one in agreement.lasting:
        labels = (one.limit.name, one.limit.measure)
        unit = NANO if one.limit.measure == "usd" else 1
        found.append(sample("limit_missing", one.missing / unit, labels))
        found.append(sample("limit_excess", one.excess / unit, labels))
        found.append(sample("limit_assumed", one.assumed / unit, labels))
    return found


def build_info() -> Sample:
    return Sample(names.BUILD_INFO, "gauge", "Always 1; the label says what runs.", (("version", __version__),), 1)


def _of_pipeline(pipeline: Pipeline) -> Iterator[Figure]:
    counts = pipeline.counts
    yield "records_total", counts.new, ("new",)
    yield "records_total", counts.duplicates, ("duplicate",)
    yield "records_total", counts.conflicts, ("conflict",)
    yield "records_total", counts.rejected, ("rejected",)
    yield "writes_total", counts.writes, ("committed",)
    yield "writes_total", counts.failed_writes, ("failed",)
    yield "orphans_total", counts.started, ()
    yield "waiting_records", pipeline.waiting, ()
    yield "write_seconds_total", counts.write_seconds, ()


def _of_receivers(counts: ReceiveCounts) -> Iterator[Figure]:
    for (transport, signal), number in sorted(counts.batches.items()):
        yield "requests_total", number, (transport, signal)
    for (transport, signal, status), number in sorted(counts.refused.items()):
        yield "refused_requests_total", number, (transport, signal, str(status))
    for (signal, kind), number in sorted(counts.records.items()):
        yield "received_records_total", number, (signal, kind)
    for transport, number in sorted(counts.received_bytes.items()):
        yield "received_bytes_total", number, (transport,)
    for transport, number in sorted(counts.inflated_bytes.items()):
        yield "inflated_bytes_total", number, (transport,)


def _of_forwarding(counts: ForwardCounts) -> Iterator[Figure]:
    for signal, number in sorted(counts.sent.items()):
        yield "forwarded_requests_total", number, (signal,)
    for (signal, reason), number in sorted(counts.dropped.items()):
        yield "forward_dropped_requests_total", number, (signal, reason)
    yield "forwarded_bytes_total", counts.sent_bytes, ()
    yield "forward_retries_total", counts.retries, ()
    yield "forward_waiting_requests", counts.queued, ()
    yield "forward_waiting_bytes", counts.queued_bytes, ()
