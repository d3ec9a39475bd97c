"""OpenInference (Arize). Its own names come first: the conventions' that it can write beside them are less exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tollkeeper.model import Operation
from tollkeeper.telemetry.dialects.accounting import Convention
from tollkeeper.telemetry.dialects.names import provider_of
from tollkeeper.telemetry.dialects.reading import Dialect, Fields
from tollkeeper.telemetry.dialects.said import Said

KIND = "openinference.span.kind"
KINDS: dict[str, Operation] = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
"""Agents, chains, tools, retrievers and guardrails hold other calls."""

REQUEST_MODEL, STREAM = "invocation.model", "invocation.stream"
COUNT = "llm.token_count."
_STANDARD = Fields()
FIELDS = replace(
    _STANDARD,
    provider=("llm.provider", "llm.system", *_STANDARD.provider),
    request_model=("llm.request.model_name", REQUEST_MODEL, "embedding.model_name", "reranker.model_name"),
    response_model=("llm.response.model_name", "llm.model_name"),
    stream=(STREAM,),
    finish_reasons=("llm.finish_reason", *_STANDARD.finish_reasons),
    cost=("llm.cost.total", *_STANDARD.cost),
    session=("session.id", "gen_ai.conversation.id"),
    input=(f"{COUNT}prompt", *_STANDARD.input),
    output=(f"{COUNT}completion", *_STANDARD.output),
    total=(f"{COUNT}total", *_STANDARD.total),
    cache_read=(f"{COUNT}prompt_details.cache_read", f"{COUNT}prompt_details.cache_input", *_STANDARD.cache_read),
    cache_write=(f"{COUNT}prompt_details.cache_write", *_STANDARD.cache_write),
    reasoning=(f"{COUNT}completion_details.reasoning", *_STANDARD.reasoning),
    input_audio=(f"{COUNT}prompt_details.audio", *_STANDARD.input_audio),
    output_audio=(f"{COUNT}completion_details.audio", *_STANDARD.output_audio),
)
INVOCATION = ("llm.invocation_parameters", "embedding.invocation_parameters")
PEOPLE = {"tenant": ("tenant", "tenant_id", "customer_id"), "user": ("user_id",), "session": ("session_id",)}


def _speaks(said: Said) -> bool:
    return KIND in said


def _operation(said: Said, names: Fields) -> Operation | None:
    return KINDS.get((said.text(KIND) or "").upper())


def _provider(said: Said) -> str | None:
    return provider_of(said.emission.scope.rpartition(".")[2])


def _input_has_caches(said: Said, provider: str) -> Convention:
    """On Bedrock it depends on the API that was called, which it does not say."""
    return None if provider == "aws.bedrock" else "inclusive"


def _tags(said: Said) -> dict[str, str]:
    metadata = said.object("metadata")
    return {
        tag: value[:500]
        for tag, names in PEOPLE.items()
        for name in names
        if isinstance(value := metadata.get(name), str) and value
    }


def _invocation(said: Said) -> dict[str, Any]:
    asked = said.object(*INVOCATION)
    return {REQUEST_MODEL: asked.get("model"), STREAM: asked.get("stream")} if asked else {}


DIALECT = Dialect(
    "openinference", _speaks, FIELDS, _operation, _provider, _input_has_caches, unpack=_invocation, tags=_tags
)
