"""A server that answers whatever it is told to, and good answers of each provider: to be spoiled by tests."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from capture.scenarios import SURFACES, Surface
from tollkeeper.simulator import Simulator

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"


class Canned:
    """One answer for every request, until another is set. `cut`: the connection breaks before the announced end."""

    def __init__(self) -> None:
        self.status, self.content_type, self.body, self.cut = 200, JSON, b"{}", False
        self.url = ""

    def will_answer(self, body: bytes, content_type: str = JSON, status: int = 200, cut: bool = False) -> None:
        self.status, self.content_type, self.body, self.cut = status, content_type, body, cut


@contextlib.contextmanager
def canned_server() -> Iterator[Canned]:
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            head = f"HTTP/1.1 {canned.status} Canned\r\ncontent-type: {canned.content_type}\r\n"
            length = len(canned.body) + (100 if canned.cut else 0)
            head += f"content-length: {length}\r\n" if canned.status != 204 else ""
            self.close_connection = canned.cut
            self.wfile.write(head.encode() + b"\r\n" + (canned.body if canned.status != 204 else b""))

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    canned.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield canned
    finally:
        server.shutdown()
        server.server_close()


COHERE = {
    "id": "c14c80c3",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Three euros."}]},
    "usage": {
        "billed_units": {"input_tokens": 5, "output_tokens": 4},
        "tokens": {"input_tokens": 11, "output_tokens": 7},
        "cached_tokens": 0,
    },
}
COHERE_EVENTS = [
    {"type": "message-start", "id": "c14c80c3", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Three euros."}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE["usage"]}},
]
CONVERSE = {
    "metrics": {"latencyMs": 551},
    "output": {"message": {"role": "assistant", "content": [{"text": "Three euros."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18, "cacheReadInputTokens": 2},
}

ASK = {"messages": [{"role": "user", "content": "Hello"}]}
MADE = {
    "openai-chat": ("/v1/chat/completions", {"model": "gpt-4o-mini", **ASK}),
    "openai-responses": ("/v1/responses", {"model": "gpt-4o-mini", "input": "Hello"}),
    "anthropic": ("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 99, **ASK}),
    "groq": ("/openai/v1/chat/completions", {"model": "llama-3.1-8b-instant", **ASK}),
    "google-genai": (
        "/v1beta/models/gemini-2.0-flash:",
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    ),
    "ollama": ("/api/chat", {"model": "llama3.2", **ASK}),
    "mistralai": ("/@mistral/v1/chat/completions", {"model": "mistral-small-latest", **ASK}),
}
STREAMS = {"google-genai": "streamGenerateContent?alt=sse"}


@functools.cache
def good_answers(name: str) -> tuple[Any, list[Any]]:
    """A whole answer, and the events of a streamed one."""
    if name == "cohere":
        return COHERE, COHERE_EVENTS
    if name == "bedrock":
        return CONVERSE, []
    path, body = MADE[name]
    headers = {"X-Simulator": "chunks=2,output-tokens=7"}
    with Simulator(seed=1) as simulator, httpx.Client(base_url=simulator.url, headers=headers) as client:
        google = name == "google-genai"
        whole = client.post(path + ("generateContent" if google else ""), json={**body, "stream": False})
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        stream = client.post(path + ("streamGenerateContent?alt=sse" if google else ""), json=body if google else asked)
    return whole.json(), list(_events(stream.text))


def _events(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        data = line.removeprefix("data:").strip()
        if data.startswith("{"):
            yield json.loads(data)


def as_stream(surface: Surface, events: list[Any]) -> tuple[bytes, str]:
    """Events in the form in which this provider sends them, and its content type."""
    lines = [json.dumps(event) for event in events]
    if surface.name == "ollama":
        return "".join(f"{line}\n" for line in lines).encode(), LINES
    named = surface.name in ("anthropic", "cohere", "openai-responses")
    pieces = [
        (f"event: {event.get('type')}\n" if named and isinstance(event, dict) else "") + f"data: {line}\n\n"
        for event, line in zip(events, lines, strict=True)
    ]
    done = "data: [DONE]\n\n" if surface.name in ("openai-chat", "groq", "mistralai") else ""
    return ("".join(pieces) + done).encode("utf-8", "replace"), EVENTS


STREAMED = tuple(surface for surface in SURFACES if surface.name != "bedrock")
"""Bedrock's streams are of another kind, and are spoiled in `providers/test_bedrock.py`."""
