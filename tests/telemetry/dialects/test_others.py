"""The dialects of those who do not only speak the conventions: what is theirs alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.dialects.said_so import START, call_of, chat, emission, observed, tokens
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.dialects import read
from tollkeeper.telemetry.dialects.observed import ACCOUNTING

CACHED = {"gen_ai.usage.cache_read.input_tokens": 60}
LLMETRY = "opentelemetry.instrumentation."
ASSOCIATED = "traceloop.association.properties."


@pytest.mark.parametrize(
    ("emitter", "scope", "attributes", "name"),
    [
        ("openllmetry", f"{LLMETRY}openai.v1", chat(**{"gen_ai.is_streaming": False}), "openai.chat"),
        ("openllmetry", f"{LLMETRY}langchain", chat(**{"traceloop.workflow.name": "w"}), "ChatOpenAI.chat"),
        ("opentelemetry", f"{LLMETRY}genai.openai", chat(), "chat gpt-4o-mini"),
        ("opentelemetry", f"{LLMETRY}openai_v2", chat(), "chat gpt-4o-mini"),
        ("opentelemetry", f"{LLMETRY}vertexai", chat(), "chat gemini"),
        ("openlit", "openlit.instrumentation.openai", chat(), "chat gpt-4o-mini"),
        ("openlit", "renamed", chat(**{"telemetry.sdk.name": "openlit"}), "chat gpt-4o-mini"),
        ("openinference", f"{LLMETRY}x", {"openinference.span.kind": "LLM"}, "ChatCompletion"),
        ("logfire", "pydantic-ai", chat(), "chat gpt-4o-mini"),
        ("logfire", "renamed", chat(**{"logfire.msg": "chat"}), "chat"),
        ("litellm", "litellm", chat(**{"openinference.span.kind": "LLM"}), "litellm_request"),
        ("litellm", "somebody's parent", chat(**{"litellm.call_id": "c-1"}), "POST /chat"),
        ("langfuse", "langfuse-sdk", {"langfuse.observation.type": "generation"}, "OpenAI-generation"),
    ],
)
def test_who_it_is(emitter: str, scope: str, attributes: dict[str, Any], name: str) -> None:
    assert observed(scope, attributes, name=name).emitter == emitter


@pytest.mark.parametrize(
    ("scope", "provider", "counted"),
    [
        ("openlit.instrumentation.anthropic", "anthropic", 160),
        ("openlit.instrumentation.bedrock", "aws.bedrock", 160),
        ("openlit.instrumentation.openai", "openai", 100),
        (f"{LLMETRY}anthropic", "anthropic", 100),
        (f"{LLMETRY}bedrock", "aws.bedrock", 160),
        ("pydantic-ai", "anthropic", 100),
        ("litellm", "bedrock", 100),
    ],
)
def test_whose_input_leaves_out_the_caches(scope: str, provider: str, counted: int) -> None:
    attributes = chat(**tokens(100, 10), **CACHED, **{"gen_ai.provider.name": provider, "llm.request.type": "chat"})
    call = call_of(scope, attributes)
    assert call.usage.input_tokens == counted
    assert call.parameters[ACCOUNTING] == ("inclusive" if counted == 100 else "exclusive")


@pytest.mark.parametrize(
    ("scope", "more"),
    [
        (f"{LLMETRY}google_generativeai", {"gen_ai.usage.total_tokens": 40, "traceloop.entity.name": "x"}),
        ("openlit.instrumentation.google_ai_studio", {"gen_ai.usage.reasoning_tokens": 20}),
    ],
)
def test_whose_output_leaves_out_the_thoughts_of_gemini(scope: str, more: dict[str, Any]) -> None:
    attributes = chat(**tokens(12, 8), **more, **{"gen_ai.provider.name": "gemini"})
    usage = call_of(scope, attributes).usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (12, 28, 20)


def test_openllmetry_on_whose_behalf() -> None:
    attributes = chat(**{
        f"{ASSOCIATED}user_id": "u-1", f"{ASSOCIATED}session_id": "s-1", f"{ASSOCIATED}customer_id": "acme",
        f"{ASSOCIATED}plan": "gold", "gen_ai.openai.api_base": "http://10.0.0.9:8000/v1/",
    })  # fmt: skip
    call = call_of(f"{LLMETRY}openai.v1", attributes)
    assert dict(call.tags) == {"user": "u-1", "session": "s-1", "tenant": "acme", "plan": "gold"}
    assert (call.server_address, call.server_port) == ("10.0.0.9", 8000)


@pytest.mark.parametrize("kind", ["workflow", "task", "agent", "tool"])
def test_openllmetry_spans_that_hold_others(kind: str) -> None:
    attributes = {"traceloop.span.kind": kind, **tokens(100, 10)}
    assert read(emission(f"{LLMETRY}langchain", attributes)) is None


def test_openlit_guesses_are_unknown() -> None:
    scope = "openlit.instrumentation.openai"
    guess = call_of(scope, chat(**tokens(19, 36), **{"gen_ai.request.stream": True}))
    assert (guess.usage.known, guess.usage_source) == (False, "unknown")
    assert guess.parameters["tollkeeper.foreign.input_tokens"] == 19
    said = chat(**tokens(19, 36), **{"gen_ai.request.stream": True, "gen_ai.usage.cache_read.input_tokens": 0})
    assert call_of(scope, said).usage.input_tokens == 19


def test_openlit_events_do_not_name_the_provider() -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **tokens(1, 2)}
    for library, provider in (("openai", "openai"), ("bedrock", "aws.bedrock"), ("mistral", "mistral_ai")):
        call = call_of(f"openlit.instrumentation.{library}", attributes, kind="event", name=EVENT_NAME)
        assert call.provider == provider


@pytest.mark.parametrize("kind", ["AGENT", "CHAIN", "TOOL", "RETRIEVER", "GUARDRAIL", "", 7])
def test_openinference_spans_that_hold_others(kind: Any) -> None:
    attributes = {"openinference.span.kind": kind, "llm.token_count.prompt": 5, "gen_ai.operation.name": "chat"}
    assert read(emission("openinference.instrumentation.langchain", attributes)) is None


def test_openinference_by_its_own_names_before_the_conventions() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.provider": "azure",
        "llm.model_name": "gpt-4o-2024-08-06",
        "llm.invocation_parameters": '{"model": "gpt-4o", "stream": true}',
        "gen_ai.request.model": "gpt-4o-2024-08-06",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 30,
        "llm.token_count.prompt_details.cache_input": 60,
        "llm.token_count.completion_details.reasoning": 10,
        "user.id": "u-1",
        "session.id": "s-1",
        "metadata": '{"tenant_id": "acme"}',
    }
    call, usage = (found := call_of("openinference.instrumentation.openai", attributes)), found.usage
    assert (call.provider, call.request_model, call.response_model) == (
        "azure.ai.openai",
        "gpt-4o",
        "gpt-4o-2024-08-06",
    )
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (
        100,
        30,
        60,
        10,
    )
    assert (call.stream, dict(call.tags)) == (True, {"user": "u-1", "session": "s-1", "tenant": "acme"})


def test_openinference_cannot_tell_the_two_apis_of_bedrock_apart() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.provider": "aws",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "llm.token_count.prompt_details.cache_read": 60,
    }
    assert call_of("openinference.instrumentation.bedrock", attributes).parameters[ACCOUNTING] == "assumed"
    beside = call_of("openinference.instrumentation.bedrock", {**attributes, "llm.token_count.total": 170})
    assert (beside.usage.input_tokens, beside.parameters[ACCOUNTING]) == (160, "exclusive")


def test_logfire_takes_what_is_only_in_the_providers_own_usage() -> None:
    raw = {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_1h_input_tokens": 30},
        "service_tier": "standard",
    }
    call = call_of("logfire.anthropic", chat(**tokens(100, 10), **{"gen_ai.usage.raw": json.dumps(raw)}))
    usage = call.usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (100, 60, 30)
    assert (usage.cache_write_1h_tokens, call.service_tier) == (30, "standard")


def test_logfire_streams_are_counted_when_they_have_been_read() -> None:
    opening = chat(**{"logfire.span_type": "span", "gen_ai.response.model": "gpt-4o-mini"})
    assert read(emission("logfire.openai", opening)) is None
    assert call_of("logfire.openai", opening, failed=True).error_type == "_OTHER"
    read_to_the_end = chat(**tokens(9, 18), **{"logfire.span_type": "log", "duration": 1.5})
    call = call_of("logfire.openai", read_to_the_end, started_at=START, ended_at=START)
    assert (call.stream, call.duration, call.started_at) == (True, 1.5, START - 1_500_000_000)


def test_pydantic_ai_sums_of_an_agent_are_not_counted() -> None:
    attributes = {"gen_ai.aggregated_usage.input_tokens": 100, "gen_ai.operation.name": "invoke_agent"}
    assert read(emission("pydantic-ai", attributes, span_kind=1)) is None
    assert read(emission("logfire", {"gen_ai.usage.partial.input_tokens": 5, "logfire.msg": "x"})) is None


def test_litellm_in_its_older_form() -> None:
    usage = {
        "prompt_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 1000, "text_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    attributes = {
        "litellm.call_id": "c-1",
        "litellm.provider.model": "anthropic/claude-sonnet-4-5",
        "llm.request.type": "completion",
        "gen_ai.system": "anthropic",
        "gen_ai.response.id": "chatcmpl-1",
        "hidden_params": '{"api_base": "https://llm.internal:8443/v1"}',
        "metadata.usage_object": str(usage),
        "metadata.user_api_key_team_id": "acme",
        "llm.user": "u-17",
        "gen_ai.cost.total_cost": 0.001725,
        **tokens(1200, 55),
    }
    call = call_of("litellm", attributes)
    assert (call.provider, call.operation, call.request_model) == ("anthropic", "chat", "claude-sonnet-4-5")
    assert (call.usage.cache_read_tokens, call.usage.reasoning_tokens, call.usage.input_tokens) == (1000, 7, 1200)
    assert dict(call.tags) == {"user": "u-17", "tenant": "acme"}
    assert (call.server_address, call.server_port, call.provider_cost) == ("llm.internal", 8443, None)


def test_litellm_in_its_newer_form() -> None:
    attributes = {
        **chat(**tokens(100, 10), **CACHED),
        "litellm.call_id": "c-1",
        "litellm.call_type": "acompletion",
        "litellm.team.id": "acme",
        "litellm.end_user.id": "u-1",
        "gen_ai.response.id": "c-1",
        "litellm.cost.total": 0.1,
    }
    call = call_of("litellm", attributes, failed=True)
    assert (call.usage.cache_read_tokens, dict(call.tags)) == (60, {"user": "u-1", "tenant": "acme"})
    assert call.response_id is None, "without an answer, the id is the call's own"
    assert read(emission("litellm", {"llm.openai.id": "chatcmpl-1"}, name="raw_gen_ai_request")) is None


@pytest.mark.parametrize(
    ("call_type", "operation"),
    [("aembedding", "embeddings"), ("atranscription", "transcription"), ("speech", "speech"), ("arerank", "rerank"),
     ("anthropic_messages", "chat"), ("aresponses", "chat")],
)  # fmt: skip
def test_litellm_functions(call_type: str, operation: str) -> None:
    assert call_of("litellm", {"litellm.call_id": "c", "litellm.call_type": call_type}).operation == operation


def test_langfuse() -> None:
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": '{"input": 100, "output": 20, "total": 120, "input_cached_tokens": 60}',
        "user.id": "u-1",
        "session.id": "s-1",
    }
    call = call_of("langfuse-sdk", attributes)
    assert (call.provider, call.request_model, call.usage.input_tokens) == ("openai", "gpt-4o", 100)
    assert (call.usage.cache_read_tokens, call.parameters[ACCOUNTING]) == (60, "inclusive")
    assert read(emission("langfuse-sdk", {**attributes, "langfuse.observation.type": "span"})) is None


def test_vercels_inner_span_names_no_operation() -> None:
    attributes = {"gen_ai.system": "openai.chat", "gen_ai.request.model": "gpt-4o", **tokens(10, 5)}
    call = call_of("ai", attributes, name="ai.generateText.doGenerate")
    assert (call.provider, call.usage.input_tokens) == ("openai", 10)
    assert read(emission("ai", {"ai.usage.promptTokens": 10}, name="ai.generateText")) is None
