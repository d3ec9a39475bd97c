"""What a sink has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opentelemetry.context import Context

from tollkeeper.model import Call
from tollkeeper.telemetry.measure import Amount


class Counting(Protocol):
    """A sink that counts."""

    def count(self, call: Call, added: Sequence[Amount]) -> None:
        """Add to the counters that this call's labels name, though it has not been sent."""


class Sink(Protocol):
    """Where finished calls go. It may fail: that is reported, and costs the other sinks nothing."""

    name: str

    def record(self, call: Call, context: Context | None) -> None:
        """Take a call that has ended. `context` has its span, if it has one."""
