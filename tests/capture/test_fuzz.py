"""Answers that no provider should give: the caller gets what the bare SDK makes of them, and there is one record."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tollkeeper
from capture.bench import Way, ways
from capture.canned import EVENTS, JSON, STREAMED, Canned, as_stream, canned_server, good_answers
from capture.scenarios import SURFACES, dump
from tollkeeper import Call
from tollkeeper.telemetry.event import decode, encode

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 5.0, 1.5, 1e300, 10**30, "", "12", "text", "\ud800", [], [None], ["x"], [[1]], {},
    {"a": {"b": [None]}},
)  # fmt: skip
"""What may be in the place of anything."""


@pytest.fixture(scope="module")
def canned() -> Iterator[Canned]:
    logging.getLogger("tollkeeper").setLevel(logging.CRITICAL)
    with canned_server() as server:
        yield server
    logging.getLogger("tollkeeper").setLevel(logging.NOTSET)


class Clients:
    """One client for each surface: making one takes longer than asking with it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: dict[str, Any] = {}

    def of(self, way: Way) -> Any:
        if way.surface.name not in self._made:
            self._made[way.surface.name] = way.surface.client(self._url, False)
        return self._made[way.surface.name]


@pytest.fixture(scope="module")
def clients(canned: Canned) -> Clients:
    return Clients(canned.url)


def outcome(action: Callable[[], Any]) -> str:
    """What came of it, the chunks that came before an exception included, as one comparable text."""
    seen: list[Any] = []
    try:
        result = action()
        if (
            hasattr(result, "__next__")
            or hasattr(result, "__iter__")
            and not hasattr(result, "model_dump")
            and not isinstance(result, dict | str)
        ):
            for chunk in result:
                seen.append(dump(chunk))  # noqa: PERF401  an exception must not lose what came before it
        else:
            seen.append(dump(result))
    except Exception as error:  # noqa: BLE001  whatever it is, it must be the same with and without us
        return repr((seen, type(error), str(error)))
    return repr(seen)


def sound(call: Call) -> None:
    """However odd the answer was, the record is in order."""
    for count in call.usage[:14]:
        assert count is None or type(count) is int and 0 <= count < 2**50, "an exporter must be able to add them up"
    assert call.cost is None or call.cost.usd >= 0
    assert call.duration is not None
    written = encode(call)
    assert decode(json.loads(json.dumps(written, ensure_ascii=False).encode())) == call


def same(way: Way, clients: Clients, is_stream: bool, **options: Any) -> tuple[str, Call]:
    """Ask bare and watched: the same must come of it, and one sound record of the watched call."""
    client, calls = clients.of(way), list[Call]()
    ask = way.surface.stream if is_stream else way.surface.plain
    bare = outcome(lambda: ask(client, False))
    with tollkeeper.instrument(
        providers=[way.surface.package], on_call=calls.append, **{"inject_usage": False, **options}
    ) as handle:
        watched = outcome(lambda: ask(client, False))
        assert handle.flush()
    assert watched == bare
    (call,) = calls
    sound(call)
    return watched, call


