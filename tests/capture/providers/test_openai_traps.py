"""Calls of the openai SDK that are easily counted wrong."""

from __future__ import annotations

import gc
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

from tollkeeper import Call
from tollkeeper.simulator import Simulator

Answer = Callable[[str], tuple[int, str, bytes]]


@pytest.fixture
def served() -> Iterator[Callable[[Answer], str]]:
    """A server that answers each path as it is told."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                status, kind, body = answer(self.path)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_speech_is_priced_by_characters_and_only_if_it_came(served: Any, instrumented: Any, calls: list[Call]) -> None:
    """A failed call has no cost, whatever was asked for."""
    answers = iter([(200, "audio/mpeg", b"sound"), (429, "application/json", b'{"error": {"type": "requests"}}')])
    handle = instrumented(providers=["openai"])
    client = openai.OpenAI(base_url=served(lambda path: next(answers)), api_key="none", max_retries=0)
    spoken: Any = {"model": "tts-1", "voice": "alloy", "input": "hello " * 1000}
    client.audio.speech.create(**spoken)
    with pytest.raises(openai.RateLimitError):
        client.audio.speech.create(**spoken)
    handle.flush()
    came, failed = calls
    assert (came.usage.input_characters, came.usage_source, came.price_status) == (6000, "estimated", "priced")
    assert (failed.cost, failed.price_status, failed.error_type) == (None, None, "requests")


def test_a_transcription_that_says_nothing_of_usage_has_no_cost(
    served: Any, instrumented: Any, calls: list[Call]
) -> None:
    """Plain text has neither tokens nor seconds: unknown is not zero."""
    handle = instrumented(providers=["openai"])
    client = openai.OpenAI(base_url=served(lambda path: (200, "text/plain", b"hello")), api_key="none", max_retries=0)
    client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"), response_format="text")
    handle.flush()
    assert (calls[0].usage_source, calls[0].cost, calls[0].price_status) == ("unknown", None, None)


def test_a_background_response_counts_once_however_it_is_fetched(
    served: Any, instrumented: Any, calls: list[Call]
) -> None:
    """Created, cancelled with usage, and retrieved twice: one usage."""
    done = {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-4o-mini-2024-07-18",
        "background": True,
        "output": [],
        "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
    }

    def answer(path: str) -> tuple[int, str, bytes]:
        status = "queued" if path == "/responses" else "cancelled"
        body = {**done, "status": status} if status != "queued" else {**done, "status": status, "usage": None}
        return 200, "application/json", json.dumps(body).encode()

    handle = instrumented(providers=["openai"])
    client = openai.OpenAI(base_url=served(answer), api_key="none", max_retries=0)
    client.responses.create(model="gpt-4o-mini", input="hi", background=True)
    client.responses.cancel("resp_1")
    client.responses.retrieve("resp_1")
    client.responses.retrieve("resp_1")
    handle.flush()
    assert [(call.operation, call.usage.output_tokens) for call in calls] == [("chat", None), ("fetch_response", 7)]
    assert calls[1].cost is not None


def test_anthropic_batch_results_have_a_whole_url(served: Any, instrumented: Any, calls: list[Call]) -> None:
    """The SDK asks for them where the batch says that they are."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}

    def answer(path: str) -> tuple[int, str, bytes]:
        if path.endswith("/results"):
            return 200, "application/x-jsonl", json.dumps(line).encode() + b"\n"
        batch = {"id": "b1", "results_url": f"{url}/v1/messages/batches/b1/results"}
        return 200, "application/json", json.dumps(batch).encode()

    url = served(answer)
    handle = instrumented(providers=["anthropic"])
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    for batches in (client.messages.batches, client.beta.messages.batches):
        assert len(list(batches.results("b1"))) == 1
    handle.flush()
    (call,) = calls
    assert call.price_context == {"processing": "batch"}
    assert call.cost is not None
    assert call.cost.usd == Decimal("0.00075")


def test_a_forgotten_stream_is_ended_by_the_courier(instrumented: Any) -> None:
    """Never in the thread whose garbage collector happens to find it: that thread may hold any lock."""
    threads: list[str] = []
    handle = instrumented(providers=["openai"])
    finish = handle._emitter.finish

    def watched(*args: Any) -> None:
        threads.append(threading.current_thread().name)
        finish(*args)

    handle._emitter.finish = watched
    with Simulator(seed=1) as simulator:
        client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="none")
        for started in (True, False):
            stream = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            if started:
                next(stream)
            del stream
            gc.collect()
    handle.flush()
    assert threads == ["tollkeeper-courier"] * 2
