"""Any attribute may be of any type, from anybody. Reading never raises, and what comes of it can be kept."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollkeeper.telemetry import record
from tollkeeper.telemetry.dialects import DIALECTS, digest_of, read
from tollkeeper.telemetry.dialects.reading import Fields
from tollkeeper.telemetry.dialects.said import LARGEST_COUNT
from tollkeeper.telemetry.emission import Emission
from tollkeeper.telemetry.reading import decode

NAMES = sorted(
    {name for dialect in DIALECTS for field in Fields.__slots__ for name in getattr(dialect.fields, field)}
    | {
        "openinference.span.kind", "llm.invocation_parameters", "metadata", "gen_ai.usage.raw", "hidden_params",
        "metadata.usage_object", "litellm.call_id", "litellm.provider.model", "langfuse.observation.type",
        "langfuse.observation.usage_details", "logfire.span_type", "duration", "traceloop.association.properties.a",
        "tollkeeper.tag.b", "telemetry.sdk.name", "http.response.status_code", "server.port", "service.name",
        "request_data", "traceloop.span.kind", "gen_ai.operation.name",
    }
)  # fmt: skip
SCOPES = (
    "", "litellm", "logfire.openai", "pydantic-ai", "openlit.instrumentation.openai", "langfuse-sdk",
    "openinference.instrumentation.anthropic", "opentelemetry.instrumentation.bedrock",
    "opentelemetry.instrumentation.genai.openai", "opentelemetry.instrumentation.botocore.bedrock-runtime",
)  # fmt: skip
WORDS = (
    "chat", "embeddings", "invoke_agent", "LLM", "generation", "completion", "openlit", "log", "span", "True", "{", "[",
    "{}", '{"input": 5, "model": ["x"], "api_base": 7}', "{'prompt_tokens_details': {'cached_tokens': -1}}", "[" * 500,
    '["stop", 5]', "http://[::1/", "http://a:99999999", "https://x.openai.azure.com:443/v1", "\ud800", "a\0b", "9" * 40,
    "{" * 300, "-" * 3000, "(" * 90,
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
EXCEPTIONS = st.tuples(st.just("exception"), st.dictionaries(st.just("exception.type"), VALUES))
EMISSIONS = st.builds(
    Emission,
    kind=st.sampled_from(["span", "event"]),
    name=st.sampled_from(["gen_ai.client.inference.operation.details", "openai.chat", ""]),
    scope=st.sampled_from(SCOPES),
    attributes=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), VALUES, max_size=12).map(
        lambda drawn: {"gen_ai.operation.name": "chat", **drawn}
    ),
    resource=st.dictionaries(st.sampled_from(["service.name", "tenant", "service.namespace"]), VALUES, max_size=3),
    trace_id=st.sampled_from(["", "a" * 32]),
    span_id=st.sampled_from(["", "b" * 16]),
    started_at=st.integers(0, 2**63 - 1),
    ended_at=st.integers(0, 2**63 - 1),
    span_kind=st.integers(0, 5),
    failed=st.booleans(),
    events=st.lists(EXCEPTIONS, max_size=2).map(tuple),
    body=VALUES,
    parent_span_id=st.sampled_from(["", "c" * 16]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(EMISSIONS)
def test_reading_never_raises_and_what_is_read_can_be_kept(emission: Emission) -> None:
    observed = read(emission)
    if observed is None:
        return
    call = observed.call
    assert read(emission) == observed, "the same emission, the same call"
    assert len(call.id) == 36 and len(digest_of(call)) == 16
    for value in call.usage:
        assert value is None or (type(value) is int and 0 <= value <= 3 * LARGEST_COUNT)
    if call.usage_source == "unknown":
        assert not call.usage.known
    else:
        assert call.usage.input_tokens is not None or call.usage.output_tokens is not None
    total = (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0)
    assert sum(value for meter, value in call.usage.billable().items() if meter != "requests") == total
    assert decode(record.encode(call)).usage == call.usage
