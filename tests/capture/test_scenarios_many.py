"""Many calls at once, and calls inside of calls: each of the caller's is counted, with its own tags, and once."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from capture.bench import Bench, Records, Way, simulate, ways
from capture.scenarios import HELLO, STAINLESS, read, settle
from tollkeeper import tags
from tollkeeper.simulator import Simulator

MANY = 64


def expected_tokens(way: Way) -> int:
    """What half of the calls, plain, and half, streamed, are counted with."""
    counts = [sum(count or 0 for count in way.surface.usage(is_stream)) for is_stream in (False, True)]
    return sum(counts) * MANY // 2


def check(way: Way, records: Records) -> None:
    calls = records.all(MANY)
    assert Counter(call.tags["tenant"] for call in calls) == {f"t{number}": 1 for number in range(MANY)}
    assert all(call.error_type is None and not call.abandoned for call in calls)
    assert {call.stream for call in calls} == {int(call.tags["tenant"][1:]) % 2 == 1 for call in calls}
    assert all(call.stream is (int(call.tags["tenant"][1:]) % 2 == 1) for call in calls)
    if way.surface.counts_streams:
        assert records.total("tollkeeper.tokens") == expected_tokens(way)


@pytest.mark.parametrize("way", ways(only="async"))
async def test_tasks(way: Way, records: Records) -> None:
    """64 tasks of one loop, on one client."""

    async def ask(bench: Bench, number: int) -> Any:
        with tags(tenant=f"t{number}"):
            return await bench.read(await bench.stream()) if number % 2 else await bench.plain()

    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url)
        answers = await asyncio.gather(*(ask(bench, number) for number in range(MANY)))
        assert len(answers) == len(simulator.requests) == MANY
        check(way, records)


@pytest.mark.parametrize("way", ways(only="sync"))
def test_threads(way: Way, records: Records) -> None:
    """64 calls from 16 threads, on one client."""

    def ask(bench: Bench, number: int) -> Any:
        with tags(tenant=f"t{number}"):
            if number % 2:
                return list(bench.surface.stream(bench.client, False))
            return bench.surface.plain(bench.client, False)

    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: ask(bench, number), range(MANY)))
        assert len(answers) == len(simulator.requests) == MANY
        check(way, records)


@pytest.mark.parametrize("way", ways(only="sync"))
async def test_threads_that_carry_the_context(way: Way, records: Records) -> None:
    """Tags follow the context into `asyncio.to_thread` and `copy_context().run`."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url)
        with tags(tenant="acme"):
            await asyncio.to_thread(bench.surface.plain, bench.client, False)
            context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(context.run, bench.surface.plain, bench.client, False).result()
        assert [call.tags for call in records.all(2)] == [{"tenant": "acme"}] * 2


def transport_that_asks(way: Way, inner: Any) -> Any:
    """An HTTP client of the SDK's own kind, whose transport makes an SDK call of its own before it sends."""
    kind = next(kind for kind in type(inner._client).__mro__ if kind.__module__.startswith("httpx"))
    http = __import__(kind.__module__.partition(".")[0])

    class Sync(http.HTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            way.surface.plain(inner, False)
            return super().handle_request(request)

    class Async(http.AsyncHTTPTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            await way.surface.plain(inner, True)
            return await super().handle_async_request(request)

    return http.AsyncClient(transport=Async()) if way.is_async else http.Client(transport=Sync())


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_nested(way: Way, is_stream: bool, records: Records) -> None:
    """An SDK call inside a custom transport is a part of the caller's call; the next one is not."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        inner = Bench(way, simulator.url)
        outer = Bench(way, simulator.url, options={"http_client": transport_that_asks(way, inner.client)})
        if is_stream:
            await outer.read(await outer.stream())
        else:
            await outer.plain()
        assert len(simulator.requests) == 2
        call = records.one()
        assert call.stream is is_stream
        await inner.plain()
        records.all(2)


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_retries_of_the_sdk(way: Way, records: Records) -> None:
    """What the SDK retries is one call of the caller's: one record, one span, the last answer."""
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url, "status=429,retry-after=0.01", {"max_retries": 2})
        with contextlib.suppress(Exception):
            await bench.plain()
        assert len(simulator.requests) == 3
        call = records.one()
    assert call.status_code == 429
    assert call.duration is not None and call.duration > 0.02


@pytest.mark.parametrize("way", ways())
async def test_a_call_while_a_stream_is_open(way: Way, records: Records) -> None:
    """Between two chunks the stream is not in force: a call made there is a call of its own, beside it in the trace."""
    tracer = records.tracer_provider.get_tracer("app")
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        bench = Bench(way, simulator.url)
        with tracer.start_as_current_span("outer") as outer:
            stream = await bench.stream()
            iterator = bench.iterate(stream)
            await bench.next(iterator)
            await bench.plain()
            await read(iterator, bench.is_async)
        records.all(2)
    parents = {span.parent.span_id for span in records.ours() if span.parent is not None}
    assert parents == {outer.get_span_context().span_id}


async def test_a_call_of_one_sdk_inside_another(records: Records) -> None:
    """The call that the app makes is the one that counts, whichever SDKs there are below it."""
    import anthropic  # noqa: PLC0415  only here
    import openai  # noqa: PLC0415  only here

    with Simulator(seed=1) as simulator, records.watching("openai", providers=["openai", "anthropic"]):
        below = anthropic.Anthropic(base_url=simulator.url, api_key="any", max_retries=0)

        class Transport(openai.DefaultHttpxClient().__class__.__mro__[1]):  # type: ignore[misc]
            def send(self, *args: Any, **kwargs: Any) -> Any:
                below.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)  # type: ignore[arg-type]
                return super().send(*args, **kwargs)

        client = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", http_client=Transport())
        await settle(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO))  # type: ignore[call-overload]
        assert records.one().provider == "openai"
        below.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)  # type: ignore[arg-type]
        assert [call.provider for call in records.all(2)] == ["openai", "anthropic"]
