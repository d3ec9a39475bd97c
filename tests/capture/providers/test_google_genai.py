"""The Gen AI SDK: every way in which a stream can end, and the shapes that the recordings do not have."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from capture.providers.google_sdk import ask, header, make_client
from capture.recordings import disagreements, exchange, index
from tollkeeper import Call

websockets = pytest.importorskip("websockets")

from google.genai import errors, live, models, types  # noqa: E402

STREAM = "gemini.generateContent-stream-gemini-2.5-pro-7840c6"
"""Ten chunks: usage on each, growing to 119 + 653 tokens."""


@pytest.fixture
def watched(instrumented: Callable[..., Any]) -> Any:
    return instrumented(providers=["google_genai"])


@pytest.fixture
def client(replay_url: str, watched: Any) -> Iterator[Any]:
    with make_client(replay_url) as client:
        yield client


def stream(client: Any, **headers: str) -> Iterator[Any]:
    config = header(STREAM, **headers)
    return client.models.generate_content_stream(model="gemini-2.5-pro", contents="Which one?", config=config)


def one(watched: Any, calls: list[Call]) -> Call:
    assert watched.flush()
    (call,) = calls
    return call


def assert_cut_short(call: Call) -> None:
    """After two of ten chunks, the last report was 119 tokens of input, and 67 + 412 of output."""
    assert (call.usage.input_tokens, call.usage.output_tokens) == (119, 479)
    assert call.usage_source == "partial"


def test_stream_stays_a_generator(client: Any, watched: Any, calls: list[Call]) -> None:
    chunks = stream(client)
    assert type(chunks).__name__ == "generator"
    assert all(type(chunk) is types.GenerateContentResponse for chunk in chunks)
    call = one(watched, calls)
    assert call.chunks == 10 and call.usage_source == "provider" and not call.abandoned


def test_break_out_of_a_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    for number, _ in enumerate(stream(client)):
        if number == 1:
            break
    gc.collect()
    call = one(watched, calls)
    assert_cut_short(call)
    assert call.abandoned and call.error_type is None


def test_close_a_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    chunks = stream(client)
    next(chunks), next(chunks)
    chunks.close()
    call = one(watched, calls)
    assert_cut_short(call)
    assert call.abandoned
    with pytest.raises(StopIteration):
        next(chunks)


def test_forget_a_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    chunks = stream(client)
    next(chunks), next(chunks)
    del chunks
    gc.collect()
    assert_cut_short(one(watched, calls))


def test_stream_never_read_is_never_sent(client: Any, watched: Any, calls: list[Call]) -> None:
    stream(client)
    gc.collect()
    watched.flush()
    assert calls == []


def test_connection_breaks_in_a_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(Exception, match="(?i)peer|closed|incomplete"):
        list(stream(client, **{"X-Replay-Fault": "drop=2"}))
    call = one(watched, calls)
    assert_cut_short(call)
    assert call.error_type is not None and call.status_code == 200 and not call.abandoned


def test_error_before_a_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(errors.ClientError) as raised:
        list(stream(client, **{"X-Replay-Fault": "status=429"}))
    assert raised.value.code == 429
    call = one(watched, calls)
    assert (call.status_code, call.error_type) == (429, "RESOURCE_EXHAUSTED")
    assert call.usage_source == "unknown" and call.cost is None


async def settle() -> None:
    """The generators inside the SDK's outermost one are closed by the event loop, each in a turn of its own."""
    gc.collect()
    await asyncio.sleep(0.05)


async def test_leave_an_async_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    chunks = await client.aio.models.generate_content_stream(
        model="gemini-2.5-pro", contents="?", config=header(STREAM)
    )
    assert type(chunks).__name__ == "async_generator"
    await anext(chunks), await anext(chunks)
    await chunks.aclose()
    await settle()
    assert_cut_short(one(watched, calls))


