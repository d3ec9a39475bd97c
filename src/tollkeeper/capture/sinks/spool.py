"""The way to the sidecar, or to a ledger of this process's own: by way of a file, before the caller has its answer."""

from __future__ import annotations

from opentelemetry.context import Context

from tollkeeper.model import Call
from tollkeeper.storage.spool import Spool
from tollkeeper.telemetry.record import encode

Mark = tuple[str, int]


class SpoolSink:
    """Keeps each call in the spool: a mark when it is sent, its record when it has ended."""

    name = "spool"

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    def begin(self, call: Call) -> Mark:
        """Mark a call that is about to be sent. Returns what it is marked by."""
        mark = (call.id, call.attempt)
        self.spool.begin(mark, encode(call))
        return mark

    def record(self, call: Call, context: Context | None) -> None:
        self.spool.record(encode(call), (call.id, call.attempt))

    def end(self, mark: Mark) -> None:
        """A call that was marked has ended under another id, or without a record."""
        self.spool.end(mark)
