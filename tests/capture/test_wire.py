"""What is sent to the provider: the same bytes with and without us, but for a stream's `include_usage`."""

from __future__ import annotations

import copy
import importlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from capture.bench import Action, Bench, Records, Way, outcome, simulate, ways
from capture.scenarios import HELLO, STAINLESS, SURFACES, TOOLS, City, dump, read, settle
from tollkeeper.capture.providers import services
from tollkeeper.simulator.server import Arrival

CHAT = SURFACES[0]
VARY = {"host", "traceparent", "tracestate", "idempotency-key", "amz-sdk-invocation-id", "x-amz-date"}
BOUNDARY = re.compile(rb"boundary=([0-9a-zA-Z'()+_,./:=?-]+)")
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture(autouse=True)
def nobody_has_refused() -> Iterator[None]:
    services._refused.clear()
    yield
    services._refused.clear()


def as_sent(arrival: Arrival) -> tuple[Any, ...]:
    """All that was on the wire, without what no two requests have in common."""
    headers = {name: value for name, value in arrival.headers.items() if name not in VARY}
    body = arrival.body
    if found := BOUNDARY.search(headers.get("content-type", "").encode()):
        headers["content-type"] = "multipart"
        body = body.replace(found[1], b"BOUNDARY")
    return arrival.method, arrival.target, headers, body


async def plain(bench: Bench) -> Any:
    return dump(await bench.plain())


async def stream(bench: Bench) -> Any:
    return dump(await bench.read(await bench.stream()))


async def tools(bench: Bench) -> Any:
    options = bench.surface.with_tools()
    before = copy.deepcopy(options)
    answer = dump(await bench.plain(**options))
    assert options == before, "the caller's own objects are as they were"
    return answer


async def parse(bench: Bench) -> Any:
    return dump(await settle(bench.surface.parse(bench.client, bench.is_async)))


async def sent(action: Action, way: Way, knobs: str = "", records: Records | None = None, **options: Any) -> Any:
    """What the caller gets, and what the simulator has got."""
    with simulate(way.surface) as simulator:
        if records is None:
            return await action(Bench(way, simulator.url, knobs)), simulator.requests
        with records.watching(way.surface.package, **options):
            return await action(Bench(way, simulator.url, knobs)), simulator.requests


@pytest.mark.parametrize("act", [plain, stream, tools, parse])
@pytest.mark.parametrize("way", ways())
async def test_the_same_bytes(way: Way, act: Action, records: Records) -> None:
    """Method, target, headers and body are the same, byte by byte, with `inject_usage=False` of streams too."""
    if not {tools: way.surface.has_tools, parse: way.surface.has_parse}.get(act, True):
        pytest.skip("the surface has no such call")
    bare = await sent(act, way)
    watched = await sent(act, way, records=records, inject_usage=False)
    assert [as_sent(arrival) for arrival in watched[1]] == [as_sent(arrival) for arrival in bare[1]]
    assert watched[0] == bare[0]
    records.all(len(bare[1]))


@pytest.mark.parametrize("way", ways())
async def test_only_chat_streams_are_asked_for_usage(way: Way, records: Records) -> None:
    """Nothing is added to any other stream."""
    bare = await sent(stream, way)
    watched = await sent(stream, way, records=records)
    assert watched[0] == bare[0]
    (one,), (other,) = bare[1], watched[1]
    if way.surface.name == "openai-chat":
        assert other.json() == {**one.json(), **USAGE}
        return
    assert as_sent(other) == as_sent(one)


@pytest.mark.parametrize("way", ways(CHAT, SURFACES[2]))
async def test_generators_of_the_caller(way: Way, records: Records) -> None:
    """A generator given as input is used up by the SDK alone, which sends what it held."""
    surface = way.surface

    async def ask(bench: Bench) -> Any:
        given = (dict(message) for message in HELLO)
        ask = {**surface.ask(), "messages": given}  # type: ignore[attr-defined]
        return dump(await settle(surface.raw(bench.client).create(**ask)))  # type: ignore[attr-defined]

    bare = await sent(ask, way)
    watched = await sent(ask, way, records=records)
    assert [arrival.body for arrival in watched[1]] == [arrival.body for arrival in bare[1]]
    assert watched[1][0].json()["messages"] == HELLO
    records.one()