async def test_cancel_an_async_stream(client: Any, watched: Any, calls: list[Call]) -> None:
    config = header(STREAM, **{"X-Replay-Fault": "chunk-delay=0.3"})

    async def read() -> None:
        async for _ in await client.aio.models.generate_content_stream(model="m", contents="?", config=config):
            reading.set()

    reading = asyncio.Event()
    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call = one(watched, calls)
    assert call.error_type == "CancelledError" and call.usage_source == "partial"


async def test_cancel_a_call(client: Any, watched: Any, calls: list[Call]) -> None:
    config = header("gemini.generateContent-sync-gemini-3.6-flash-371563", **{"X-Replay-Fault": "latency=2"})
    task = asyncio.create_task(client.aio.models.generate_content(model="m", contents="?", config=config))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one(watched, calls).error_type == "CancelledError"


def test_thoughts_and_candidates_only(client: Any, watched: Any, calls: list[Call]) -> None:
    """A stream that is cut before it has counted anything but the kind of traffic: both counts are estimates."""
    row = "vertex.generateContent-stream-gemini-2.5-flash-58e2b2"
    chunks = client.models.generate_content_stream(
        model="gemini-2.5-flash",
        contents=[types.Content(role="user", parts=[types.Part(text="x" * 400)])],
        config={"system_instruction": "y" * 40, **header(row)},
    )
    next(chunks)
    chunks.close()
    call = one(watched, calls)
    assert call.usage_source == "estimated" and call.usage.input_tokens >= 110 and call.usage.output_tokens > 0


def test_chat_and_its_functions_are_one_call_each(client: Any, watched: Any, calls: list[Call]) -> None:
    """Automatic function calling: the model asks for a function, the SDK runs it and asks again."""
    asked = []

    def get_weather(city: str) -> str:
        """The weather."""
        asked.append(city)
        return "rain"

    answers = iter(["text", "text"])
    config = types.GenerateContentConfig(tools=[get_weather], http_options=types.HttpOptions(headers={}))
    call_function = {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}}
    bodies = [_body([call_function], 10, 5), _body([{"text": "It rains."}], 20, 7)]
    with _served(client, bodies):
        answer = client.chats.create(model="gemini-3-flash", config=config).send_message("Weather in Rome?")
    assert asked == ["Rome"] and answer.text == "It rains." and list(answers)
    watched.flush()
    assert [(call.usage.input_tokens, call.usage.output_tokens) for call in calls] == [(10, 5), (20, 7)]


def _body(parts: list[dict[str, Any]], prompt: int, candidates: int) -> dict[str, Any]:
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": prompt + candidates}
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}


class _served:
    """Answers of our own making, one after the other, in place of the HTTP client."""

    def __init__(self, client: Any, bodies: list[Any]) -> None:
        self._client, self._bodies = client._api_client, iter(bodies)

    def __enter__(self) -> None:
        def request(*args: Any, **kwargs: Any) -> Any:
            return types.HttpResponse(headers={}, body=json.dumps(next(self._bodies)))

        self._client.request = request

    def __exit__(self, *error: object) -> None:
        del self._client.request


def test_odd_payloads_reach_the_caller(client: Any, watched: Any, calls: list[Call]) -> None:
    odd = [{}, {"candidates": []}, {"usageMetadata": {}}, {"usageMetadata": {"promptTokenCount": 0}}, _body([], 3, 0)]
    with _served(client, odd):
        for _ in odd:
            client.models.generate_content(model="gemini-3-flash", contents="?")
    watched.flush()
    assert [call.usage.input_tokens for call in calls] == [None, None, None, 0, 3]
    assert [call.usage_source for call in calls] == ["unknown"] * 3 + ["provider"] * 2


