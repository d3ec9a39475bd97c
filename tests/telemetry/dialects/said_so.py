"""Emissions for the tests of dialects, of attributes that emitters write."""

from __future__ import annotations

from typing import Any

from tollkeeper.model import Call
from tollkeeper.telemetry.dialects import Observed, read
from tollkeeper.telemetry.emission import Emission

TRACE, SPAN, PARENT = "a" * 32, "b" * 16, "c" * 16
START, END = 1_795_000_000_000_000_000, 1_795_000_002_500_000_000

Attributes = dict[str, Any]


def emission(scope: str, attributes: Attributes, **more: Any) -> Emission:
    given: dict[str, Any] = {"kind": "span", "name": "chat", "span_kind": 3, "started_at": START, "ended_at": END}
    return Emission(
        scope=scope,
        attributes=attributes,
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=PARENT,
        **{**given, **more},
    )


def observed(scope: str, attributes: Attributes, **more: Any) -> Observed:
    found = read(emission(scope, attributes, **more))
    assert found is not None
    return found


def call_of(scope: str, attributes: Attributes, **more: Any) -> Call:
    return observed(scope, attributes, **more).call


def chat(**more: Any) -> Attributes:
    """A chat by the conventions."""
    base = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini"}
    return {**base, **more}


def tokens(input: int, output: int, **more: int) -> Attributes:
    return {"gen_ai.usage.input_tokens": input, "gen_ai.usage.output_tokens": output, **more}
