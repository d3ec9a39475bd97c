"""What the fake provider answers, and the transport that answers with it: the SDKs run whole, but no byte leaves."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

OPENAI_MODEL, OPENAI_SAID = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
CLAUDE_MODEL, CLAUDE_SAID = "claude-haiku-4-5", "claude-haiku-4-5-20251001"

SYSTEM = "You help the travellers of a railway. Be brief and polite, and say which timetable you have used. " * 8
QUESTION = "My train to the coast was cancelled this morning. Which one can I take instead, and is my seat kept? " * 4
ANSWER = "The next train leaves at 10:42 from platform 7. Your ticket is valid on it, but the seat is not kept. " * 6

MARK = b"000000"
"""Stands in the answers for a number that is different in each: some instrumentations keep state by id."""


def chat_request(chunks: int = 0) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    request = {"model": OPENAI_MODEL, "messages": messages, "temperature": 0.3, "max_tokens": 400}
    if chunks:
        request |= {"stream": True, "stream_options": {"include_usage": True}, "user": f"chunks={chunks}"}
    return request


def message_request() -> dict[str, Any]:
    return {
        "model": CLAUDE_MODEL,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": 400,
    }


USAGE = {
    "prompt_tokens": 1480,
    "completion_tokens": 164,
    "total_tokens": 1644,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
HEAD = {
    "id": "chatcmpl-bench-000000",
    "created": 1_790_000_000,
    "model": OPENAI_SAID,
    "service_tier": "default",
    "system_fingerprint": "fp_29a1c4e7b0",
}


def chat_answer() -> bytes:
    message = {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _json({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def chat_events(chunks: int) -> list[bytes]:
    """A role, so many pieces of text, the finish reason, the usage."""

    def event(choices: list[Any], usage: Any = None) -> bytes:
        body = {**HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
        return b"data: " + _json(body) + b"\n\n"

    def delta(said: dict[str, Any], reason: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": said, "logprobs": None, "finish_reason": reason}]

    return [
        event(delta({"role": "assistant", "content": "", "refusal": None})),
        *(event(delta({"content": f" piece {number}"})) for number in range(chunks)),
        event(delta({}, "stop")),
        event([], USAGE),
        b"data: [DONE]\n\n",
    ]


def message_answer() -> bytes:
    usage = {
        "input_tokens": 310,
        "cache_creation_input_tokens": 768,
        "cache_read_input_tokens": 2048,
        "cache_creation": {"ephemeral_5m_input_tokens": 512, "ephemeral_1h_input_tokens": 256},
        "output_tokens": 171,
        "service_tier": "standard",
    }
    return _json(
        {
            "id": "msg_bench000000",
            "type": "message",
            "role": "assistant",
            "model": CLAUDE_SAID,
            "content": [{"type": "text", "text": ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def transport(http: Any) -> Any:
    """A transport for the SDKs' HTTP library: httpx, or httpx2 from openai 3 and anthropic 1 on."""

    class Events(http.SyncByteStream):
        def __init__(self, events: list[bytes], number: bytes) -> None:
            self._events, self._number = events, number

        def __iter__(self) -> Iterator[bytes]:
            for event in self._events:
                yield event.replace(MARK, self._number)

    class AsyncEvents(Events, http.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for event in self:
                yield event

    class FakeProvider(http.BaseTransport, http.AsyncBaseTransport):
        def __init__(self) -> None:
            self._numbers = itertools.count(1)
            self._bodies = {"/v1/chat/completions": chat_answer(), "/v1/messages": message_answer()}
            self._events = {b'"user":"chunks=%d"' % chunks: chat_events(chunks) for chunks in (10, 100)}

        def _answer(self, request: Any, events_class: Any) -> Any:
            number = b"%06d" % next(self._numbers)
            for mark, events in self._events.items():
                if mark in request.content:
                    stream = events_class(events, number)
                    return http.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)
            body = self._bodies[request.url.path].replace(MARK, number)
            headers = {"content-type": "application/json", "x-request-id": "req_bench", "request-id": "req_bench"}
            return http.Response(200, headers=headers, content=body)

        def handle_request(self, request: Any) -> Any:
            return self._answer(request, Events)

        async def handle_async_request(self, request: Any) -> Any:
            await asyncio.sleep(0)  # so that calls overlap
            return self._answer(request, AsyncEvents)

    return FakeProvider()