def test_modalities_and_tiers(client: Any, watched: Any, calls: list[Call]) -> None:
    row = "gemini.generateContent-sync-gemini-2.5-flash-0e49b3"
    config = {"service_tier": "flex", "max_output_tokens": 100, "top_k": 40, "labels": None, **header(row)}
    client.models.generate_content(model="gemini-2.5-flash", contents="?", config=config)
    call = one(watched, calls)
    usage = call.usage
    assert (usage.input_audio_tokens, usage.cache_read_audio_tokens, usage.input_video_tokens) == (321, 285, 323)
    meters = usage.billable()
    assert sum(n for name, n in meters.items() if name != "requests") == usage.input_tokens + usage.output_tokens
    assert (meters["input"], meters["input_audio"], meters["input_video"]) == (8, 36, 323)
    assert call.price_context == {"service_tier": "flex"}
    assert call.parameters["gen_ai.request.max_tokens"] == 100 and call.parameters["gen_ai.request.top_k"] == 40


@pytest.mark.parametrize(
    ("row", "searches"),
    [
        ("vertex.generateContent-sync-gemini-3-flash-preview-dfc659", None),
        ("gemini.generateContent-stream-gemini-2.5-pro-7840c6", 1),
        ("gemini.interactions-sync-gemini-3-flash-preview-d0e8bf", 1),
    ],
)
def test_searches(row: str, searches: int | None, client: Any, watched: Any, calls: list[Call], shared: Any) -> None:
    (recorded,) = [known for known in index() if known["id"] == row]
    body = exchange(recorded)["response"].get("body", {})
    ask(client, recorded)
    if searches is None:  # Gemini 3 is billed by the query
        (candidate,) = body["candidates"]
        searches = len(candidate["groundingMetadata"]["webSearchQueries"])
    assert one(watched, calls).usage.web_searches == searches


def test_images(client: Any, watched: Any, calls: list[Call]) -> None:
    client._api_client.vertexai = True
    made = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}
    with _served(client, [{"predictions": [made, made, {"raiFilteredReason": "no"}]}]):
        client.models.generate_images(model="imagen-4.0-generate-001", prompt="a toll booth")
    call = one(watched, calls)
    assert (call.operation, call.usage.output_images) == ("image_generation", 2)


def test_raw_answer(client: Any, watched: Any, calls: list[Call]) -> None:
    row = "gemini.generateContent-sync-gemini-2.5-flash-481147"
    config = types.GenerateContentConfig(should_return_http_response=True, **header(row))
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="?", config=config)
    assert "usageMetadata" in answer.sdk_http_response.body
    call = one(watched, calls)
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.cache_read_tokens) == (2278, 62, 1081)
    assert call.finish_reasons == ("STOP",) and call.response_model == "gemini-2.5-flash"


def test_tags(client: Any, watched: Any, calls: list[Call]) -> None:
    config = header("gemini.generateContent-sync-gemini-3.6-flash-371563", **{"x-tollkeeper-tenant": "acme"})
    client.models.generate_content(model="gemini-3.6-flash", contents="?", config=config)
    call = one(watched, calls)
    assert call.tags["tenant"] == "acme"
    assert call.endpoint is not None and call.endpoint.endswith("/models:generateContent")


INTERACTION = "gemini.interactions-sync-gemini-3-flash-preview-d0e8bf"
INTERACTION_STREAM = "gemini.interactions-stream-gemini-3-flash-preview-c66994"


def interact(client: Any, **options: Any) -> Any:
    recording = INTERACTION_STREAM if options.get("stream") else INTERACTION
    return client.interactions.create(
        model="gemini-3-flash-preview", input="hello there", extra_headers={"X-Recording": recording}, **options
    )


@pytest.mark.parametrize("end", ["close", "with", "forget", "break"])
def test_leave_an_interaction(end: str, client: Any, watched: Any, calls: list[Call]) -> None:
    events = interact(client, stream=True)
    assert type(events).__name__ == "Stream"
    for number, _ in enumerate(events):
        if number == 7:
            break
    if end == "close":
        events.close()
    elif end == "with":
        with events:
            pass
    del events
    gc.collect()
    call = one(watched, calls)
    assert call.abandoned and call.usage_source == "estimated"
    assert call.usage.input_tokens == 3 and call.usage.output_tokens > 0


