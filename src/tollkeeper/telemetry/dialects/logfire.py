"""Logfire, and Pydantic AI.

Logfire's clients write a stream as two spans side by side: one for the opening of it, which knows nothing of the
answer, and one, when it has been read, with all there is. Only the second one is counted, so a stream that nobody has
read is not; nor is what looks like the opening of one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tollkeeper.model import Operation
from tollkeeper.telemetry.dialects.names import provider_of
from tollkeeper.telemetry.dialects.reading import Dialect, Fields, operation_of
from tollkeeper.telemetry.dialects.said import Said, counts_in

SCOPES = ("logfire", "pydantic-ai", "pydantic_ai")
CLIENTS = ("logfire.openai", "logfire.anthropic")
RAW = "gen_ai.usage.raw"
DETAILS = "gen_ai.usage.details."
LASTED = "duration"
MADE = "raw."

_STANDARD = Fields()
FIELDS = replace(
    _STANDARD,
    first_chunk=(*_STANDARD.first_chunk, "gen_ai.client.operation.time_to_first_chunk"),
    cache_read=(*_STANDARD.cache_read, f"{DETAILS}cache_read_tokens", f"{MADE}cache_read"),
    cache_write=(*_STANDARD.cache_write, f"{DETAILS}cache_write_tokens", f"{MADE}cache_write"),
    cache_write_1h=(f"{MADE}cache_write_1h", *_STANDARD.cache_write_1h),
    reasoning=(*_STANDARD.reasoning, f"{DETAILS}reasoning_tokens", f"{MADE}reasoning"),
    input_audio=(*_STANDARD.input_audio, f"{DETAILS}input_audio_tokens", f"{MADE}input_audio"),
    output_audio=(*_STANDARD.output_audio, f"{DETAILS}output_audio_tokens", f"{MADE}output_audio"),
    service_tier=(*_STANDARD.service_tier, f"{MADE}service_tier"),
)
"""What clients leave out of the attributes is in the provider's own usage, which they keep as JSON."""


def _speaks(said: Said) -> bool:
    if said.emission.scope.startswith(SCOPES):
        return True
    return any(isinstance(name, str) and name.startswith("logfire.") for name in said.emission.attributes)


def _operation(said: Said, names: Fields) -> Operation | None:
    if said.emission.scope.startswith(CLIENTS) and _is_opening(said):
        return None
    operation = operation_of(said, names)
    if operation is None and "gen_ai.operation.name" not in said and "request_data" in said:
        return "chat" if RAW in said else None
    return operation


def _is_opening(said: Said) -> bool:
    """It ended before anything was read, unless it failed."""
    if said.emission.failed or said.text("logfire.span_type") != "span":
        return False
    return said.count(*FIELDS.input, *FIELDS.output) is None and said.text(*FIELDS.response_id) is None


def _provider(said: Said) -> str | None:
    return provider_of(said.emission.scope.rpartition(".")[2]) if said.emission.scope.startswith(CLIENTS) else None


def _raw(said: Said) -> dict[str, Any]:
    usage = said.object(RAW)
    if not usage:
        return {}
    read = "prompt_tokens_details" if "prompt_tokens_details" in usage else "input_tokens_details"
    made = "completion_tokens_details" if "completion_tokens_details" in usage else "output_tokens_details"
    found = {
        "cache_read": counts_in(usage, read, "cached_tokens"),
        "cache_write": counts_in(usage, "cache_creation_input_tokens"),
        "cache_write_1h": counts_in(usage, "cache_creation", "ephemeral_1h_input_tokens"),
        "reasoning": counts_in(usage, made, "reasoning_tokens"),
        "input_audio": counts_in(usage, read, "audio_tokens"),
        "output_audio": counts_in(usage, made, "audio_tokens"),
        "service_tier": usage.get("service_tier"),
    }
    if found["cache_read"] is None:
        found["cache_read"] = counts_in(usage, "cache_read_input_tokens")
    return {MADE + name: value for name, value in found.items() if value is not None}


def _lasted(said: Said) -> float | None:
    """A stream's second span is a moment; how long the stream took is an attribute of it."""
    return said.seconds(LASTED) if said.text("logfire.span_type") == "log" else None


DIALECT = Dialect("logfire", _speaks, FIELDS, _operation, _provider, unpack=_raw, lasted=_lasted)
