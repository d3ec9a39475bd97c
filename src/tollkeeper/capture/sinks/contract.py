"""What a sink has to offer."""

from __future__ import annotations

from typing import Protocol

from opentelemetry.context import Context

from tollkeeper.model import Call


class Sink(Protocol):
    """Where finished calls go. It may fail: that is reported, and costs the other sinks nothing."""

    name: str

    def record(self, call: Call, context: Context | None) -> None:
        """Take a call that has ended. `context` has its span, if it has one."""
