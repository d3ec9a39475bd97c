"""Raw and streaming responses: the caller reads what and how he likes, as with the bare SDK."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from capture.bench import Action, Bench, Records, Way, compare, ways
from capture.scenarios import STAINLESS, dump, each, settle

HIDDEN = {"date", "x-simulator-match"}


def head(response: Any) -> Any:
    return response.status_code, {name: value for name, value in response.headers.items() if name not in HIDDEN}


def raw_of(bench: Bench) -> Any:
    return bench.surface.raw(bench.client).with_raw_response  # type: ignore[attr-defined]


def streaming_of(bench: Bench, **options: Any) -> Any:
    resource = bench.surface.raw(bench.client).with_streaming_response  # type: ignore[attr-defined]
    return resource.create(**bench.surface.ask(), **options)  # type: ignore[attr-defined]


async def ask_raw(bench: Bench, **options: Any) -> Any:
    return await settle(raw_of(bench).create(**bench.surface.ask(), **options))  # type: ignore[attr-defined]


async def raw(bench: Bench) -> Any:
    response = await ask_raw(bench)
    parsed = response.parse()
    again = response.parse()
    return type(response), head(response), dump(await settle(parsed)), dump(await settle(again)), response.content


async def raw_unparsed(bench: Bench) -> Any:
    response = await ask_raw(bench)
    return type(response), response.http_response.json(), response.http_response.text


async def raw_pickled(bench: Bench) -> Any:
    """The HTTP response of a raw one can be pickled; what comes back is of its own class, and has the body."""
    response = (await ask_raw(bench)).http_response
    del response.request
    copy = pickle.loads(pickle.dumps(response))
    return type(copy), copy.status_code, copy.content, type(copy) is type(response), sorted(vars(copy))


async def raw_error(bench: Bench) -> Any:
    bench.client = bench.client.with_options(default_headers={"X-Simulator": "status=429"})
    return await ask_raw(bench)


async def read_json(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench) as response:
            return head(response), await response.json()
    with streaming_of(bench) as response:
        return head(response), response.json()


async def read_bytes(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench) as response:
            return await response.read(), await response.text()
    with streaming_of(bench) as response:
        return response.read(), response.text()


async def read_parsed(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench) as response:
            return dump(await response.parse())
    with streaming_of(bench) as response:
        return dump(response.parse())


async def _pieces(bench: Bench, method: str, **options: Any) -> Any:
    if bench.is_async:
        async with streaming_of(bench, **options) as response:
            return [piece async for piece in getattr(response, method)()]
    with streaming_of(bench, **options) as response:
        return list(getattr(response, method)())


async def iter_lines(bench: Bench) -> Any:
    return await _pieces(bench, "iter_lines")


async def iter_bytes(bench: Bench) -> Any:
    return b"".join(await _pieces(bench, "iter_bytes"))


async def iter_text(bench: Bench) -> Any:
    return "".join(await _pieces(bench, "iter_text"))


WHOLE = (raw, raw_unparsed, raw_pickled, read_json, read_bytes, read_parsed, iter_lines, iter_bytes, iter_text)


@pytest.mark.parametrize("act", WHOLE)
@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_a_whole_answer(way: Way, act: Action, records: Records) -> None:
    """However the body is read: the caller has what the bare SDK gives, the record the usage that is in it."""
    await compare(act, way, records)
    call = records.one()
    assert (call.status_code, call.error_type, call.usage_source) == (200, None, "provider")
    assert (call.usage.input_tokens, call.usage.output_tokens) == way.surface.usage(False)
    assert call.response_model and call.response_id and call.finish_reasons
    assert call.cost is not None


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_a_raw_error(way: Way, records: Records) -> None:
    """An error is an exception here too."""
    raised = await compare(raw_error, way, records)
    assert raised[0].__name__ == "RateLimitError"
    call = records.one()
    assert (call.status_code, call.cost) == (429, None)


def counted(bench: Bench) -> dict[str, Any]:
    """A request for a stream that says its usage: nothing is added to a raw one."""
    if bench.surface.name == "openai-chat":
        return {"stream": True, "stream_options": {"include_usage": True}}
    if bench.surface.name == "groq":
        return {"stream": True, "extra_body": {"stream_options": {"include_usage": True}}}
    return {"stream": True}


async def raw_stream(bench: Bench) -> Any:
    response = await ask_raw(bench, **counted(bench))
    stream = await settle(response.parse())
    return type(response), type(stream), head(response), dump(await bench.read(stream))


async def raw_stream_of_lines(bench: Bench) -> Any:
    response = await ask_raw(bench, **counted(bench))
    http = response.http_response
    lines = http.aiter_lines() if bench.is_async else http.iter_lines()
    return [line async for line in each(lines, bench.is_async)]


async def streaming_of_lines(bench: Bench) -> Any:
    return await _pieces(bench, "iter_lines", **counted(bench))


async def streaming_of_bytes(bench: Bench) -> Any:
    return b"".join(await _pieces(bench, "iter_bytes", **counted(bench)))


async def streaming_parsed(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench, **counted(bench)) as response:
            return dump([chunk async for chunk in await response.parse()])
    with streaming_of(bench, **counted(bench)) as response:
        return dump(list(response.parse()))


@pytest.mark.parametrize(
    "act", [raw_stream, raw_stream_of_lines, streaming_of_lines, streaming_of_bytes, streaming_parsed]
)
@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_a_stream_of_events(way: Way, act: Action, records: Records) -> None:
    """The events are read along, whether the SDK parses them or the caller reads the lines himself."""
    await compare(act, way, records)
    call = records.one()
    assert (call.status_code, call.error_type, call.abandoned, call.stream) == (200, None, False, True)
    assert (call.usage.input_tokens, call.usage.output_tokens) == way.surface.usage(True)
    assert call.usage_source == "provider"
    assert call.time_to_first_chunk


async def unread(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench) as response:
            return head(response)
    with streaming_of(bench) as response:
        return head(response)


async def partly_read(bench: Bench) -> Any:
    if bench.is_async:
        async with streaming_of(bench, **counted(bench)) as response:
            async for line in response.iter_lines():
                return line
    with streaming_of(bench, **counted(bench)) as response:
        for line in response.iter_lines():
            return line
    return None


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_a_body_that_is_not_read(way: Way, records: Records) -> None:
    """Its usage is unknown, and neither zero nor guessed as if it were known."""
    await compare(unread, way, records)
    call = records.one()
    assert (call.status_code, call.error_type, call.usage_source, call.cost) == (200, None, "unknown", None)


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_events_that_are_partly_read(way: Way, records: Records) -> None:
    """What the provider has sent is billed: it is abandoned, and its usage is marked."""
    await compare(partly_read, way, records, "output-tokens=400")
    call = records.one()
    assert (call.status_code, call.error_type, call.abandoned) == (200, None, True)
    assert call.usage_source in ("estimated", "partial")