async def test_leave_an_async_interaction(client: Any, watched: Any, calls: list[Call]) -> None:
    headers = {"X-Recording": INTERACTION_STREAM}
    events = await client.aio.interactions.create(model="m", input="hello", stream=True, extra_headers=headers)
    async with events:
        await anext(events)
    assert one(watched, calls).abandoned


def test_interaction_read_raw(client: Any, watched: Any, calls: list[Call]) -> None:
    headers = {"X-Recording": INTERACTION}
    made = client.interactions.with_raw_response.create(model="m", input="hello", extra_headers=headers)
    assert made.parse().status == "completed"
    assert one(watched, calls).usage.input_tokens == 53


def test_interaction_in_the_background_is_counted_once(client: Any, watched: Any, calls: list[Call]) -> None:
    made = interact(client, background=True)
    for _ in range(2):
        client.interactions.get(made.id, extra_headers={"X-Recording": INTERACTION})
    watched.flush()
    assert [call.usage.input_tokens for call in calls if call.usage.known] == [53]


def test_interaction_that_fails(client: Any, watched: Any, calls: list[Call]) -> None:
    headers = {"X-Recording": INTERACTION, "X-Replay-Fault": "status=400"}
    with pytest.raises(Exception, match="Bad request"):
        client.interactions.create(model="m", input="hello", extra_headers=headers)
    call = one(watched, calls)
    assert (call.status_code, call.error_type) == (400, "INVALID_ARGUMENT")


LIVE = "gemini.live-ws-models-gemini-2.5-flash-native-audio-preview-61e0f5"


def connect_without_tls(uri: str, ssl: Any = None, **options: Any) -> Any:
    return websockets.connect(uri.replace("wss:", "ws:"), **options)


async def test_live_session(watched: Any, calls: list[Call], shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded session, played by a websocket server; its turn twice, and once without an end."""
    monkeypatch.setattr(live, "ws_connect", connect_without_tls)
    (row,) = [row for row in index() if row["id"] == LIVE]
    frames = [one["data"] for one in exchange(row)["response"]["frames"] if one["direction"] == "received"]

    async def play(socket: Any) -> None:
        await socket.recv()
        for frame in [*frames, *frames[1:], frames[1], {"usageMetadata": {"promptTokenCount": 1}}]:
            await socket.send(json.dumps(frame))
        await socket.wait_closed()

    async with websockets.serve(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = make_client(f"http://127.0.0.1:{port}")
        async with client.aio.live.connect(model=row["truth"]["response_model"], config={}) as session:
            assert type(session).__name__ == "AsyncSession"
            for _ in range(2):
                assert [message async for message in session.receive()][-1].server_content.turn_complete
            await session._receive(), await session._receive()
    watched.flush()
    truth = row["truth"]
    assert disagreements(calls[0], {**truth, "response_model": None}) == {}
    assert [call.usage.input_tokens for call in calls] == [truth["input_tokens_all"]] * 2 + [1]
    assert {(call.operation, call.request_model, call.status_code) for call in calls} == {
        ("realtime", truth["response_model"], 101)
    }
    assert calls[0].usage.output_audio_tokens == 26


def test_uninstrument_gives_the_very_functions_back(instrumented: Callable[..., Any]) -> None:
    names = ("_generate_content", "_generate_content_stream", "_embed_content", "_generate_images")
    before = [owner.__dict__[name] for owner in (models.Models, models.AsyncModels) for name in names]
    handle = instrumented(providers=["google_genai"])
    assert models.Models.__dict__["_generate_content"] is not before[0]
    handle.uninstrument()
    assert [owner.__dict__[name] for owner in (models.Models, models.AsyncModels) for name in names] == before
