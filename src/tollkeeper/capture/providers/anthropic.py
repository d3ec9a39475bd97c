"""Anthropic: the API, and the SDK's clients for Bedrock, Vertex, AWS, Foundry and Google Cloud.

The API's `input_tokens` leaves out what was read from or written to the cache; ours has both in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan

from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.denied import body_of
from tollkeeper.capture.emit import OBSERVATION_KEY, Emitter
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.parameters import SAMPLING, effort, read_parameters, whole, word, words
from tollkeeper.capture.payload import count, field, text, total
from tollkeeper.capture.providers.services import find_endpoint
from tollkeeper.capture.results import results_surface
from tollkeeper.capture.stainless import Endpoint, StainlessAdapter
from tollkeeper.model import Call, Denial, Pass, Usage
from tollkeeper.model.usage import NOTHING

PARAMETERS = {
    **SAMPLING,
    "top_k": ("gen_ai.request.top_k", whole),
    "stop_sequences": ("gen_ai.request.stop_sequences", words),
    "output_config": ("gen_ai.request.reasoning.level", effort),
    "service_tier": ("anthropic.request.service_tier", word),
}

CLIENTS = {
    "AnthropicBedrock": "aws.bedrock",
    "AsyncAnthropicBedrock": "aws.bedrock",
    "AnthropicBedrockMantle": "aws.bedrock",
    "AsyncAnthropicBedrockMantle": "aws.bedrock",
    "AnthropicVertex": "gcp.vertex_ai",
    "AsyncAnthropicVertex": "gcp.vertex_ai",
    "AnthropicGoogleCloud": "gcp.vertex_ai",
    "AsyncAnthropicGoogleCloud": "gcp.vertex_ai",
    "AnthropicFoundry": "azure.ai.inference",
    "AsyncAnthropicFoundry": "azure.ai.inference",
}
"""The SDK's clients for other platforms, by class name. `AnthropicAWS` is Anthropic's own API, billed through AWS."""

PRICE_FIELDS = ("speed", "inference_geo")
"""Fields of the usage that change the price."""


def read_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, PARAMETERS)


def read_message(call: Call, message: Any) -> None:
    call.response_model = text(message, "model") or call.response_model
    call.response_id = text(message, "id") or call.response_id
    reason = text(message, "stop_reason")
    call.finish_reasons = (reason,) if reason else ()
    read_usage(call, field(message, "usage"))


def read_usage(call: Call, usage: Any) -> None:
    """A usage object, plain or put together from the events of a stream."""
    if usage is None or isinstance(usage, str):
        return
    read = usage_of(usage)
    if read != NOTHING:
        call.usage = read
        call.usage_source = "provider"
    call.service_tier = text(usage, "service_tier") or call.service_tier
    context = {name: value for name in PRICE_FIELDS if (value := text(usage, name)) and value != "not_available"}
    if context:
        call.price_context = {**call.price_context, **context}
    iterations = field(usage, "iterations")
    if isinstance(iterations, list | tuple):
        call.passes = tuple(_pass(one) for one in iterations if text(one, "type") not in (None, "message"))


def _pass(iteration: Any) -> Pass:
    return Pass(text(iteration, "type") or "", text(iteration, "model"), usage_of(iteration))


def usage_of(usage: Any) -> Usage:
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    parts = field(usage, "cache_creation")
    hour = count(parts, "ephemeral_1h_input_tokens")
    if written is None:
        written = total(hour, count(parts, "ephemeral_5m_input_tokens"))
    uncached = count(usage, "input_tokens")
    return Usage(
        input_tokens=None if uncached is None and not (read or written) else total(uncached, read, written),
        output_tokens=count(usage, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=hour,
        reasoning_tokens=count(field(usage, "output_tokens_details"), "thinking_tokens"),
        web_searches=count(field(usage, "server_tool_use"), "web_search_requests"),
    )


class MessageFold:
    """The events of a streamed message. Counts are cumulative: the last word wins, and nothing is summed.

    The output count of `message_start` is a placeholder and never final: a stream that breaks off before its
    `message_delta` has an output that only we can estimate.
    """

    FIELDS = (
        "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
        "service_tier", "server_tool_use", "output_tokens_details", "iterations", "speed", "inference_geo",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self._request = request
        self._message: Any = None
        self._usage: dict[str, Any] = {}
        self.texts: list[str] = []
        self._reason: str | None = None
        self._has_delta = False
        self._ended = False

    def __call__(self, event: Any) -> bool | None:
        kind = event.get("type") if type(event) is dict else event.type
        if kind == "content_block_delta":
            self._read_piece(event.get("delta") if type(event) is dict else event.delta)
        elif kind == "message_start":
            self._message = field(event, "message")
            self._add(field(self._message, "usage"))
        elif kind == "message_delta":
            self._add(field(event, "usage"))
            self._has_delta = True
            self._reason = text(field(event, "delta"), "stop_reason") or self._reason
        elif kind == "message_stop":
            self._ended = True
        return None

    def _read_piece(self, delta: Any) -> None:
        piece = delta.get("text") if type(delta) is dict else getattr(delta, "text", None)
        if piece is None:
            piece = field(delta, "partial_json") or field(delta, "thinking")
        if piece:
            self.texts.append(piece)

    def _add(self, usage: Any) -> None:
        for name in self.FIELDS:
            value = field(usage, name)
            if value is not None:
                self._usage[name] = value

    def end(self, call: Call) -> bool:
        if self._message is not None:
            call.response_model = text(self._message, "model")
            call.response_id = text(self._message, "id")
        if self._reason:
            call.finish_reasons = (self._reason,)
        read_usage(call, self._usage or None)
        if not self._has_delta and (self._message is not None or call.error_type is None):
            estimate(call, self._request.body, self.texts, call.usage)
        return self._ended or self._has_delta


def read_batch_line(call: Call, line: Any) -> bool:
    """One result of a message batch. Says whether it is one that was answered."""
    result = field(line, "result")
    if text(result, "type") != "succeeded":
        return False
    read_message(call, field(result, "message"))
    return True


MESSAGES = Surface("chat", read_request, read_message, MessageFold, output_cap="max_tokens")
BATCH_RESULTS = results_surface(read_batch_line, fold_lines=True)


def find_surface(method: str, url: str) -> Surface | None:
    path = url.partition("?")[0]
    if method == "post" and path == "/v1/messages":
        return MESSAGES
    if method == "get" and path.startswith("/v1/messages/batches/") and path.endswith("/results"):
        return BATCH_RESULTS
    return None


def find_anthropic_endpoint(client: Any, base_url: Any) -> Endpoint:
    for kind in type(client).__mro__:
        if kind.__name__ in CLIENTS:
            return find_endpoint(client, base_url, CLIENTS[kind.__name__])
    return find_endpoint(client, base_url, "anthropic")


def adopt_native_span(
    original: Callable[..., Any], target: Target, adapter: Any, emitter: Emitter
) -> Callable[..., Any]:
    """The SDK (1.14 and later) makes a span of its own for each call. For calls that are ours it gets our span instead:
    it still sends the trace context to the provider, and there is one span for one call."""

    def start_api_call_span(*args: Any, **kwargs: Any) -> Any:
        observation = otel_context.get_value(OBSERVATION_KEY)
        traces_nothing = isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        if not emitter.active or observation is None or traces_nothing:
            return original(*args, **kwargs)
        span_context = observation.span.get_span_context()  # type: ignore[attr-defined]
        return NonRecordingSpan(span_context) if span_context.is_valid else None

    return start_api_call_span


class AnthropicAdapter(StainlessAdapter):
    def __init__(self) -> None:
        super().__init__("anthropic", find_surface, find_anthropic_endpoint)
        self.targets = (
            *self.targets,
            Target("anthropic._base_client", "start_api_call_span", optional=True, wrap=adopt_native_span),
        )

    def error_body(self, denial: Denial) -> dict[str, Any]:
        return {"type": "error", **body_of(denial)}


ADAPTER = AnthropicAdapter()