async def transcribe(bench: Bench) -> Any:
    file = ("a.wav", io.BytesIO(b"RIFF" + bytes(range(256))))
    with pytest.raises(openai.NotFoundError) as raised:
        await settle(bench.client.audio.transcriptions.create(file=file, model="whisper-1"))
    return str(raised.value)


async def edit_image(bench: Bench) -> Any:
    images = [("a.png", io.BytesIO(b"PNG1")), ("b.png", b"PNG2")]
    with pytest.raises(openai.NotFoundError) as raised:
        await settle(bench.client.images.edit(image=images, prompt="a toll booth", model="gpt-image-1"))
    return str(raised.value)


@pytest.mark.parametrize("act", [transcribe, edit_image])
@pytest.mark.parametrize("way", ways(CHAT))
async def test_files(way: Way, act: Action, records: Records) -> None:
    """Multipart bodies are the same, and files are read by the SDK alone. (The simulator does not take them.)"""
    bare = await sent(act, way)
    watched = await sent(act, way, records=records)
    assert [as_sent(arrival) for arrival in watched[1]] == [as_sent(arrival) for arrival in bare[1]]
    assert b"RIFF" in watched[1][0].body or b"PNG2" in watched[1][0].body
    assert watched[0] == bare[0]


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_the_callers_objects_are_not_written_to(way: Way, records: Records) -> None:
    """Messages, extra headers, bodies and queries are as they were after the call."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url)
        given = {
            **copy.deepcopy(way.surface.ask()),  # type: ignore[attr-defined]
            "extra_headers": {"x-mine": "1"},
            "extra_body": {"metadata": {"user_id": "u-17"}},
            "extra_query": {"q": "1"},
        }
        before = copy.deepcopy(given)
        await bench.read(await bench.stream(**{key: given[key] for key in ("extra_headers", "extra_query")}))
        await settle(way.surface.raw(bench.client).create(**given))  # type: ignore[attr-defined]
        assert given == before
        assert {arrival.headers["x-mine"] for arrival in simulator.requests} == {"1"}


@pytest.mark.parametrize("wanted", [True, False, None])
@pytest.mark.parametrize("way", ways(CHAT))
async def test_the_callers_own_stream_options(way: Way, wanted: bool | None, records: Records) -> None:
    """What the caller says of `include_usage` stands: he gets the usage chunk if, and only if, he has asked for it."""
    given = None if wanted is None else {"include_usage": wanted}

    async def ask(bench: Bench) -> Any:
        return dump(await bench.read(await bench.stream(stream_options=given)))

    bare = await sent(ask, way)
    watched = await sent(ask, way, records=records)
    assert watched[0] == bare[0]
    if wanted is not None:
        assert as_sent(watched[1][0]) == as_sent(bare[1][0])
    call = records.one()
    assert call.usage_source == ("estimated" if wanted is False else "provider")


async def two_choices(bench: Bench) -> Any:
    return dump(await bench.read(await bench.stream(n=2)))


async def tool_calls(bench: Bench) -> Any:
    return dump(await bench.read(await bench.stream(tools=TOOLS)))


async def chunks_as_they_are(bench: Bench) -> Any:
    chunks = await bench.read(await bench.stream())
    return chunks, [chunk.model_dump(exclude_unset=True) for chunk in chunks], [chunk.to_json() for chunk in chunks]


async def helper(bench: Bench) -> Any:
    return await bench.surface.helper(bench.client, bench.is_async)


async def parsing_helper(bench: Bench) -> Any:
    manager = bench.client.chat.completions.stream(
        model="gpt-4o-mini", messages=HELLO, response_format=City, stream_options={"include_usage": True}
    )
    if bench.is_async:
        async with manager as opened:
            return [dump(event) async for event in opened], dump(await opened.get_final_completion())
    with manager as opened:
        return [dump(event) for event in opened], dump(opened.get_final_completion())


async def with_response(bench: Bench) -> Any:
    opened = await bench.stream()
    return opened.response.status_code, dump(await read(opened, bench.is_async))


@pytest.mark.parametrize("act", [two_choices, tool_calls, chunks_as_they_are, helper, parsing_helper, with_response])
@pytest.mark.parametrize("way", ways(CHAT))
async def test_the_extra_chunk_is_hidden(way: Way, act: Action, records: Records) -> None:
    """The caller sees the chunks of the bare SDK, equal and with the same fields set; the record has the usage."""
    bare = await sent(act, way)
    watched = await sent(act, way, records=records)
    assert watched[0] == bare[0]
    assert watched[1][0].json() == {**bare[1][0].json(), **USAGE}
    call = records.one()
    assert call.usage_source == "provider"
    assert call.usage.output_tokens == (14 if act is two_choices else 7)


def without_id(chunks: Any) -> Any:
    return [(kind, fields, {**said, "id": None}) for kind, fields, said in chunks]


@pytest.mark.parametrize("way", ways(CHAT))
async def test_a_host_that_refuses(way: Way, records: Records) -> None:
    """It is asked again as the caller wrote it, once; from then on it is not asked for usage at all."""
    refusing = "refuse=stream_options"
    bare, (one,) = await sent(stream, way, refusing)

    async def twice(bench: Bench) -> Any:
        return await stream(bench), await stream(bench)

    watched, arrivals = await sent(twice, way, refusing, records)
    assert [without_id(chunks) for chunks in watched] == [without_id(bare)] * 2
    assert [arrival.status for arrival in arrivals] == [400, 200, 200]
    assert [arrival.body for arrival in arrivals[1:]] == [one.body] * 2
    calls = records.all(2)
    assert [call.usage_source for call in calls] == ["estimated"] * 2
    assert [call.error_type for call in calls] == [None, None]


@pytest.mark.parametrize("way", ways(CHAT))
async def test_a_refusal_of_something_else(way: Way, records: Records) -> None:
    """Any other 400 is the caller's, at once."""

    async def ask(bench: Bench) -> Any:
        with pytest.raises(openai.BadRequestError) as raised:
            await bench.stream(temperature=0.5)
        return str(raised.value)

    bare = await sent(ask, way, "refuse=temperature")
    watched = await sent(ask, way, "refuse=temperature", records)
    assert watched[0] == bare[0]
    assert len(watched[1]) == 1
    assert records.one().status_code == 400


