"""What the receivers have seen, for the sidecar's metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.signals import SignalName

Transport = Literal["http", "grpc"]
MOST_SPOOLS = 1_000
"""Spools whose losses are told apart. Of further ones, only the sum is kept."""
Kind = Literal["call", "started", "emission", "lost", "ignored", "rejected"]


class Loss(NamedTuple):
    """How many records a spool had to drop in all, and when it last said so (nanoseconds since the epoch)."""

    dropped: int
    told_at: int

    def or_more(self, other: Loss) -> Loss:
        """With what another message told. One that was late tells of fewer."""
        return Loss(max(self.dropped, other.dropped), max(self.told_at, other.told_at))


class Losses(NamedTuple):
    """What spools had to drop. `forgotten` is the sum of those that are no longer told apart."""

    by_spool: Mapping[str, Loss] = {}
    forgotten: int = 0

    def and_told(self, dropped: Mapping[str, int], now: int) -> Losses:
        """With what spools have told now. Those that did so last stay; a spool that is forgotten begins anew."""
        known = dict(self.by_spool)
        for spool, count in dropped.items():
            told = Loss(count, now)
            known[spool] = told.or_more(known[spool]) if spool in known else told
        newest_last = sorted(known, key=lambda spool: known[spool].told_at)
        gone = [known.pop(spool).dropped for spool in newest_last[: max(0, len(known) - MOST_SPOOLS)]]
        return Losses(known, self.forgotten + sum(gone))


@dataclass(slots=True)
class ReceiveCounts:
    """Totals since the start. Written on the event loop's thread only; safe to read on any.

    `batches` are requests that were taken, `refused` those that were not, by status as in HTTP. `records` counts what
    was in the taken ones: of metrics, the data points. `received_bytes` are as they came; `inflated_bytes` are what
    they became. `lost` is as far as this process was told; it is replaced as a whole.
    """

    batches: Counter[tuple[Transport, SignalName]] = field(default_factory=Counter)
    refused: Counter[tuple[Transport, SignalName, int]] = field(default_factory=Counter)
    records: Counter[tuple[SignalName, Kind]] = field(default_factory=Counter)
    received_bytes: Counter[Transport] = field(default_factory=Counter)
    inflated_bytes: Counter[Transport] = field(default_factory=Counter)
    lost: Losses = Losses()

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
        if harvest.lost:
            self.lost = self.lost.and_told(harvest.lost, time.time_ns())
