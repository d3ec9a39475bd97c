"""Langfuse: what it knows of a generation is JSON in attributes of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tollkeeper.model import Operation
from tollkeeper.telemetry.dialects.accounting import Convention
from tollkeeper.telemetry.dialects.reading import Dialect, Fields, operation_of
from tollkeeper.telemetry.dialects.said import Said

OBSERVATION = "langfuse.observation."
TYPE, MODEL = f"{OBSERVATION}type", f"{OBSERVATION}model.name"
USAGE = f"{OBSERVATION}usage_details"
MADE = "usage_details."
TYPES: dict[str, Operation] = {"generation": "chat", "embedding": "embeddings"}

_STANDARD = Fields()
FIELDS = replace(
    _STANDARD,
    request_model=(MODEL, *_STANDARD.request_model),
    user=("user.id", "langfuse.user.id", "langfuse.trace.user_id"),
    session=("session.id", "langfuse.session.id", *_STANDARD.session),
    input=tuple(MADE + name for name in ("input", "input_tokens", "prompt_tokens", "promptTokens")),
    output=tuple(MADE + name for name in ("output", "output_tokens", "completion_tokens", "completionTokens")),
    total=tuple(MADE + name for name in ("total", "total_tokens", "totalTokens")),
    cache_read=tuple(
        MADE + name
        for name in (
            "cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "prompt_tokens_details.cached_tokens",
        )
    ),
    cache_write=tuple(MADE + name for name in ("cache_creation_input_tokens", "input_cache_creation")),
    reasoning=tuple(MADE + name for name in ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")),
)  # fmt: skip


def _speaks(said: Said) -> bool:
    return TYPE in said or said.emission.scope.startswith("langfuse")


def _operation(said: Said, names: Fields) -> Operation | None:
    kind = said.text(TYPE)
    return TYPES.get(kind.lower()) if kind is not None else operation_of(said, names)


def _unpack(said: Said) -> dict[str, Any]:
    return {f"{MADE}{name}": value for name, value in said.object(USAGE).items()}


def _input_has_caches(said: Said, provider: str) -> Convention:
    """Its integrations differ, and users write these counts themselves."""
    return None


DIALECT = Dialect("langfuse", _speaks, FIELDS, _operation, input_has_caches=_input_has_caches, unpack=_unpack)
