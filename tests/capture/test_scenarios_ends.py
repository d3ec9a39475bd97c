"""Every way in which a stream can end, by every SDK: it ends once, as for the bare SDK, and its record says how."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from capture.bench import Bench, Records, Way, compare, simulate, ways
from capture.scenarios import SURFACES, dump, each
from tollkeeper import Call
from tollkeeper.model.usage import NOTHING

AT_ONCE = ("estimated", "partial")
WITH_BLOCKS = [surface for surface in SURFACES if surface.has_raw or surface.name in ("mistralai",)]


class OfTheCaller(Exception):
    """What the app itself raises."""


def is_marked(call: Call) -> bool:
    """The provider has not told its final usage: what is there is ours, or, of Gemini's running count, so far."""
    return call.usage_source in (*AT_ONCE, "unknown")


async def collected(records: Records) -> None:
    """Until the stream has been collected: asyncio closes a forgotten async generator in a task of its own."""
    deadline = time.monotonic() + 10
    while not records.calls and time.monotonic() < deadline:
        gc.collect()
        await asyncio.sleep(0.005)


async def read_until_it_fails(bench: Bench) -> Any:
    chunks: list[Any] = []
    try:
        async for chunk in each(await bench.stream(), bench.is_async):
            chunks += [dump(chunk)]
    except Exception as error:  # noqa: BLE001  whatever it is, it must be the same with and without us
        return chunks, type(error), str(error).replace(bench.url, "URL")
    return chunks, None, None


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("way", ways())
async def test_the_connection_breaks(way: Way, after: int, records: Records) -> None:
    """The caller gets what had come, and then the SDK's exception; the record has an error, and a marked usage."""
    chunks, error, _ = await compare(read_until_it_fails, way, records, f"output-tokens=200,drop={after}")
    call = records.one()
    if error is not None:
        assert call.error_type
    assert call.error_type or call.abandoned or call.finish_reasons
    if chunks:
        assert is_marked(call) and call.usage != NOTHING


@pytest.mark.parametrize("way", ways())
async def test_the_provider_fails_on_the_way(way: Way, records: Records) -> None:
    """An error event in the stream: the SDK's exception, where it makes one of it, is the caller's and the record's."""
    _, error, _ = await compare(read_until_it_fails, way, records, "output-tokens=200,fail=3")
    call = records.one()
    assert (call.error_type is not None) or error is None
    assert is_marked(call)


@pytest.mark.parametrize("way", ways())
async def test_closed_early(way: Way, records: Records) -> None:
    """Closing a stream is no error. It is abandoned, and its usage is marked."""

    async def close_early(bench: Bench) -> Any:
        stream = await bench.stream()
        iterator = bench.iterate(stream)
        first = dump(await bench.next(iterator))
        await bench.close(stream if hasattr(stream, "close") or hasattr(stream, "aclose") else stream.response)
        return first

    await compare(close_early, way, records, "output-tokens=200")
    await collected(records)
    call = records.one()
    assert (call.error_type, call.abandoned) == (None, True)
    assert is_marked(call) and call.usage.input_tokens


@pytest.mark.parametrize("way", ways(*WITH_BLOCKS))
async def test_left_by_its_with_block(way: Way, records: Records) -> None:
    """Leaving the block ends the stream."""

    async def leave(bench: Bench) -> Any:
        stream = await bench.stream()
        if bench.is_async:
            async with stream:
                return dump(await bench.next(bench.iterate(stream)))
        with stream:
            return dump(await bench.next(bench.iterate(stream)))

    await compare(leave, way, records, "output-tokens=200")
    call = records.one()
    assert (call.error_type, call.abandoned) == (None, True)
    assert is_marked(call)


