"""What was recorded, held against what was served: call by call, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sidecar.foreign.stage import Staged
from sidecar.foreign.truth import Served
from tollkeeper.model import Call

STREAMS_OF_CLAUDE = ("message_stream", "message_stream_cached", "message_helper")
NO_ID = {"response_id": None}
BUSY = "message_busy"

FLAWS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # It adds the first event's placeholder of one token to the last event's total.
    "openllmetry": {case: {"output": 1} for case in STREAMS_OF_CLAUDE},
    # Its events do not say how much was reasoning; where one comes before the span, it is not said.
    "openlit": {"chat_reasoning": {"reasoning": 0}, "responses_reasoning": {"reasoning": ...}},
    # It reads neither the model nor the id from a stream.
    "logfire": {
        case: {"response_model": ..., "response_id": ...}
        for case in ("chat_stream", "chat_stream_silent", "chat_async_stream", "responses_stream", *STREAMS_OF_CLAUDE)
    },
    "openinference": {"*": NO_ID, "embeddings": {**NO_ID, "response_model": None}},
    "official_v2": {"*": {"cache_read": 0, "reasoning": 0}},
    "litellm": {
        "chat_stream": {"response_model": "gpt-4o-mini"},
        # The ids of answers that are not OpenAI's are LiteLLM's own.
        "message_cached": {"response_id": ...},
        "message_cached_little": {"response_id": ...},
    },
    # Whichever is the inner one is kept: OpenInference of OpenAI's chats, OpenLLMetry of all else.
    "doubled": {
        "*": {"response_id": ...},
        "embeddings": {"response_model": ..., "response_id": ...},
        **{case: {"output": 1} for case in STREAMS_OF_CLAUDE},
    },
}
"""What emitters get wrong, or do not say, and nobody can know: the field, and what is recorded instead. `...` stands
for anything, a difference in tokens is added."""
FLAWS = {**FLAWS, "openinference_dual": FLAWS["openinference"]}

UNSEEN = {"openlit": (BUSY,)}
"""Calls that an emitter says nothing of."""


def disagreements(emitter: str, staged: Staged, calls: Iterable[Call]) -> list[str]:
    """Every call that is missing or counted twice, and every field that is not what was served."""
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(staged.cases.get(call.trace_id or "", "?"), []).append(call)
    wrong = [f"{case}: nobody asked for this" for case in found if case not in {each.case for each in staged.served}]
    for served in staged.served:
        seen = found.get(served.case, [])
        if served.case in UNSEEN.get(emitter, ()):
            wrong += [f"{served.case}: it is seen after all"] if seen else []
        elif len(seen) != 1:
            wrong.append(f"{served.case}: recorded {len(seen)} times")
        else:
            wrong += _wrong_fields(emitter, served, seen[0])
    return wrong


def _wrong_fields(emitter: str, served: Served, call: Call) -> list[str]:
    usage = call.usage
    recorded = {
        "provider": call.provider,
        "request_model": call.request_model,
        "response_model": call.response_model if served.status == 200 else None,
        "response_id": call.response_id,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens or 0,
        "cache_write": usage.cache_write_tokens or 0,
        "reasoning": usage.reasoning_tokens or 0,
        "failed": call.error_type is not None,
        "known": call.usage_source == "provider",
        "service": call.tags.get("service"),
    }
    expected = {
        "provider": served.provider,
        "request_model": served.request_model,
        "response_model": served.response_model,
        "response_id": served.id if "embeddings" not in served.case else None,
        "input": served.input,
        "output": served.output,
        "cache_read": served.cache_read,
        "cache_write": served.cache_write,
        "reasoning": served.reasoning,
        "failed": served.status != 200,
        "known": served.input is not None,
        "service": "foreign-app",
    }
    flaws = FLAWS.get(emitter, {})
    for field, instead in {**flaws.get("*", {}), **flaws.get(served.case, {})}.items():
        if instead is ...:
            del expected[field]
        else:
            expected[field] = expected[field] + instead if field == "output" else instead
    return [
        f"{served.case}: {field} is {recorded[field]!r}, served was {value!r}"
        for field, value in expected.items()
        if recorded[field] != value
    ]
