"""What the receivers have seen, for the sidecar's metrics."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.signals import SignalName

Transport = Literal["http", "grpc"]
Kind = Literal["call", "started", "emission", "lost", "ignored", "rejected"]


class Loss(NamedTuple):
    """How many records a spool had to drop in all, and when it last said so (nanoseconds since the epoch)."""

    dropped: int
    told_at: int

    def or_more(self, other: Loss) -> Loss:
        """With what another message told. One that was late tells of fewer."""
        return Loss(max(self.dropped, other.dropped), max(self.told_at, other.told_at))


@dataclass(slots=True)
class ReceiveCounts:
    """Totals since the start. Written on the event loop's thread only; safe to read on any.

    `batches` are requests that were taken, `refused` those that were not, by status as in HTTP. `records` counts what
    was in the taken ones: of metrics, the data points. `received_bytes` are as they came; `inflated_bytes` are what
    they became. `lost` is by spool, as far as this process was told.
    """

    batches: Counter[tuple[Transport, SignalName]] = field(default_factory=Counter)
    refused: Counter[tuple[Transport, SignalName, int]] = field(default_factory=Counter)
    records: Counter[tuple[SignalName, Kind]] = field(default_factory=Counter)
    received_bytes: Counter[Transport] = field(default_factory=Counter)
    inflated_bytes: Counter[Transport] = field(default_factory=Counter)
    lost: dict[str, Loss] = field(default_factory=dict)

    def taken(self, transport: Transport, signal: SignalName, harvest: Harvest) -> None:
        self.batches[transport, signal] += 1
        found: tuple[tuple[Kind, int], ...] = (
            ("call", len(harvest.calls)),
            ("started", len(harvest.started)),
            ("emission", len(harvest.emissions)),
            ("lost", len(harvest.lost)),
            ("ignored", harvest.ignored),
            ("rejected", harvest.rejected),
        )
        for kind, count in found:
            if count:
                self.records[signal, kind] += count
        for spool, dropped in harvest.lost.items():
            told = Loss(dropped, time.time_ns())
            self.lost[spool] = told.or_more(self.lost[spool]) if spool in self.lost else told