@pytest.mark.parametrize("way", ways(*WITH_BLOCKS))
async def test_the_caller_fails_in_the_with_block(way: Way, records: Records) -> None:
    """The app's own exception is the app's: it ends the stream, and is no error of the call."""

    async def fail(bench: Bench) -> Any:
        stream = await bench.stream()
        if bench.is_async:
            async with stream:
                async for _ in stream:
                    raise OfTheCaller("mine")
        with stream:
            for _ in stream:
                raise OfTheCaller("mine")

    raised = await compare(fail, way, records, "output-tokens=200")
    assert raised[:2] == (OfTheCaller, "mine")
    call = records.one()
    assert (call.error_type, call.abandoned) == (None, True)


async def fail_in_the_loop(bench: Bench) -> Any:
    async for _ in each(await bench.stream(), bench.is_async):
        raise OfTheCaller("mine")


async def forget(bench: Bench) -> Any:
    stream = await bench.stream()
    iterator = bench.iterate(stream)
    first = dump(await bench.next(iterator))
    del stream, iterator
    return first


@pytest.mark.parametrize("leave", [fail_in_the_loop, forget])
@pytest.mark.parametrize("way", ways())
async def test_forgotten(way: Way, leave: Callable[[Bench], Any], records: Records) -> None:
    """A stream that nobody holds any more ends when it is collected, once, and not as an error."""

    async def leave_and_collect(bench: Bench) -> Any:
        try:
            return await leave(bench)
        except OfTheCaller as error:
            return str(error.with_traceback(None))

    with simulate(way.surface) as simulator:
        bare = await leave_and_collect(Bench(way, simulator.url, "output-tokens=200"))
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        assert await leave_and_collect(Bench(way, simulator.url, "output-tokens=200")) == bare
        await collected(records)
        call = records.one()
    assert (call.error_type, call.abandoned) == (None, True)
    assert is_marked(call)


@pytest.mark.parametrize("way", ways())
async def test_never_read(way: Way, records: Records) -> None:
    """A stream that is dropped unread is recorded at most once; one that was never sent is no call."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        stream = await Bench(way, simulator.url).stream()
        del stream
        gc.collect()
        await asyncio.sleep(0)
        records.flush()
        sent = len(simulator.requests)
        records.all(sent)


@pytest.mark.parametrize("way", ways(only="async"))
async def test_cancelled_while_it_waits(way: Way, records: Records) -> None:
    """The cancellation goes through; the call is recorded as cancelled, without a cost."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        task = asyncio.create_task(Bench(way, simulator.url, "latency=30").plain())
        while not simulator.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call = records.one()
    assert (call.error_type, call.status_code) == ("CancelledError", None)
    assert (call.usage, call.cost) == (NOTHING, None)


@pytest.mark.parametrize("way", ways(only="async"))
async def test_cancelled_in_its_stream(way: Way, records: Records) -> None:
    """The cancellation goes through; what came is estimated, and marked."""
    seen: list[Any] = []

    async def read_slowly(bench: Bench) -> None:
        async for _ in await bench.stream():
            seen[:] = [True]

    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        task = asyncio.create_task(read_slowly(Bench(way, simulator.url, "chunk-delay=30")))
        while not seen:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call = records.one()
    assert call.error_type == "CancelledError"
    assert is_marked(call) and call.time_to_first_chunk


@pytest.mark.parametrize("way", ways())
async def test_read_on_after_its_end(way: Way, records: Records) -> None:
    """What comes of reading, and closing, a stream that is over is what comes of it for the bare SDK."""

    async def read_twice(bench: Bench) -> Any:
        stream = await bench.stream()
        first = dump(await bench.read(stream))
        try:
            again = dump(await bench.read(stream))
        except Exception as error:  # noqa: BLE001  whatever it is, it must be the same with and without us
            again = repr(error)
        if hasattr(stream, "close") or hasattr(stream, "aclose"):
            await bench.close(stream)
        return first, again

    await compare(read_twice, way, records)
    call = records.one()
    assert (call.error_type, call.abandoned) == (None, False)
