"""Ollama, through its own SDK: every recorded answer, every way in which a stream can end, and odd answers."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
from collections.abc import Callable
from typing import Any

import httpx
import ollama
import pytest

from capture.odd import outcome, variants
from capture.recordings import disagreements, exchange, params
from tollkeeper import Call, tags, uninstrument

METHODS = {"ollama.chat": "chat", "ollama.generate": "generate", "ollama.embed": "embed"}
STREAM = "ollama.chat-stream-gemma3-1b-bcd95f"
MESSAGES = [{"role": "user", "content": "Why is the sky blue? " * 8}]
Instrument = Callable[..., Any]


def known(method: Callable[..., Any], body: dict[str, Any]) -> dict[str, Any]:
    """The part of a recorded request that the SDK has a parameter for."""
    return {name: value for name, value in body.items() if name in inspect.signature(method).parameters}


def headers(recording: str, fault: str = "none") -> dict[str, str]:
    return {"X-Recording": recording, "X-Replay-Fault": fault}


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("row", params(lambda row: row["surface"] in METHODS))
async def test_agrees_with_the_answer(
    row: dict[str, Any], how: str, replay_url: str, instrumented: Instrument, calls: list[Call]
) -> None:
    """Tokens, model and finish reason are what the recorded answer says."""
    handle = instrumented(providers=["ollama"])
    kind = ollama.Client if how == "sync" else ollama.AsyncClient
    method = getattr(kind(host=replay_url, headers=headers(row["id"])), METHODS[row["surface"]])
    body = known(method, exchange(row)["request"]["body"])
    if row["surface"] != "ollama.embed":
        body["stream"] = row["stream"]
    answer = method(**body)
    if inspect.isawaitable(answer):
        answer = await answer
    if row["stream"]:
        chunks = list(answer) if how == "sync" else [chunk async for chunk in answer]
        assert chunks[-1].done
    handle.flush()
    assert len(calls) == 1
    call = calls[0]
    assert disagreements(call, row["truth"]) == {}
    assert call.finish_reasons == tuple(row["truth"]["finish_reasons"] or ())
    assert (call.provider, call.status_code, call.usage_source, call.price_status) == (
        "ollama",
        200,
        "provider",
        "free",
    )
    assert call.stream is row["stream"]
    assert (call.time_to_first_chunk is not None) is row["stream"]


def test_the_old_embeddings_name_no_counts(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    client = answering({"embedding": [0.5]})
    assert client.embeddings(model="nomic-embed-text", prompt="x").embedding == [0.5]
    handle.flush()
    assert [(call.operation, call.usage_source) for call in calls] == [("embeddings", "unknown")]


def test_other_requests_are_no_calls(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    assert answering({"models": []}).list().models == []
    handle.flush()
    assert calls == []


def test_the_request_is_described(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    with tags(tenant="acme"):
        stream = ollama.Client(host=replay_url, headers=headers(STREAM)).chat(
            "gemma3:1b",
            MESSAGES,
            stream=True,
            think="high",
            format="json",
            options={"temperature": 0.5, "num_predict": 9},
        )
    list(stream)
    handle.flush()
    call = calls[0]
    assert call.tags == {"tenant": "acme"}, "those of where the call was made, not of where it was read"
    assert call.request_model == "gemma3:1b"
    assert call.endpoint == "127.0.0.1/api/chat"
    assert f"http://{call.server_address}:{call.server_port}" == replay_url
    assert call.parameters == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "json",
    }


# -- how a stream ends -----------------------------------------------------------------------------


def chat(url: str, fault: str = "none") -> Any:
    return ollama.Client(host=url, headers=headers(STREAM, fault)).chat("gemma3:1b", MESSAGES, stream=True)


async def achat(url: str, fault: str = "none") -> Any:
    return await ollama.AsyncClient(host=url, headers=headers(STREAM, fault)).chat("gemma3:1b", MESSAGES, stream=True)


def is_cut_short(call: Call) -> bool:
    """It is billed by what was received, as an estimate that says that it is one."""
    prompt = len(MESSAGES[0]["content"]) // 4
    sent, received = call.usage.input_tokens, call.usage.output_tokens
    assert sent is not None and received is not None
    return call.usage_source == "estimated" and prompt <= sent < 2 * prompt and 0 < received < 20


def test_closed(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    stream = chat(replay_url)
    assert inspect.isgenerator(stream)
    next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [(True, None)]
    assert is_cut_short(calls[0])


def test_forgotten(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    for _ in chat(replay_url):
        break
    gc.collect()
    handle.flush()
    assert [call.abandoned for call in calls] == [True]
    assert is_cut_short(calls[0])


def test_never_read(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    """The SDK sends the request when the stream is first read: one that never was is no call."""
    handle = instrumented(providers=["ollama"])
    chat(replay_url).close()
    handle.flush()
    assert calls == []


def test_cut(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    with pytest.raises(httpx.RemoteProtocolError):
        list(chat(replay_url, "drop=4"))
    handle.flush()
    assert [(call.error_type, call.abandoned, call.chunks) for call in calls] == [("RemoteProtocolError", False, 4)]
    assert is_cut_short(calls[0])


def test_thrown_into(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    stream = chat(replay_url)
    next(stream)
    with pytest.raises(LookupError):
        stream.throw(LookupError())
    handle.flush()
    assert [call.error_type for call in calls] == ["LookupError"]


async def test_async_endings(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    stream = await achat(replay_url)
    assert inspect.isasyncgen(stream)
    await anext(stream)
    await stream.aclose()
    async for _ in await achat(replay_url):
        break
    await asyncio.sleep(0.05)
    stream = await achat(replay_url)
    await anext(stream)
    with pytest.raises(LookupError):
        await stream.athrow(LookupError())
    with pytest.raises(httpx.RemoteProtocolError):
        [chunk async for chunk in await achat(replay_url, "drop=4")]
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [
        (True, None),
        (True, None),
        (False, "LookupError"),
        (False, "RemoteProtocolError"),
    ]
    assert all(is_cut_short(call) for call in calls)


async def test_cancelled(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])

    async def read() -> None:
        async for _ in await achat(replay_url, "chunk-delay=0.05"):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    handle.flush()
    assert [call.error_type for call in calls] == ["CancelledError"]
    assert is_cut_short(calls[0])


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_refused(stream: bool, replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    """Ollama's errors have a message only, so the exception gives the type."""
    handle = instrumented(providers=["ollama"])
    with pytest.raises(ollama.ResponseError, match="Rate limit"):
        client = ollama.Client(host=replay_url, headers=headers(STREAM, "status=429"))
        list(client.chat("gemma3:1b", MESSAGES, stream=stream))
    handle.flush()
    assert [(call.status_code, call.error_type) for call in calls] == [(429, "ResponseError")]
    assert calls[0].usage_source == "unknown"
    assert calls[0].cost is None


