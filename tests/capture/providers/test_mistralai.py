"""Mistral, through its own SDK: every recorded answer, every way in which a stream can end, and odd answers."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import inspect
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pydantic
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from mistralai.client.models import UserMessage
from mistralai.client.utils.eventstreaming import EventStream, EventStreamAsync

from capture.odd import outcome, variants
from capture.providers.mistralai_fakes import ANSWER, EVENTS, answering, as_events, client_for, streaming
from capture.recordings import disagreements, exchange, params
from tollkeeper import Call, tags, uninstrument
from tollkeeper.capture.providers.mistralai import OWN, TARGETS

STREAM = "mistral.chat-stream-magistral-medium-latest-dfd789"
PROMPT = "Why is the sky blue? " * 8
MESSAGES = [UserMessage(content=PROMPT)]
Instrument = Callable[..., Any]


def client_of(url: str, recording: str = STREAM, fault: str = "none") -> Mistral:
    headers = {"X-Recording": recording, "X-Replay-Fault": fault}
    return Mistral(
        api_key="none",
        server_url=url,
        client=httpx2.Client(headers=headers, verify=False),
        async_client=httpx2.AsyncClient(headers=headers, verify=False),
    )


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("row", params(lambda row: row["surface"] in ("mistral.chat", "mistral.embeddings")))
async def test_agrees_with_the_answer(
    row: dict[str, Any], how: str, replay_url: str, instrumented: Instrument, calls: list[Call]
) -> None:
    """Tokens, model, id, finish reasons, status and error type are what the recorded answer says."""
    handle = instrumented(providers=["mistralai"])
    client = client_of(replay_url, row["id"])
    method: Any = client.embeddings.create if row["surface"] == "mistral.embeddings" else client.chat.complete
    if row["stream"]:
        method = client.chat.stream
    if how == "async":
        method = getattr(method.__self__, method.__name__ + "_async")
    body = exchange(row)["request"]["body"]
    if "inputs" in inspect.signature(method).parameters:
        body["inputs"] = body.pop("input")
    known = {name: value for name, value in body.items() if name in inspect.signature(method).parameters}
    try:
        answer = await method(**known) if how == "async" else method(**known)
        if row["stream"]:
            assert type(answer) is (EventStream if how == "sync" else EventStreamAsync)
            _ = list(answer) if how == "sync" else [event async for event in answer]
    except MistralError as error:
        assert row["truth"]["error_status"], error
    handle.flush()
    assert len(calls) == 1
    call = calls[0]
    assert disagreements(call, row["truth"]) == {}
    assert call.finish_reasons == tuple(row["truth"]["finish_reasons"] or ())
    assert (call.response_model, call.response_id) == (row["truth"]["response_model"], row["truth"]["response_id"])
    assert call.provider == "mistral_ai"
    assert call.service_tier == (exchange(row)["truth"]["usage_raw"] or {}).get("service_tier")
    if not row["truth"]["error_status"]:
        assert (call.status_code, call.usage_source) == (200, "provider")


def test_the_request_is_described(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    client = client_of(replay_url)
    with tags(tenant="acme"):
        client.chat.stream(
            model="m",
            messages=MESSAGES,
            max_tokens=9,
            random_seed=3,
            stop="x",
            metadata={"feature": "search"},
            http_headers={"X-Tollkeeper-User": "u-1"},
        ).close()
    handle.flush()
    call = calls[0]
    assert call.tags == {"tenant": "acme", "feature": "search", "user": "u-1"}
    assert (call.request_model, call.endpoint, call.stream) == ("m", "127.0.0.1/v1/chat/completions", True)
    assert f"http://{call.server_address}:{call.server_port}" == replay_url
    assert call.parameters == {
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 3,
        "gen_ai.request.stop_sequences": ("x",),
    }


class Colour(pydantic.BaseModel):
    name: str


def test_helpers_are_counted_once(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    message = {"role": "assistant", "content": '{"name": "blue"}'}
    client = answering(ANSWER | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    parsed = client.chat.parse(Colour, model="m", messages=MESSAGES)
    assert parsed.choices is not None and parsed.choices[0].message is not None
    assert parsed.choices[0].message.parsed == Colour(name="blue")
    assert type(streaming(*EVENTS).chat.parse_stream(Colour, model="m", messages=MESSAGES)) is EventStream
    handle.flush()
    assert [call.usage_source for call in calls] == ["provider", "estimated"]


def test_every_kind_of_call(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    client = answering(ANSWER)
    client.fim.complete(model="codestral-latest", prompt="def f(", suffix="return 1")
    client.agents.complete(agent_id="ag-1", messages=MESSAGES)
    list(streaming(*EVENTS).fim.stream(model="codestral-latest", prompt="def f("))
    list(streaming(*EVENTS).agents.stream(agent_id="ag-1", messages=MESSAGES))
    moderated = {"id": "i", "model": "mistral-moderation-latest", "results": []}
    answering(moderated).classifiers.moderate(model="mistral-moderation-latest", inputs=["x"])
    handle.flush()
    assert [(call.operation, call.usage.input_tokens) for call in calls] == [
        ("text_completion", 5),
        ("chat", 5),
        ("text_completion", 5),
        ("chat", 5),
        ("moderation", None),
    ]
    assert calls[1].parameters == {"gen_ai.agent.id": "ag-1"}
    assert (calls[1].request_model, calls[1].response_model) == (None, "m")


def test_sound_is_counted_in_seconds(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    usage = {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 385, "prompt_audio_seconds": 12}
    done = {"model": "voxtral-mini-latest", "text": "x", "language": "en", "segments": [], "usage": usage}
    answering(done).audio.transcriptions.complete(model="voxtral-mini-latest", file_url="https://x.test/a.mp3")
    events = ({"type": "transcription.done", **done}, "transcription.done")
    list(streaming(events).audio.transcriptions.stream(model="voxtral-mini-latest", file_url="https://x.test/a.mp3"))
    handle.flush()
    assert [(call.operation, call.usage.input_audio_seconds) for call in calls] == [("transcription", Decimal(12))] * 2


def test_conversations(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    answering({"conversation_id": "c-1", "outputs": [], "usage": usage}).beta.conversations.start(model="m", inputs="x")
    said = {"id": "o", "content": "Because it scatters", "model": "mistral-medium-latest", "role": "assistant"}
    events = [
        ({"type": kind, **more}, kind)
        for kind, more in (
            ("conversation.response.started", {"conversation_id": "c-1"}),
            ("message.output.delta", said),
            ("conversation.response.done", {"usage": usage}),
        )
    ]
    list(streaming(*events).beta.conversations.start_stream(model="m", inputs="x"))
    with streaming(*events).beta.conversations.append_stream(conversation_id="c-1", inputs=PROMPT) as stream:
        assert [next(stream).event for _ in range(2)] == ["conversation.response.started", "message.output.delta"]
    handle.flush()
    assert [(call.usage.input_tokens, call.usage.output_tokens, call.usage_source) for call in calls[:2]] == [
        (5, 2, "provider"),
        (5, 2, "provider"),
    ]
    assert [call.parameters["gen_ai.conversation.id"] for call in calls] == ["c-1"] * 3
    assert [call.response_model for call in calls] == [None] + ["mistral-medium-latest"] * 2
    assert is_cut_short(calls[2])


def test_clients_for_other_clouds(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    module = pytest.importorskip("mistralai.azure.client", reason="the SDK's extra for Azure is not installed")
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=ANSWER)))
    client = module.MistralAzure(api_key="none", server_url="http://x.services.ai.azure.com", client=http)
    client.chat.complete(model="mistral-large", messages=[{"role": "user", "content": "x"}])
    handle.flush()
    assert [(call.provider, call.usage.input_tokens) for call in calls] == [("azure.ai.inference", 5)]


# -- how a stream ends ----------------------------------------------------------------------------


def is_cut_short(call: Call) -> bool:
    """It is billed by what was received, as an estimate that says that it is one."""
    prompt = len(PROMPT) // 4
    sent, received = call.usage.input_tokens, call.usage.output_tokens
    assert sent is not None and received is not None
    return call.usage_source == "estimated" and prompt <= sent < 2 * prompt and 0 < received < 20


def some_of(stream: Any, events: int = 6) -> Any:
    for _ in range(events):
        next(stream)
    return stream


def test_closed(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    stream = some_of(client_of(replay_url).chat.stream(model="m", messages=MESSAGES))
    stream.close()
    stream.close()
    assert list(stream) == []
    with client_of(replay_url).chat.stream(model="m", messages=MESSAGES) as stream:
        some_of(stream)
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [(True, None)] * 2
    assert all(is_cut_short(call) for call in calls)


def test_forgotten(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    some_of(client_of(replay_url).chat.stream(model="m", messages=MESSAGES))
    gc.collect()
    handle.flush()
    assert [call.abandoned for call in calls] == [True]
    assert is_cut_short(calls[0])


def test_cut(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    with pytest.raises(httpx2.RemoteProtocolError):
        list(client_of(replay_url, fault="drop=7").chat.stream(model="m", messages=MESSAGES))
    handle.flush()
    assert [(call.error_type, call.abandoned, call.chunks) for call in calls] == [("RemoteProtocolError", False, 7)]
    assert is_cut_short(calls[0])


def test_the_callers_generator_is_not_consumed(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    """The SDK takes any iterable of messages. What one held is known from the request as it was sent."""
    handle = instrumented(providers=["mistralai"])
    stream = client_of(replay_url).chat.stream(model="m", messages=(message for message in MESSAGES))
    assert PROMPT.encode() in stream.response.request.content
    some_of(stream).close()
    handle.flush()
    assert is_cut_short(calls[0])


async def test_async_endings(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])

    async def read(stream: Any) -> None:
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == 6:
                break

    async with await client_of(replay_url).chat.stream_async(model="m", messages=MESSAGES) as stream:
        await read(stream)
    stream = await client_of(replay_url).chat.stream_async(model="m", messages=MESSAGES)
    await read(stream)
    await stream.close()
    await read(await client_of(replay_url).chat.stream_async(model="m", messages=MESSAGES))
    del stream
    gc.collect()
    await asyncio.sleep(0.05)
    with pytest.raises(httpx2.RemoteProtocolError):
        cut = await client_of(replay_url, fault="drop=7").chat.stream_async(model="m", messages=MESSAGES)
        _ = [event async for event in cut]
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [
        (True, None),
        (True, None),
        (True, None),
        (False, "RemoteProtocolError"),
    ]
    assert all(is_cut_short(call) for call in calls)


async def test_cancelled(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["mistralai"])
    client = client_of(replay_url, fault="chunk-delay=0.05")

    async def read() -> None:
        async for _ in await client.chat.stream_async(model="m", messages=MESSAGES):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    handle.flush()
    assert [call.error_type for call in calls] == ["CancelledError"]
    assert is_cut_short(calls[0])


# -- nothing changes for the caller ---------------------------------------------------------------


def test_odd_answers_reach_the_caller(instrumented: Instrument, calls: list[Call]) -> None:
    """With any field missing or of any type, the caller gets what he would have got without us; a call is recorded."""
    current: Any = None
    client = client_for(
        lambda request: as_events(current) if isinstance(current, list) else httpx2.Response(200, json=current)
    )

    def outcomes() -> Iterator[Any]:
        nonlocal current
        for current in [*variants(ANSWER), *variants(EVENTS[2:])][::3]:
            if isinstance(current, list):
                yield outcome(lambda: list(client.chat.stream(model="m", messages=MESSAGES)))
            else:
                yield outcome(lambda: client.chat.complete(model="m", messages=MESSAGES))

    without = list(outcomes())
    handle = instrumented(providers=["mistralai"])
    assert list(outcomes()) == without
    handle.flush()
    assert len(calls) == len(without)
    assert all((call.usage.input_tokens or 0) >= 0 and (call.usage.output_tokens or 0) >= 0 for call in calls)


def test_counts_that_are_not_there_are_not_zero(instrumented: Instrument, calls: list[Call]) -> None:
    """The SDK fills in zeros."""
    handle = instrumented(providers=["mistralai"])
    answer = answering(ANSWER | {"usage": {}}).chat.complete(model="m", messages=MESSAGES)
    assert answer.usage.prompt_tokens == 0
    handle.flush()
    assert [(call.usage.input_tokens, call.usage_source) for call in calls] == [(None, "unknown")]


def test_the_request_is_sent_as_it_was_written(instrumented: Instrument, calls: list[Call]) -> None:
    def send() -> list[tuple[bytes, dict[str, str]]]:
        seen: list[httpx2.Request] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            seen.append(request)
            return as_events(EVENTS) if b'"stream":true' in request.content else httpx2.Response(200, json=ANSWER)

        client = client_for(answer)
        client.chat.complete(model="m", messages=MESSAGES, temperature=0.5, metadata={"tenant": "acme"})
        list(client.chat.stream(model="m", messages=MESSAGES))
        client.fim.complete(model="m", prompt="x")
        return [(request.content, dict(request.headers)) for request in seen]

    without = send()
    handle = instrumented(providers=["mistralai"])
    assert send() == without
    handle.flush()
    assert len(calls) == 3


def test_uninstrument_gives_the_functions_back(instrumented: Instrument) -> None:
    targets = [target for target in TARGETS if target.module.startswith(OWN)]

    def functions() -> list[Any]:
        return [
            functools.reduce(getattr, target.path.split("."), importlib.import_module(target.module))
            for target in targets
        ]

    own = functions()
    instrumented(providers=["mistralai"])
    assert not set(functions()) & set(own)
    uninstrument()
    assert functions() == own
