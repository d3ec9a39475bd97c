"""What Cohere is asked and answers, in versions 1 and 2 of its API.

It reports twice: `tokens` is what the model saw and wrote, `billed_units` what is charged, which is less, as Cohere's
own preamble is free. Usage is `tokens`, or `billed_units` where there are none (embeddings, old answers); what is
priced is `billed_units`. `cached_tokens` are a part of the input tokens; `image_tokens` are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.contract import Request
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.parameters import SAMPLING, number, output_type, read_parameters, whole, word, words
from tollkeeper.capture.payload import count, field, text, total
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

PARAMETERS = {
    **SAMPLING,
    "p": ("gen_ai.request.top_p", number),
    "k": ("gen_ai.request.top_k", number),
    "stop_sequences": ("gen_ai.request.stop_sequences", words),
    "response_format": ("gen_ai.output.type", output_type),
    "output_dimension": ("gen_ai.embeddings.dimension.count", whole),
    "embedding_types": ("gen_ai.request.encoding_formats", words),
    "conversation_id": ("gen_ai.conversation.id", word),
}
PROMPT_FIELDS = ("messages", "message", "chat_history", "preamble", "prompt", "documents", "tools", "tool_results")
FAILED = frozenset({"ERROR", "TIMEOUT", "ERROR_TOXIC", "ERROR_LIMIT"})


def read_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, PARAMETERS)


def read_response(call: Call, answer: Any) -> None:
    """An answer, or a raw response with the answer in its `data`. No answer names its model."""
    data = field(answer, "data")
    answer = answer if data is None else data
    call.response_id = text(answer, "id") or text(answer, "generation_id") or call.response_id
    reason = text(answer, "finish_reason")
    if reason is not None:
        call.finish_reasons = (reason,)
    usage = field(answer, "usage")
    read_usage(call, usage if usage is not None else field(answer, "meta"))


def read_usage(call: Call, said: Any) -> None:
    """`usage` of version 2, `meta` of version 1. Search units and the like have no token count: they stay unknown."""
    cached = count(said, "cached_tokens")
    used, billed = (_tokens(field(said, name), cached) for name in ("tokens", "billed_units"))
    if used is None and billed is None:
        return
    call.usage, call.usage_source = used or billed or NOTHING, "provider"
    if used is not None and billed is not None and billed != used:
        call.billed_usage = billed._replace(cache_read_tokens=None, reasoning_tokens=None)


def _tokens(source: Any, cached: int | None) -> Usage | None:
    sent = total(count(source, "input_tokens"), count(source, "image_tokens"))
    received = count(source, "output_tokens")
    if sent is None and received is None:
        return None
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        cache_read_tokens=cached,
        reasoning_tokens=count(source, "reasoning_tokens"),
        input_image_tokens=count(source, "image_tokens") or None,
    )


class StreamFold:
    """The events of a stream: `type` in version 2, `event_type` in version 1. The last one says everything."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._identity: str | None = None
        self._end: Any = None
        self._seen = False
        self._texts: list[str] = []

    def __call__(self, chunk: Any) -> bool | None:
        self._seen = True
        kind = field(chunk, "type") or field(chunk, "event_type")
        if kind in ("message-end", "stream-end", "stream-error"):
            self._end = chunk
        elif kind in ("message-start", "stream-start"):
            self._identity = text(chunk, "id") or text(chunk, "generation_id")
        elif kind == "text-generation":
            self._texts.append(text(chunk, "text") or "")
        elif kind == "tool-calls-chunk":
            delta = field(chunk, "tool_call_delta")
            self._texts += [piece for name in ("text", "name", "parameters") if (piece := text(delta, name))]
        else:
            self._read_delta(field(field(chunk, "delta"), "message"))
        return None

    def _read_delta(self, message: Any) -> None:
        content = field(message, "content")
        if content is not None:
            pieces = text(content, "text"), text(content, "thinking")
        else:
            function = field(field(message, "tool_calls"), "function")
            pieces = text(message, "tool_plan") or text(function, "name"), text(function, "arguments")
        self._texts += [piece for piece in pieces if piece]

    def end(self, call: Call) -> bool:
        call.response_id = self._identity or call.response_id
        if self._end is not None:
            self._read_end(call, self._end)
        if call.usage == NOTHING and (self._seen or call.error_type is None):
            sent = [self._request.body[name] for name in PROMPT_FIELDS if name in self._request.body]
            estimate(call, {"messages": sent}, self._texts, NOTHING)
        return self._end is not None

    def _read_end(self, call: Call, event: Any) -> None:
        for answer in (field(event, "delta"), field(event, "response")):
            if answer is not None:
                read_response(call, answer)
        reason = text(event, "finish_reason")
        if reason is not None:
            call.finish_reasons = (reason,)
        if call.error_type is None and call.finish_reasons and call.finish_reasons[0] in FAILED:
            call.error_type = call.finish_reasons[0]