def test_an_error_inside_a_stream(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    lines = [{"model": "m", "message": {"role": "assistant", "content": "Well"}}, {"error": "out of memory"}]
    with pytest.raises(ollama.ResponseError, match="out of memory"):
        list(answering(*lines).chat("m", MESSAGES, stream=True))
    handle.flush()
    assert [(call.status_code, call.error_type) for call in calls] == [(200, "ResponseError")]
    assert calls[0].usage_source == "estimated"


def test_no_server(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["ollama"])
    with pytest.raises(ConnectionError):
        ollama.Client(host="http://127.0.0.1:9").chat("m", MESSAGES)
    handle.flush()
    assert [(call.status_code, call.error_type) for call in calls] == [(None, "ConnectionError")]


# -- nothing changes for the caller ----------------------------------------------------------------


def answering(*lines: Any, seen: list[httpx.Request] | None = None) -> ollama.Client:
    """A client whose server answers with these lines of JSON."""

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(200, text="".join(json.dumps(line) + "\n" for line in lines))

    return ollama.Client(host="http://ollama.test", transport=httpx.MockTransport(answer))


LAST = {
    "model": "m",
    "message": {
        "role": "assistant",
        "content": "x",
        "thinking": "y",
        "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
    },
    "response": "x",
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 2,
    "eval_count": 3,
}


def every_method(client: ollama.Client) -> list[Any]:
    return [
        outcome(lambda: client.chat("m", MESSAGES)),
        outcome(lambda: list(client.chat("m", MESSAGES, stream=True))),
        outcome(lambda: client.generate("m", "x")),
        outcome(lambda: list(client.generate("m", "x", stream=True))),
        outcome(lambda: client.embed("m", "x")),
    ]


def test_odd_answers_reach_the_caller(instrumented: Instrument, calls: list[Call]) -> None:
    """With any field missing or of any type, the caller gets what he would have got without us; a call is recorded."""
    odd = list(variants(LAST))
    without = [every_method(answering(answer)) for answer in odd]
    handle = instrumented(providers=["ollama"])
    assert [every_method(answering(answer)) for answer in odd] == without
    handle.flush()
    assert len(calls) == 5 * len(odd)
    assert all((call.usage.input_tokens or 0) >= 0 and (call.usage.output_tokens or 0) >= 0 for call in calls)


def test_the_request_is_sent_as_it_was_written(instrumented: Instrument, calls: list[Call]) -> None:
    def send() -> list[tuple[bytes, dict[str, str]]]:
        seen: list[httpx.Request] = []
        client = answering(LAST | {"embeddings": []}, seen=seen)
        client.chat("m", MESSAGES, options={"seed": 1})
        list(client.generate("m", "x", stream=True))
        client.embed("m", ["x", "y"])
        return [(request.content, dict(request.headers)) for request in seen]

    without = send()
    handle = instrumented(providers=["ollama"])
    assert send() == without
    handle.flush()
    assert len(calls) == 3


def test_uninstrument_gives_the_functions_back(instrumented: Instrument) -> None:
    own = [ollama.Client.__dict__["_request"], ollama.AsyncClient.__dict__["_request"]]
    instrumented(providers=["ollama"])
    assert ollama.Client.__dict__["_request"] is not own[0]
    uninstrument()
    assert [ollama.Client.__dict__["_request"], ollama.AsyncClient.__dict__["_request"]] == own
