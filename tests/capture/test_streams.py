"""What only long or broken streams show: placeholders, running counts, reference cycles, and memory."""

from __future__ import annotations

import contextlib
import gc
import json
import pickle
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import tollkeeper
from capture.bench import Bench, Records, Way, simulate, ways
from capture.canned import canned_server
from capture.scenarios import SURFACES, each
from tollkeeper import Call
from tollkeeper.simulator.bill import Use

CHAT, RESPONSES, ANTHROPIC, GROQ, GOOGLE, OLLAMA, MISTRAL, *_ = SURFACES


async def read_some(bench: Bench) -> int:
    """Read until the end, or the break, of the stream."""
    seen = 0
    with contextlib.suppress(Exception):
        async for _ in each(await bench.stream(), bench.is_async):
            seen += 1
    return seen


@pytest.mark.parametrize("after", range(1, 8))
@pytest.mark.parametrize("way", ways(ANTHROPIC))
async def test_the_placeholder_of_anthropic_is_never_reported(way: Way, after: int, records: Records) -> None:
    """`message_start` says 1 output token. A stream cut before `message_delta` has an estimate instead, and says so."""
    with simulate(way.surface) as simulator, records.watching("anthropic"):
        await read_some(Bench(way, simulator.url, f"output-tokens=400,drop={after}"))
        call = records.one()
    assert (call.usage_source, call.usage.input_tokens) == ("partial", 11)
    written = call.usage.output_tokens
    assert written is not None and written != 1
    assert (written == 0) is (after < 4), "there is text from the fourth event on"


async def test_the_last_word_of_anthropic_wins(records: Records) -> None:
    """Counts are cumulative: those of `message_delta` replace those of `message_start`, and are not added to them."""
    events = [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [],
         "model": ANTHROPIC.model,
         "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ]  # fmt: skip
    with canned_server() as canned, records.watching("anthropic"):
        pieces = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
        canned.will_answer("".join(pieces).encode(), "text/event-stream")
        await read_some(Bench(Way(ANTHROPIC, False), canned.url))
        call = records.one()
    assert (call.usage.input_tokens, call.usage.cache_read_tokens, call.usage.output_tokens) == (110, 100, 20)
    assert call.usage_source == "provider"


def google_chunk(thoughts: int, text: str | None = None, **more: Any) -> str:
    parts = [{"text": text or "hm", "thought": text is None}]
    usage = {"promptTokenCount": 5, "thoughtsTokenCount": thoughts, "totalTokenCount": 5 + thoughts}
    chunk = {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}], "usageMetadata": usage}
    return f"data: {json.dumps(chunk)}\r\n\r\n"


async def test_the_last_word_of_gemini_wins(records: Records) -> None:
    """Each chunk has the count so far: 100, 200, 300 thoughts are 300, and never 600."""
    body = google_chunk(100) + google_chunk(200) + google_chunk(300, "Three.", finishReason="STOP")
    with canned_server() as canned, records.watching("google_genai"):
        canned.will_answer(body.encode(), "text/event-stream")
        assert await read_some(Bench(Way(GOOGLE, False), canned.url)) == 3
        call = records.one()
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.reasoning_tokens) == (5, 300, 300)
    assert call.usage_source == "provider"


async def test_gemini_cut_short(records: Records) -> None:
    """What it had counted so far stands, and is marked as not the whole."""
    with canned_server() as canned, records.watching("google_genai"):
        canned.will_answer((google_chunk(100) + google_chunk(200)).encode(), "text/event-stream", cut=True)
        await read_some(Bench(Way(GOOGLE, False), canned.url))
        call = records.one()
    assert call.usage_source == "partial"
    assert (call.usage.input_tokens, call.usage.reasoning_tokens) == (5, 200)


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Only reference counts free memory."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def dropped_at_once(bench: Bench, read_first: bool) -> tuple[bool, bool]:
    """Whether a stream, and the HTTP response in it, are gone as soon as nobody holds them."""
    with no_collector():
        stream = bench.surface.stream(bench.client, False)
        if read_first:
            next(iter(stream))
        response = getattr(stream, "response", None)
        references = [weakref.ref(each) for each in (stream, response) if each is not None]
        del stream, response
        return all(reference() is None for reference in references), bool(references)


