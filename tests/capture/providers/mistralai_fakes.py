"""Answers as Mistral gives them, and clients that get them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
from mistralai.client import Mistral

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1}}
MESSAGE = {
    "role": "assistant",
    "content": [{"type": "text", "text": "x"}],
    "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
}
ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "model": "m",
    "created": 1,
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "y"}]}
DELTAS = [{"content": "x"}, {"content": [THOUGHT]}, {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]
EVENTS = [
    {"id": "s", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in DELTAS
] + [{"id": "s", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}]


def client_for(answer: Callable[[httpx2.Request], httpx2.Response]) -> Mistral:
    return Mistral(
        api_key="none", server_url="http://mistral.test", client=httpx2.Client(transport=httpx2.MockTransport(answer))
    )


def answering(body: Any) -> Mistral:
    return client_for(lambda request: httpx2.Response(200, json=body))


def as_events(events: Any) -> httpx2.Response:
    """Events as they are sent: each a body, or a body and the name of its event."""
    lines: list[str] = []
    for event in events:
        body, name = event if isinstance(event, tuple) else (event, None)
        lines.append((f"event: {name}\n" if name else "") + f"data: {json.dumps(body)}\n\n")
    end = "" if any(isinstance(event, tuple) for event in events) else "data: [DONE]\n\n"
    return httpx2.Response(200, text="".join(lines) + end, headers={"content-type": "text/event-stream"})


def streaming(*events: Any) -> Mistral:
    return client_for(lambda request: as_events(events))
