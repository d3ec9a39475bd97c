"""Answers as Cohere gives them, and clients that get them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

ANSWER = {
    "id": "a",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "content": [{"type": "text", "text": "x"}],
        "tool_calls": [{"function": {"name": "f"}}],
    },
    "usage": {
        "billed_units": {"input_tokens": 1.0},
        "tokens": {"input_tokens": 5.0, "output_tokens": 2.0},
        "cached_tokens": 1,
    },
}
EMBEDDING = {
    "id": "e",
    "response_type": "embeddings_floats",
    "embeddings": [[0.5]],
    "texts": ["x"],
    "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 9}},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message-start", "id": "s", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
    {
        "type": "tool-call-start",
        "delta": {"message": {"tool_calls": {"id": "t", "function": {"name": "f", "arguments": ""}}}},
    },
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "x", "thinking": "y"}}}},
    {"type": "message-end", "id": "s", "delta": {"finish_reason": "COMPLETE", "usage": ANSWER["usage"]}},
]
OLD_EVENTS: list[dict[str, Any]] = [
    {"event_type": "stream-start", "generation_id": "g-1", "is_finished": False},
    {"event_type": "text-generation", "text": "Because it", "is_finished": False},
    {
        "event_type": "stream-end",
        "is_finished": True,
        "finish_reason": "COMPLETE",
        "response": {"text": "x", "generation_id": "g-1", "meta": {"tokens": {"input_tokens": 5, "output_tokens": 2}}},
    },
]


def answering(*answers: Any) -> tuple[Callable[..., Any], list[httpx.Request]]:
    """Makes clients whose server gives this answer, or streams these events; and the requests that it has seen."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(answers) == 1 and b'"stream": true' not in request.content and b'"stream":true' not in request.content:
            return httpx.Response(200, json=answers[0])
        lines = "".join(
            json.dumps(event) + "\n" if "event_type" in event else f"data: {json.dumps(event)}\n\n" for event in answers
        )
        kind = "application/stream+json" if "event_type" in answers[0] else "text/event-stream"
        return httpx.Response(200, text=lines, headers={"content-type": kind})

    def client(kind: Any, api_key: str = "none") -> Any:
        http = httpx.AsyncClient if "Async" in kind.__name__ else httpx.Client
        return kind(
            api_key=api_key,
            base_url="http://cohere.test",
            max_retries=0,
            httpx_client=http(transport=httpx.MockTransport(answer)),
        )

    return client, seen