async def test_a_refusal_that_the_caller_has_earned(records: Records) -> None:
    """Who asks for the usage himself gets the refusal himself."""
    with simulate(CHAT) as simulator, records.watching("openai"):
        bench = Bench(Way(CHAT, False), simulator.url, "refuse=stream_options")
        with pytest.raises(openai.BadRequestError):
            await bench.stream(stream_options={"include_usage": True})
        assert len(simulator.requests) == 1
        assert json.loads(simulator.requests[0].body)["stream_options"] == {"include_usage": True}
    assert records.one().status_code == 400


@pytest.mark.parametrize("way", ways(CHAT))
async def test_a_refusal_and_then_an_error(way: Way, records: Records) -> None:
    """What goes wrong with the second sending is the caller's, with its own cause and context."""
    package = openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
    http = importlib.import_module(package)

    def answer(request: Any) -> Any:
        if b"stream_options" in request.content:
            return http.Response(400, json={"error": {"message": "Unknown parameter: 'stream_options'."}})
        raise http.ConnectError("nobody there")

    transport = http.MockTransport(answer)

    def bench(url: str) -> Bench:
        client = http.AsyncClient(transport=transport) if way.is_async else http.Client(transport=transport)
        return Bench(way, url, options={"http_client": client})

    bare = await outcome(stream, bench("http://127.0.0.1:1"))
    with records.watching("openai"):
        assert await outcome(stream, bench("http://127.0.0.1:1")) == bare
    assert bare[0] is openai.APIConnectionError
    call = records.one()
    assert (call.status_code, call.error_type) == (None, "APIConnectionError")
