"""The conventions in their three ages, and who follows them."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.dialects.said_so import END, START, call_of, chat, emission, observed, tokens
from tollkeeper.model.usage import NOTHING
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.dialects import read
from tollkeeper.telemetry.dialects.observed import ACCOUNTING, RAW_COST, RAW_INPUT

GENAI = "opentelemetry.instrumentation.genai.anthropic"
CACHED = {"gen_ai.usage.cache_read.input_tokens": 60}


def test_every_field_of_a_span() -> None:
    attributes = {
        **chat(**tokens(100, 50), **CACHED),
        "gen_ai.usage.cache_write.input_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "gen_ai.usage.audio.input_tokens": 5,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.conversation.id": "s-1",
        "openai.response.service_tier": "flex",
        "user.id": "u-17",
        "tenant.id": "acme",
        "tollkeeper.tag.feature": "match",
        "server.address": "api.openai.com",
        "server.port": 443,
        "http.response.status_code": 200,
    }
    found = observed("opentelemetry.instrumentation.genai.openai", attributes, resource={"service.name": "shop"})
    call, usage = found.call, found.call.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (100, 50, 60)
    assert (usage.cache_write_tokens, usage.reasoning_tokens, usage.input_audio_tokens) == (30, 20, 5)
    assert (call.provider, call.operation, call.usage_source) == ("openai", "chat", "provider")
    assert (call.request_model, call.response_model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (call.response_id, call.finish_reasons, call.service_tier) == ("chatcmpl-1", ("stop",), "flex")
    assert (call.stream, call.time_to_first_chunk, call.duration, call.started_at) == (True, 0.5, 2.5, START)
    assert (call.server_address, call.server_port, call.status_code) == ("api.openai.com", 443, 200)
    assert dict(call.tags) == {
        "user": "u-17", "session": "s-1", "tenant": "acme", "service": "shop", "feature": "match",
    }  # fmt: skip
    assert call.parameters == {"gen_ai.request.temperature": 0.2, RAW_INPUT: 100, ACCOUNTING: "inclusive"} | {
        "tollkeeper.foreign.output_tokens": 50
    }
    assert (found.emitter, found.kind, found.parent_span_id, found.ended_at) == ("opentelemetry", "span", "c" * 16, END)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 3}, (7, 3, None, None)),
        (tokens(9, 3, **{"gen_ai.usage.cache_creation.input_tokens": 4}), (9, 3, None, 4)),
        (tokens(9, 3, **{"gen_ai.usage.input_tokens.cached": 4}), (9, 3, 4, None)),
        (tokens(9, 3, **{"gen_ai.usage.cache_read_input_tokens": 4}), (9, 3, 4, None)),
        ({"gen_ai.usage.input_tokens": "9", "gen_ai.usage.output_tokens": 3.0}, (9, 3, None, None)),
    ],
    ids=["before 1.27", "1.40", "Sentry", "older OpenLLMetry", "other types"],
)
def test_old_names_of_tokens(names: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    usage = call_of("any.scope", chat(**names)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == expected


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("az.ai.openai", "azure.ai.openai"), ("az.ai.inference", "azure.ai.inference"), ("xai", "x_ai"),
        ("vertex_ai", "gcp.vertex_ai"), ("gemini", "gcp.gemini"), ("Cohere", "cohere"), ("vLLM", "vllm"),
        ("bedrock", "aws.bedrock"), ("_OTHER", "openai"), ("openai.chat", "openai"),
        ("google.vertex.chat", "gcp.vertex_ai"), ("google.generative-ai", "gcp.gemini"),
        ("amazon-bedrock", "aws.bedrock"),
        ("Langchain", "openai"), ("openrouter", "openrouter"),
    ],
)  # fmt: skip
def test_older_names_of_providers(said: str, meant: str) -> None:
    attributes = {"gen_ai.system": said, "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    assert call_of("any.scope", attributes).provider == meant


@pytest.mark.parametrize(
    ("address", "provider"),
    [("api.deepseek.com", "deepseek"), ("https://openrouter.ai/api/v1", "openrouter"), ("llm.internal", "openai"),
     ("acme.openai.azure.com", "azure.ai.openai"), ("evil-api.groq.com.example", "openai")],
)  # fmt: skip
def test_the_host_tells_who_serves_what_the_sdk_of_openai_was_used_for(address: str, provider: str) -> None:
    assert call_of("any.scope", chat(**{"server.address": address})).provider == provider


@pytest.mark.parametrize(
    ("scope", "provider", "total", "counted", "accounting"),
    [
        (GENAI, "anthropic", None, 100, "inclusive"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "aws.bedrock", None, 160, "exclusive"),
        ("some.scope", "anthropic", 170, 160, "exclusive"),
        ("some.scope", "anthropic", 110, 100, "inclusive"),
        ("some.scope", "anthropic", None, 100, "assumed"),
    ],
)
def test_whether_the_input_has_the_caches_in_it(
    scope: str, provider: str, total: int | None, counted: int, accounting: str
) -> None:
    attributes = chat(**tokens(100, 10), **CACHED, **{"gen_ai.provider.name": provider})
    if total is not None:
        attributes["gen_ai.usage.total_tokens"] = total
    call = call_of(scope, attributes, name="other")
    assert call.usage.input_tokens == counted
    assert (call.parameters[ACCOUNTING], call.parameters[RAW_INPUT]) == (accounting, 100)


def test_more_cached_than_read_is_proof_whoever_says_it() -> None:
    call = call_of(GENAI, chat(**tokens(10, 5), **CACHED))
    assert (call.usage.input_tokens, call.parameters[ACCOUNTING]) == (70, "exclusive")


def test_more_thoughts_than_output_are_beside_it() -> None:
    usage = call_of(GENAI, chat(**tokens(10, 5), **{"gen_ai.usage.reasoning.output_tokens": 20})).usage
    assert (usage.output_tokens, usage.reasoning_tokens) == (25, 20)


@pytest.mark.parametrize(
    "usage", [{}, tokens(0, 0), {"gen_ai.usage.input_tokens": -1}, {"gen_ai.usage.input_tokens": 0}]
)
def test_missing_usage_is_unknown_and_not_zero(usage: dict[str, Any]) -> None:
    call = call_of(GENAI, chat(**usage))
    assert (call.usage, call.usage_source) == (NOTHING, "unknown")


@pytest.mark.parametrize(
    "operation",
    ["invoke_agent", "invoke_workflow", "plan", "execute_tool", "fetch_response", "create_agent", "retrieval"],
)
def test_what_only_holds_calls_is_not_counted(operation: str) -> None:
    attributes = chat(**tokens(100, 10), **{"gen_ai.operation.name": operation})
    assert read(emission("any.scope", attributes, span_kind=1)) is None


def test_a_hosted_agent_counts_when_it_has_used_something() -> None:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "openai"}
    assert read(emission("any.scope", attributes)) is None
    assert observed("any.scope", {**attributes, **tokens(100, 10)}).is_aggregate


@pytest.mark.parametrize(
    ("operation", "meant"),
    [("generate_content", "generate_content"), ("text_completion", "text_completion"), ("embeddings", "embeddings"),
     ("embedding", "embeddings"), ("rerank", "rerank"), ("speech_to_text", "transcription"),
     ("image", "image_generation")],
)  # fmt: skip
def test_operations(operation: str, meant: str) -> None:
    assert call_of("any.scope", chat(**{"gen_ai.operation.name": operation})).operation == meant


def test_only_one_event_is_of_a_call() -> None:
    attributes = chat(**tokens(100, 10))
    event = {"kind": "event", "span_kind": 0, "ended_at": 0}
    found = observed(GENAI, attributes, name=EVENT_NAME, **event)
    assert (found.kind, found.call.duration, found.call.usage.input_tokens) == ("event", None, 100)
    for name in ("gen_ai.choice", "gen_ai.user.message", "gen_ai.evaluation.result"):
        assert read(emission(GENAI, attributes, name=name, **event)) is None


def test_a_span_and_its_event_have_one_id_however_far_apart() -> None:
    attributes = chat(**{"gen_ai.response.id": "chatcmpl-1"})
    span = call_of(GENAI, attributes)
    event = call_of(GENAI, attributes, kind="event", name=EVENT_NAME, started_at=END + 10**17)
    other = call_of(GENAI, {**attributes, "gen_ai.response.id": "chatcmpl-2"})
    assert span.id == event.id != other.id
    assert len(span.id) == 36 and span.id[14] == "8"


@pytest.mark.parametrize(
    ("said", "word"),
    [("openai.RateLimitError", "RateLimitError"), ("<class 'openai.RateLimitError'>", "RateLimitError"),
     ("rate_limit_exceeded", "rate_limit_exceeded"), ("429", "429")],
)  # fmt: skip
def test_errors_by_their_word(said: str, word: str) -> None:
    call = call_of(GENAI, chat(**{"error.type": said}), failed=True)
    assert (call.error_type, call.usage_source) == (word, "unknown")


def test_errors_by_their_exception_and_by_nothing() -> None:
    exception = ("exception", {"exception.type": "openai.APITimeoutError"})
    assert call_of(GENAI, chat(), failed=True, events=(exception,)).error_type == "APITimeoutError"
    assert call_of(GENAI, chat(), failed=True).error_type == "_OTHER"
    assert call_of(GENAI, chat(), events=(exception,)).error_type is None


def test_what_others_think_it_cost_is_kept_aside() -> None:
    call = call_of(GENAI, chat(**{"gen_ai.usage.cost": 0.00125}))
    assert (call.provider_cost, call.cost, call.parameters[RAW_COST]) == (None, None, "0.00125")
    assert RAW_COST not in call_of(GENAI, chat(**{"gen_ai.usage.cost": 0})).parameters


def test_spans_of_our_own_are_not_counted() -> None:
    assert read(emission("tollkeeper", chat(**tokens(1, 1)))) is None
    assert read(emission("any.scope", chat(**{"tollkeeper.call.id": "x"}))) is None


def test_other_spans_are_not_calls() -> None:
    assert read(emission("opentelemetry.instrumentation.httpx", {"http.method": "POST"})) is None