@pytest.mark.parametrize("read_first", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("surface", [CHAT, RESPONSES, ANTHROPIC, GROQ, MISTRAL], ids=str)
def test_a_dropped_stream_is_freed_as_soon_as_the_bare_one(surface: Any, read_first: bool, records: Records) -> None:
    """We put no cycle into it: where the bare SDK's stream goes without the garbage collector, the watched one does."""
    way = Way(surface, False)
    with simulate(surface) as simulator:
        bare = dropped_at_once(Bench(way, simulator.url, "output-tokens=200"), read_first)
        with records.watching(surface.package):
            watched = dropped_at_once(Bench(way, simulator.url, "output-tokens=200"), read_first)
            if watched[0]:
                call = records.one()
                assert (call.abandoned, call.error_type) == (True, None)
    assert watched == bare


def test_a_dropped_anthropic_stream_is_recorded_without_the_collector(records: Records) -> None:
    """The SDK closes it when its last reference goes; that is when its call ends."""
    with simulate(ANTHROPIC) as simulator, records.watching("anthropic"):
        freed, _ = dropped_at_once(Bench(Way(ANTHROPIC, False), simulator.url, "output-tokens=200"), read_first=True)
        assert freed
        assert records.one().abandoned


@pytest.mark.parametrize("surface", [CHAT, ANTHROPIC, GROQ], ids=str)
def test_pickling(surface: Any, records: Records) -> None:
    """What of an answer can be pickled bare can be pickled watched, and comes back the same."""

    def pickled(bench: Bench) -> Any:
        raw = surface.raw(bench.client).with_raw_response.create(**surface.ask())
        response = raw.http_response
        response.request = None
        found = []
        for each_one in (surface.plain(bench.client, False), response):
            copy = pickle.loads(pickle.dumps(each_one))
            found.append(
                (type(copy).__mro__, sorted(vars(copy)), getattr(copy, "content", None), type(copy).__module__)
            )
        return found

    way = Way(surface, False)
    with simulate(surface) as simulator:
        bare = pickled(Bench(way, simulator.url))
    with simulate(surface) as simulator, records.watching(surface.package):
        assert pickled(Bench(way, simulator.url)) == bare


NOT_KEPT_BY_US = (Call, Use)
"""The app's own list has the calls, and the simulator's bill what each of them used."""


def ours() -> Counter[str]:
    """How many objects of each of our types there are."""
    gc.collect()
    types = (type(one) for one in gc.get_objects())
    of_ours = (kind for kind in types if str(kind.__module__).startswith("tollkeeper."))
    return Counter(kind.__qualname__ for kind in of_ours if kind not in NOT_KEPT_BY_US)


@pytest.mark.parametrize("surface", [CHAT, ANTHROPIC], ids=str)
def test_memory_does_not_grow(surface: Any) -> None:
    """After 240 calls, plain, streamed, broken and dropped, there are as many objects of ours as before."""
    way = Way(surface, False)
    with simulate(surface, keep=1) as simulator, tollkeeper.instrument(providers=[surface.package]) as handle:
        bench = Bench(way, simulator.url, "chunks=2")
        broken = Bench(way, simulator.url, "chunks=2,drop=3")

        def some(count: int) -> None:
            for number in range(count):
                with contextlib.suppress(Exception):
                    if number % 4 == 0:
                        surface.plain(bench.client, False)
                    elif number % 4 == 1:
                        list(surface.stream(bench.client, False))
                    elif number % 4 == 2:
                        next(iter(surface.stream(bench.client, False)))
                    else:
                        list(surface.stream(broken.client, False))

        some(60)
        handle.flush()
        before = ours()
        some(240)
        handle.flush()
        grown = {name: count - before[name] for name, count in ours().items() if count - before[name] > 5}
    assert grown == {}


def test_a_long_stream_keeps_no_chunks(records: Records) -> None:
    """What is kept of a stream is its texts, not its chunks."""
    with simulate(CHAT) as simulator, records.watching("openai"):
        stream = CHAT.stream(CHAT.client(simulator.url, False, "output-tokens=6000"), False)
        alive = 0
        for number, chunk in enumerate(stream):
            if number % 250 == 0:
                gc.collect()
                alive = max(alive, sum(1 for one in gc.get_objects() if type(one) is type(chunk)))
        assert number > 1200
        assert alive <= 5
        assert records.one().usage.output_tokens == 6000