USAGES: tuple[Any, ...] = (
    None, "12", 7, 7.5, [], [[1]], {}, {"prompt_tokens": "5"}, {"prompt_tokens": -1, "completion_tokens": -5},
    {"prompt_tokens": 5.0, "completion_tokens": 1.5, "total_tokens": 1e300}, {"completion_tokens": 10**30},
    {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": [], "completion_tokens_details": "x"},
    {"input_tokens": None, "output_tokens": {}}, {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 99}},
    {"cost": "free"}, {"cost": -1}, {"cost": float("nan")}, {"cost": {"total_cost": []}}, {"seconds": "long"},
)  # fmt: skip
ANYWHERE = {
    "usage": USAGES, "usageMetadata": USAGES, "id": (None, 5, "\ud800"), "model": (None, 5, [], "\ud800"),
    "choices": (None, [], {}, "x"),
    "message": (None, "x", []), "delta": (None, "x", []), "index": (None, "0", -1), "content": (None, [], 5, "x", [{}]),
    "finish_reason": (None, 5, []), "stop_reason": (5, []), "type": (None, "unknown.event", 5), "role": (None, 5),
    "candidates": (None, [], [None], "x"), "parts": (None, "x", [{}]), "response": (None, "x", {}), "output": (None, 5),
    "done": (None, "yes"), "eval_count": (None, "7", -7, 1.5), "prompt_eval_count": ("x", [], 1e300),
    "iterations": (None, 5, ["x"], [{}]), "cache_creation": (5, []), "service_tier": (5, {}),
}  # fmt: skip
"""What has been seen in, or is feared of, fields of these names."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any, delete: bool = False) -> Any:
    value = copy.deepcopy(value)
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if delete:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return value


def spoiled(value: Any) -> Iterator[Any]:
    """The value with each field of a known name, in turn, odd or missing; and with a field too many."""
    for path in places(value):
        for odd in ANYWHERE.get(path[-1], ()):
            yield changed(value, path, odd)
        if path[-1] in ANYWHERE:
            yield changed(value, path, None, delete=True)
    if isinstance(value, dict):
        yield {**value, "usage": {"prompt_tokens": "x"}, "never_seen": {"a": [1]}}


@pytest.mark.parametrize("way", ways(only="sync"))
def test_odd_answers(way: Way, canned: Canned, clients: Clients) -> None:
    """Each known field of an answer, in turn, odd or missing."""
    for answer in spoiled(good_answers(way.surface.name)[0]):
        canned.will_answer(json.dumps(answer).encode())
        same(way, clients, is_stream=False)


@pytest.mark.parametrize("way", ways(*STREAMED, only="sync"))
def test_odd_events(way: Way, canned: Canned, clients: Clients) -> None:
    """Each known field of the events of a stream, in turn, odd or missing."""
    events = good_answers(way.surface.name)[1]
    for spoiled_events in spoiled(events):
        canned.will_answer(*as_stream(way.surface, spoiled_events))
        same(way, clients, is_stream=True)


BODIES = (
    (b"", JSON, 200), (b"{}", JSON, 200), (b"[]", JSON, 200), (b"null", JSON, 200), (b'"text"', JSON, 200),
    (b"12", JSON, 200), (b'{"id": "x", "choi', JSON, 200), (b"\xff\xfe\x00", JSON, 200), (b"{}", "text/html", 200),
    (b"<html>502</html>", "text/html", 200), (b"hello", "text/plain; charset=nonsense", 200), (b"", JSON, 204),
    (b"{}", "", 200), (b"data: {}\n\n", EVENTS, 200), (b"event: x\ndata: y\n\n: comment\nretry: 5\n\n", EVENTS, 200),
    (b"data: [DONE]\n\n", EVENTS, 200), (b"data: null\n\ndata: 5\n\ndata: []\n\n", EVENTS, 200),
    (b"\n\n\n", EVENTS, 200), (b'{"error": {"type": "\\ud800", "code": "\\ud800"}}', JSON, 400),
    (b'data: {"error": {"message": "no", "type": "server_error"}}\n\n', EVENTS, 200),
    (b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}\n\n', EVENTS, 200),
    (b"not json\n", "application/x-ndjson", 200), (b"<html>", "text/html", 500), (b"", JSON, 500), (b"[]", JSON, 429),
    (b'{"error": []}', JSON, 400), (b'{"error": {"type": 5, "code": {}}}', JSON, 400), (b'{"detail": "x"}', JSON, 422),
)  # fmt: skip


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("way", ways(only="sync"))
def test_odd_bodies(way: Way, is_stream: bool, cut: bool, canned: Canned, clients: Clients) -> None:
    """Bodies that are empty, cut, no JSON, not the kind they say they are; and errors in words that nobody knows."""
    for body, content_type, status in BODIES:
        canned.will_answer(body, content_type, status, cut and status != 204)
        same(way, clients, is_stream)


@st.composite
def mutations(draw: st.DrawFn, value: Any) -> Any:
    """The value with one to four random parts of it deleted, replaced, or put twice."""
    for _ in range(draw(st.integers(1, 4))):
        paths = list(places(value))
        if not paths:
            return value
        path = draw(st.sampled_from(paths))
        how = draw(st.sampled_from(["delete", "odd", "any", "twice"]))
        if how == "twice" and isinstance(path[-1], int):
            parent = value
            for key in path[:-1]:
                parent = parent[key]
            value = changed(value, path[:-1], [*parent, parent[path[-1]]]) if path[:-1] else [*value, value[path[-1]]]
        elif how == "any":
            texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
            value = changed(value, path, draw(st.one_of(texts, st.floats(), st.integers(), st.lists(st.none()))))
        else:
            value = changed(value, path, draw(st.sampled_from(ODD)), delete=how == "delete")
    return value


FUZZ = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("way", ways(only="sync"))
@FUZZ
@given(data=st.data())
def test_fuzzed_answers(way: Way, canned: Canned, clients: Clients, data: st.DataObject) -> None:
    """Any part of an answer deleted or replaced by anything."""
    canned.will_answer(json.dumps(data.draw(mutations(good_answers(way.surface.name)[0]))).encode())
    same(way, clients, is_stream=False)


@pytest.mark.parametrize("way", ways(*STREAMED, only="sync"))
@FUZZ
@given(data=st.data())
def test_fuzzed_events(way: Way, canned: Canned, clients: Clients, data: st.DataObject) -> None:
    """Any part of the events of a stream deleted or replaced by anything, cut anywhere."""
    body, content_type = as_stream(way.surface, data.draw(mutations(good_answers(way.surface.name)[1])))
    end = data.draw(st.sampled_from([len(body), len(body) * 3 // 4, len(body) // 3]))
    canned.will_answer(body[:end], content_type, cut=data.draw(st.booleans()))
    same(way, clients, is_stream=True)


def visible(events: list[Any]) -> list[Any]:
    """Without the chunk that is there only because we asked for the usage."""
    return [event for event in events if event.get("choices") or event.get("usage") is None]


def test_odd_events_of_a_stream_that_we_asked_for_usage(canned: Canned, clients: Clients) -> None:
    """However odd the chunks are, what is hidden is the usage chunk, and nothing else."""
    way = Way(SURFACES[0], False)
    client = clients.of(way)
    for events in spoiled(good_answers("openai-chat")[1]):
        if not all(isinstance(event, dict) and "choices" in event for event in events):
            continue
        canned.will_answer(*as_stream(way.surface, visible(events)))
        bare = outcome(lambda: way.surface.stream(client, False))
        canned.will_answer(*as_stream(way.surface, events))
        with contextlib.ExitStack() as stack:
            stack.enter_context(tollkeeper.instrument(providers=["openai"]))
            watched = outcome(lambda: way.surface.stream(client, False))
        assert watched.replace(", 'usage'], {", "], {") == bare.replace(", 'usage'], {", "], {")
