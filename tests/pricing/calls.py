"""Calls to price."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tollkeeper.model import Call, Usage

MILLION = 1_000_000


def at(*when: int) -> int:
    """A moment in UTC, in nanoseconds since the epoch."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[arg-type]


TODAY = at(2026, 11, 20, 12)


def call(provider: str, model: str | None, usage: Usage | None = None, **fields: Any) -> Call:
    """A call of one million tokens in and one million out, unless said otherwise."""
    fields = {"operation": "chat", "started_at": TODAY, "usage_source": "provider", **fields}
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION) if usage is None else usage
    return Call(id="call", provider=provider, request_model=model, usage=usage, **fields)
