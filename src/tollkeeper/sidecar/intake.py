"""Where what was received goes in: the protocol between the receivers and the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tollkeeper.storage.ledger import Entry, Recorded, Started
from tollkeeper.telemetry.emission import Emission


class Batch(NamedTuple):
    """What one request brought, decoded: our own records, and the spans and events of anybody else."""

    calls: Sequence[Entry] = ()
    started: Sequence[Started] = ()
    emissions: Sequence[Emission] = ()

    def __len__(self) -> int:
        return len(self.calls) + len(self.started) + len(self.emissions)


class Busy(Exception):
    """Too much is waiting. The sender keeps what it has, and comes back after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too much is waiting to be recorded; come back in {retry_after} s")
        self.retry_after = retry_after


class Unavailable(Exception):
    """The ledger cannot be written to just now. Nothing of the batch is recorded, or all of it; to be sent again."""


class Intake(Protocol):
    """Takes batches in. What it has returned for is in the ledger, and survives a crash."""

    def check_room(self) -> None:
        """Raises `Busy` when a batch would be turned away, before anybody has the work of decoding it."""

    async def take(self, batch: Batch) -> Recorded:
        """Record a batch. Raises `Busy` or `Unavailable`: then it is to be sent again."""
