"""What leaves a spool, where it goes, and what may become of it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

ParcelKind = Literal["call", "started", "lost"]


class Parcel(NamedTuple):
    """One thing to be delivered: the record of a call, that of an orphan, or how many records a spool has dropped."""

    kind: ParcelKind
    text: str


class Batch(NamedTuple):
    """What is delivered in one go. `origin` tells of the process that wrote it: OTLP resource attributes."""

    origin: Mapping[str, str]
    parcels: Sequence[Parcel]


class Refused(Exception):
    """Something in the batch will never be taken, however often it is sent. What else is in it may have been taken."""


class Unavailable(Exception):
    """Not now. The batch is to be sent again, after `retry_after` seconds if the destination has said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Destination(Protocol):
    """Where batches go. Used by one thread at a time. To deliver a batch twice must do no harm."""

    name: str

    def ship(self, batch: Batch) -> None:
        """Deliver a batch; when this returns it is safe there. Raises `Refused` or `Unavailable`."""

    def forget(self) -> None:
        """Let go of connections without a word to the other side: this is a forked child, they are the parent's."""

    def close(self) -> None:
        """Let go of connections."""


class SpoolState(NamedTuple):
    """How a spool is doing. Counts are of this process, since it began."""

    records: int = 0
    """Records that wait to be acknowledged, those taken over from dead processes included."""
    bytes: int = 0
    """What they take on the disk."""
    shipped: int = 0
    dropped: int = 0
    """Records that were lost as the spool was full."""
    rejected: int = 0
    """Records that the destination will never take: they are set aside in a file."""
    damaged: int = 0
    """Frames that could not be read any more."""
    acknowledged_at: int | None = None
    """When something was last acknowledged, in nanoseconds since the epoch."""
    failure: str | None = None
    """Why nothing can be delivered just now."""
