"""LiteLLM: its SDK's and its proxy's spans, in the older form and in the newer one."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tollkeeper.model import Operation
from tollkeeper.telemetry.dialects.names import OPERATIONS
from tollkeeper.telemetry.dialects.openinference import COUNT
from tollkeeper.telemetry.dialects.reading import Dialect, Fields
from tollkeeper.telemetry.dialects.said import Said, count, counts_in

CALL = "litellm.call_id"
USAGE = "metadata.usage_object"
LONGEST_USAGE = 5000
MADE = "usage_object."
ASYNC = "a"
CALL_TYPES: dict[str, Operation] = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "image_generation": "image_generation",
    "transcription": "transcription",
    "speech": "speech",
    "rerank": "rerank",
    "moderation": "moderation",
}
"""LiteLLM's names of its own functions; those that wait have an `a` before them."""

_STANDARD = Fields()
FIELDS = replace(
    _STANDARD,
    operation=("gen_ai.operation.name", "litellm.call_type", "llm.request.type"),
    request_model=(f"{MADE}model", "gen_ai.request.model", "llm.request.model_name"),
    response_model=("gen_ai.response.model", "llm.response.model_name", "llm.model_name"),
    response_id=(f"{MADE}response_id",),
    address=("server.address", f"{MADE}api_base"),
    cost=("litellm.cost.total", "llm.cost.total", *_STANDARD.cost),
    user=("litellm.end_user.id", "metadata.user_api_key_end_user_id", "llm.user", "user.id"),
    tenant=("litellm.team.id", "metadata.user_api_key_team_id", "litellm.api_key.hash", "metadata.user_api_key_hash"),
    input=(*_STANDARD.input, f"{COUNT}prompt"),
    output=(*_STANDARD.output, f"{COUNT}completion"),
    cache_read=(*_STANDARD.cache_read, f"{COUNT}prompt_details.cache_read", f"{MADE}cache_read"),
    cache_write=(*_STANDARD.cache_write, f"{COUNT}prompt_details.cache_write", f"{MADE}cache_write"),
    cache_write_1h=(f"{MADE}cache_write_1h", *_STANDARD.cache_write_1h),
    reasoning=(*_STANDARD.reasoning, f"{COUNT}completion_details.reasoning", f"{MADE}reasoning"),
    input_audio=(*_STANDARD.input_audio, f"{MADE}input_audio"),
    output_audio=(*_STANDARD.output_audio, f"{MADE}output_audio"),
)


def _speaks(said: Said) -> bool:
    """It may write into the span around it, whoever has opened that."""
    return said.emission.scope == "litellm" or CALL in said


def _operation(said: Said, names: Fields) -> Operation | None:
    """The older form has a second span, with the raw request in it."""
    if (word := said.text("gen_ai.operation.name")) is not None:
        return OPERATIONS.get(word)
    word = said.text(*names.operation) or ""
    if CALL not in said:
        return None
    return CALL_TYPES.get(word) or CALL_TYPES.get(word.removeprefix(ASYNC))


def _unpack(said: Said) -> dict[str, Any]:
    """Its usage is Python's text of a dict, and has what no attribute says: the caches, and the thoughts."""
    hidden = said.object("hidden_params")
    usage = _literal(said.emission.attributes.get(USAGE))
    found: dict[str, Any] = {
        "api_base": hidden.get("api_base"),
        "model": _without_provider(said.text("litellm.provider.model")),
        "response_id": _provider_response_id(said),
        "cache_read": _either(usage, "cache_read_input_tokens", ("prompt_tokens_details", "cached_tokens")),
        "cache_write": _either(
            usage, "cache_creation_input_tokens", ("prompt_tokens_details", "cache_creation_tokens")
        ),
        "reasoning": counts_in(usage, "completion_tokens_details", "reasoning_tokens"),
        "input_audio": counts_in(usage, "prompt_tokens_details", "audio_tokens"),
        "output_audio": counts_in(usage, "completion_tokens_details", "audio_tokens"),
    }
    return {MADE + name: value for name, value in found.items() if value is not None}


def _provider_response_id(said: Said) -> str | None:
    """The answer's id, where it is the provider's: without an answer, it is the call's own."""
    id = said.text("gen_ai.response.id")
    return None if id == said.text(CALL) else id


def _without_provider(model: str | None) -> str | None:
    """`anthropic/claude-…` is the way to name a provider's model; `openrouter/…/…` names that of a provider beyond."""
    return None if model is None else model.partition("/")[2] or model


def _either(usage: Mapping[str, Any], name: str, path: tuple[str, str]) -> int | None:
    found = counts_in(usage, *path)
    return found if found is not None else count(usage.get(name))


def _literal(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or len(value) > LONGEST_USAGE or not value.startswith("{"):
        return {}
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


DIALECT = Dialect("litellm", _speaks, FIELDS, _operation, unpack=_unpack)
