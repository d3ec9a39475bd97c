"""The floor: the least that can be recorded with the bare OpenTelemetry SDK, by hand, for three kinds of call.

One span with about twelve attributes, three histogram records and one counter a call; of a stream, one look at each
chunk. No errors, no prices, no options: nothing that anybody would want to run. It is there to be compared with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from importlib import import_module
from time import perf_counter
from typing import Any

from opentelemetry.trace import Span, SpanKind

HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}

Read = Callable[[Any], tuple[str, str, str, int, int, int]]
"""An answer -> its model, id, finish reason, and tokens: input, output, cached input."""


def read_chat(answer: Any) -> tuple[str, str, str, int, int, int]:
    usage = answer.usage
    reason = answer.choices[0].finish_reason if answer.choices else "stop"
    cached = usage.prompt_tokens_details.cached_tokens
    return answer.model, answer.id, reason, usage.prompt_tokens, usage.completion_tokens, cached


def read_message(answer: Any) -> tuple[str, str, str, int, int, int]:
    usage = answer.usage
    cached = usage.cache_read_input_tokens
    sent = usage.input_tokens + cached + usage.cache_creation_input_tokens
    return answer.model, answer.id, answer.stop_reason, sent, usage.output_tokens, cached


class Floor:
    def __init__(self, tracer_provider: Any, meter_provider: Any) -> None:
        self._tracer = tracer_provider.get_tracer("floor")
        meter = meter_provider.get_meter("floor")
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")
        self._calls = meter.create_counter("calls")

    def start(self, provider: str, request: dict[str, Any]) -> Span:
        return self._tracer.start_span(
            f"chat {request['model']}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": request["model"],
                "gen_ai.request.max_tokens": request["max_tokens"],
                "server.address": HOSTS[provider],
                "server.port": 443,
            },
        )

    def finish(self, span: Span, provider: str, asked: str, said: tuple[Any, ...], seconds: float) -> None:
        model, identity, reason, sent, received, cached = said
        span.set_attributes(
            {
                "gen_ai.response.model": model,
                "gen_ai.response.id": identity,
                "gen_ai.response.finish_reasons": (reason,),
                "gen_ai.usage.input_tokens": sent,
                "gen_ai.usage.output_tokens": received,
                "gen_ai.usage.cache_read.input_tokens": cached,
            }
        )
        labels = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": asked,
            "gen_ai.response.model": model,
            "server.address": HOSTS[provider],
        }
        self._duration.record(seconds, labels)
        self._tokens.record(sent, {**labels, "gen_ai.token.type": "input"})
        self._tokens.record(received, {**labels, "gen_ai.token.type": "output"})
        self._calls.add(1, labels)
        span.end()

    def wrap(self, owner: Any, provider: str, read: Read) -> None:
        original = owner.create

        @functools.wraps(original)
        def create(resource: Any, **request: Any) -> Any:
            span, started = self.start(provider, request), perf_counter()
            answer = original(resource, **request)
            if request.get("stream"):
                return self._watched(answer, span, provider, request["model"], read, started)
            self.finish(span, provider, request["model"], read(answer), perf_counter() - started)
            return answer

        owner.create = create

    def wrap_async(self, owner: Any, provider: str, read: Read) -> None:
        original = owner.create

        @functools.wraps(original)
        async def create(resource: Any, **request: Any) -> Any:
            span, started = self.start(provider, request), perf_counter()
            answer = await original(resource, **request)
            self.finish(span, provider, request["model"], read(answer), perf_counter() - started)
            return answer

        owner.create = create

    def _watched(self, stream: Any, span: Span, provider: str, asked: str, read: Read, started: float) -> Iterator[Any]:
        chunk = None
        for chunk in stream:
            yield chunk
        self.finish(span, provider, asked, read(chunk), perf_counter() - started)


def instrument(tracer_provider: Any, meter_provider: Any) -> None:
    floor = Floor(tracer_provider, meter_provider)
    chat = import_module("openai.resources.chat.completions")
    messages = import_module("anthropic.resources.messages")
    floor.wrap(chat.Completions, "openai", read_chat)
    floor.wrap_async(chat.AsyncCompletions, "openai", read_chat)
    floor.wrap(messages.Messages, "anthropic", read_message)
