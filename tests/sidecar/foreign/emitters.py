# ruff: noqa: PLC0415  an environment has only some of these libraries
"""How each foreign instrumentation is switched on, as its own documentation says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from cases import Cases, by_anthropic, by_litellm, by_openai, by_pydantic_ai, by_sdks


class Emitted(NamedTuple):
    """The tracer to open the cases' own spans with, if any, how to have everything sent, and what calls to make."""

    tracer: Any
    flush: Callable[[], object]
    cases: Callable[[str], Cases] = by_sdks


def _providers(endpoint: str) -> tuple[Any, Any, Emitted]:
    """A tracer and a logger provider that export by OTLP/HTTP, set as the global ones."""
    from opentelemetry import _logs, trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs")))
    trace.set_tracer_provider(tracers)
    _logs.set_logger_provider(loggers)

    def flush() -> None:
        tracers.shutdown()
        loggers.shutdown()

    return tracers, loggers, Emitted(tracers.get_tracer("foreign-app"), flush)


def official(endpoint: str) -> Emitted:
    """Spans, and the event of each call."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"] = "true"
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    tracers, loggers, emitted = _providers(endpoint)
    OpenAIInstrumentor().instrument(tracer_provider=tracers, logger_provider=loggers)
    AnthropicInstrumentor().instrument(tracer_provider=tracers, logger_provider=loggers)
    return emitted


def official_v2(endpoint: str) -> Emitted:
    """The older package, of OpenAI only."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    tracers, loggers, emitted = _providers(endpoint)
    OpenAIInstrumentor().instrument(tracer_provider=tracers, logger_provider=loggers)
    return emitted._replace(cases=_without_responses)


def _without_responses(url: str) -> Cases:
    return {name: case for name, case in by_openai(url).items() if not name.startswith("responses")}


def anthropic_sdk(endpoint: str) -> Emitted:
    """The spans of the Anthropic SDK itself."""
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "true"
    return _providers(endpoint)[2]._replace(cases=by_anthropic)


def openllmetry(endpoint: str) -> Emitted:
    os.environ["TRACELOOP_TRACE_CONTENT"] = "false"
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    tracers, _, emitted = _providers(endpoint)
    OpenAIInstrumentor().instrument(tracer_provider=tracers)
    AnthropicInstrumentor().instrument(tracer_provider=tracers)
    return emitted


def openinference(endpoint: str) -> Emitted:
    from openinference.instrumentation import TraceConfig
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    tracers, _, emitted = _providers(endpoint)
    hidden = TraceConfig(hide_inputs=True, hide_outputs=True, hide_embeddings_vectors=True)
    OpenAIInstrumentor().instrument(tracer_provider=tracers, config=hidden)
    AnthropicInstrumentor().instrument(tracer_provider=tracers, config=hidden)
    return emitted


def openinference_dual(endpoint: str) -> Emitted:
    """With the GenAI names written beside its own."""
    os.environ["OPENINFERENCE_ENABLE_GENAI_SEMCONV"] = "true"
    return openinference(endpoint)


def openlit(endpoint: str) -> Emitted:
    import openlit as sdk
    from opentelemetry import trace

    sdk.init(
        otlp_endpoint=endpoint,
        application_name="foreign-app",
        disable_metrics=True,
        capture_message_content=False,
        pricing_json=os.devnull,
    )
    provider: Any = trace.get_tracer_provider()
    return Emitted(provider.get_tracer("foreign-app"), provider.shutdown)


def logfire(endpoint: str) -> Emitted:
    import logfire as sdk
    from opentelemetry import trace

    sdk.configure(send_to_logfire=False, console=False, metrics=False)
    sdk.instrument_openai()
    sdk.instrument_anthropic()
    return Emitted(trace.get_tracer("foreign-app"), sdk.shutdown)


def pydantic_ai(endpoint: str) -> Emitted:
    """Under it, the Anthropic SDK traces itself: these calls are seen twice."""
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "true"
    from pydantic_ai import Agent

    emitted = _providers(endpoint)[2]
    Agent.instrument_all()
    return emitted._replace(cases=by_pydantic_ai)


def litellm(endpoint: str) -> Emitted:
    """With a span around its own, it writes into that one, after it has ended: so there is none."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    emitted = _providers(endpoint)[2]
    import litellm as sdk

    sdk.callbacks = ["otel"]

    def flush() -> None:
        # Its spans are made on a thread of its own, which nothing waits for.
        time.sleep(3)
        emitted.flush()

    return Emitted(None, flush, by_litellm)


def doubled(endpoint: str) -> Emitted:
    """Two instrumentations over each other: every call is seen twice."""
    openllmetry(endpoint)
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry import trace

    tracers: Any = trace.get_tracer_provider()
    OpenAIInstrumentor().instrument(tracer_provider=tracers)
    AnthropicInstrumentor().instrument(tracer_provider=tracers)
    return Emitted(tracers.get_tracer("foreign-app"), tracers.shutdown)


EMITTERS: dict[str, Callable[[str], Emitted]] = {
    each.__name__: each
    for each in (
        official,
        official_v2,
        anthropic_sdk,
        openllmetry,
        openinference,
        openinference_dual,
        openlit,
        logfire,
        pydantic_ai,
        litellm,
        doubled,
    )
}
