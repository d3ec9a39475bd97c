"""`tags()`: whose call it is, whatever way the call is made; and what one call says for itself."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry import baggage, context, propagate

import tollkeeper
from capture.bench import Records, Way, simulate, ways
from capture.scenarios import HELLO, STAINLESS, SURFACES, settle
from tollkeeper import tags
from tollkeeper.capture.attribution import call_tags, current_tags, propagate_in_baggage
from tollkeeper.capture.instrumentation import Instrumentation
from tollkeeper.simulator import Simulator

CHAT, RESPONSES, ANTHROPIC, *_ = SURFACES


def test_nested() -> None:
    """Inner blocks add and win; `None` removes; leaving restores, by an exception too."""
    with tags(tenant="acme", user="u-1"):
        with tags(user="u-2", feature="search", attempt=3):
            assert current_tags() == {"tenant": "acme", "user": "u-2", "feature": "search", "attempt": "3"}
            with tags(user=None):
                assert current_tags() == {"tenant": "acme", "feature": "search", "attempt": "3"}
        with pytest.raises(ValueError, match="mine"), tags(tenant="other"):
            raise ValueError("mine")
        assert current_tags() == {"tenant": "acme", "user": "u-1"}
    assert current_tags() == {}


async def test_async_with() -> None:
    """It is an async context manager as well."""
    async with tags(tenant="acme"):
        assert current_tags() == {"tenant": "acme"}
    assert current_tags() == {}


def test_one_object_can_be_entered_again() -> None:
    """The same `tags` object may be in force twice, and in several threads."""
    acme = tags(tenant="acme")
    with acme, tags(tenant="other"), acme:
        assert current_tags() == {"tenant": "acme"}
    assert current_tags() == {}


def test_one_object_in_many_threads() -> None:
    """Threads that share a `tags` object each get their own tags back."""
    acme, ready = tags(tenant="acme"), threading.Barrier(8)

    def enter(number: int) -> tuple[Any, Any]:
        with tags(user=number):
            with acme:
                ready.wait(10)
                inside = dict(current_tags())
            ready.wait(10)
            return inside, dict(current_tags())

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(enter, range(8)))
    assert found == [({"user": str(n), "tenant": "acme"}, {"user": str(n)}) for n in range(8)]


def test_decorated_function() -> None:
    """A function keeps its name, arguments and result."""

    @tags(feature="search")
    def find(one: int, *, two: int) -> Any:
        """Finds."""
        return one, two, dict(current_tags())

    assert find(1, two=2) == (1, 2, {"feature": "search"})
    assert (find.__name__, find.__doc__) == ("find", "Finds.")
    assert current_tags() == {}


async def test_decorated_coroutine() -> None:
    """Two that run at once do not see each other's."""

    @tags(feature="search")
    async def find(user: str) -> Any:
        with tags(user=user):
            await asyncio.sleep(0)
            return dict(current_tags())

    assert asyncio.iscoroutinefunction(find)
    found = await asyncio.gather(find("a"), find("b"))
    assert found == [{"feature": "search", "user": "a"}, {"feature": "search", "user": "b"}]
    assert current_tags() == {}


def test_decorated_generator() -> None:
    """Its tags are in force while it runs, and not while its caller does; its result, and what it is told, pass."""

    @tags(feature="search")
    def find() -> Iterator[Any]:
        yield dict(current_tags())
        yield dict(current_tags())
        return "done"

    generator = find()
    assert next(generator) == {"feature": "search"}
    assert current_tags() == {}
    with tags(user="u"):
        assert next(generator) == {"feature": "search", "user": "u"}
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "done"


def test_a_decorated_generator_is_a_whole_one() -> None:
    """`send`, `throw` and `close` reach the generator inside, with the tags in force."""
    seen: list[Any] = []

    @tags(feature="search")
    def find() -> Iterator[Any]:
        try:
            seen.append((yield 1))
            try:
                yield 2
            except ValueError as error:
                seen.append((str(error), dict(current_tags())))
                yield 3
        finally:
            seen.append(("closed", dict(current_tags())))

    generator: Any = find()
    assert next(generator) == 1
    assert generator.send("hello") == 2
    assert generator.throw(ValueError("mine")) == 3
    generator.close()
    assert seen == ["hello", ("mine", {"feature": "search"}), ("closed", {"feature": "search"})]
    assert current_tags() == {}


async def test_decorated_async_generator() -> None:
    """As a generator; nothing is left behind when it is closed early, in whatever task."""
    seen: list[Any] = []

    @tags(feature="search")
    async def find() -> AsyncIterator[Any]:
        try:
            yield dict(current_tags())
            yield dict(current_tags())
        finally:
            seen.append(dict(current_tags()))

    assert [found async for found in find()] == [{"feature": "search"}] * 2
    early: Any = find()
    assert await anext(early) == {"feature": "search"}
    assert current_tags() == {}
    await asyncio.create_task(early.aclose())
    assert seen == [{"feature": "search"}] * 2
    assert current_tags() == {}


async def test_threads_and_tasks() -> None:
    """Tags follow the context: into tasks, `to_thread` and `copy_context().run`; a bare thread starts without."""
    with tags(tenant="acme"):
        assert await asyncio.to_thread(current_tags) == {"tenant": "acme"}
        assert await asyncio.create_task(asyncio.to_thread(current_tags)) == {"tenant": "acme"}
        copied = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(current_tags).result() == {}
            assert pool.submit(copied.run, current_tags).result() == {"tenant": "acme"}


@pytest.mark.parametrize("way", ways(*STAINLESS))
async def test_one_call_says_so_itself(way: Way, records: Records) -> None:
    """`extra_headers` tag one call, over `tags()`, over the defaults. The provider gets the headers as they are."""
    headers = {"X-Tollkeeper-Tenant": "umbrella", "x-tollkeeper-feature": "f", "x-other": "1"}
    options = {"tags": {"service": "api", "tenant": "default"}}
    with simulate(way.surface) as simulator, records.watching(way.surface.package, **options):
        client = way.surface.client(simulator.url, way.is_async)
        with tags(tenant="acme", user="u"):
            await settle(way.surface.plain(client, way.is_async, extra_headers=headers))
        call = records.one()
        assert simulator.requests[0].headers["x-tollkeeper-tenant"] == "umbrella"
    assert call.tags == {"service": "api", "tenant": "umbrella", "user": "u", "feature": "f"}
    span = records.span().attributes or {}
    assert (span["tollkeeper.tag.tenant"], span["user.id"]) == ("umbrella", "u")


def test_each_call_has_tags_of_its_own(records: Records) -> None:
    """What is done to the tags of one finished call, by a callback, say, reaches no other call."""
    with simulate(CHAT) as simulator, records.watching("openai", tags={"service": "api"}):
        client = CHAT.client(simulator.url, False)
        with tags(tenant="acme"):
            for _ in range(2):
                CHAT.plain(client, False)
                records.calls[-1].tags["tenant"] = "changed"  # type: ignore[index]
            CHAT.plain(client, False)
    assert records.calls[-1].tags == {"service": "api", "tenant": "acme"}


@pytest.mark.parametrize(
    ("surface", "options", "expected"),
    [
        (CHAT, {"user": "u-2"}, {"tenant": "acme", "user": "u-2"}),
        (CHAT, {"safety_identifier": "u-3"}, {"tenant": "acme", "user": "u-3"}),
        (CHAT, {"metadata": {"tenant": "t", "run": "5"}}, {"tenant": "t", "user": "u-1"}),
        (RESPONSES, {"metadata": {"session": "s"}}, {"tenant": "acme", "user": "u-1", "session": "s"}),
        (ANTHROPIC, {"metadata": {"user_id": "u-4"}}, {"tenant": "acme", "user": "u-4"}),
        (ANTHROPIC, {"metadata": {"user_id": None}}, {"tenant": "acme", "user": "u-1"}),
    ],
)
def test_the_sdks_own_fields(surface: Any, options: Any, expected: dict[str, str], records: Records) -> None:
    """`user` and `metadata` of the request say whose call it is, too; free metadata are not tags."""
    with simulate(surface) as simulator, records.watching(surface.package), tags(tenant="acme", user="u-1"):
        surface.plain(surface.client(simulator.url, False), False, **options)
        assert records.one().tags == expected


def test_odd_fields_are_no_tags() -> None:
    """Whatever a request has in these places, it is a tag only if it is a text."""
    for body in ({"user": 5}, {"metadata": 7}, {"metadata": {"tenant": ["x"]}}, {"user": None}, {"metadata": None}):
        assert call_tags({}, body, {5: "x", "x-tollkeeper-tenant": None}) == {}


@pytest.fixture
def baggage_on() -> Iterator[None]:
    propagate_in_baggage(True)
    yield
    propagate_in_baggage(False)


def test_baggage_is_written_and_taken_back(baggage_on: None) -> None:
    """With `propagate_tags`, tags are baggage while they are in force; others' baggage is left alone."""
    token = context.attach(baggage.set_baggage("theirs", "1"))
    try:
        with tags(tenant="acme", user="u"):
            assert baggage.get_all() == {"theirs": "1", "tollkeeper.tenant": "acme", "tollkeeper.user": "u"}
            with tags(user=None):
                assert baggage.get_all() == {"theirs": "1", "tollkeeper.tenant": "acme"}
                assert current_tags() == {"tenant": "acme"}
        assert baggage.get_all() == {"theirs": "1"}
    finally:
        context.detach(token)


def test_no_baggage_unless_asked_for() -> None:
    """Tags do not leave the process by themselves."""
    with tags(tenant="acme"):
        assert baggage.get_all() == {}


def test_a_hop_over_http(records: Records, baggage_on: None) -> None:
    """Tags of one service are those of the calls that another makes for it; its own win."""
    with Simulator(seed=1) as simulator, records.watching("openai", propagate_tags=True):
        client = CHAT.client(simulator.url, False)

        class Service(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = context.attach(propagate.extract(dict(self.headers.items())))
                try:
                    with tags(feature="inner"):
                        client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
                finally:
                    context.detach(token)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with tags(tenant="acme", feature="outer", note="two words, and=more"):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            httpx.get(f"http://127.0.0.1:{server.server_address[1]}", headers=headers)
        server.shutdown()
        server.server_close()
        call = records.one()
    assert call.tags == {"tenant": "acme", "feature": "inner", "note": "two words, and=more"}


def test_the_option_turns_it_on_and_off() -> None:
    """`propagate_tags` holds for as long as the instrumentation does."""
    handle: Instrumentation = tollkeeper.instrument(propagate_tags=True)
    with tags(tenant="acme"):
        assert baggage.get_all() == {"tollkeeper.tenant": "acme"}
    handle.uninstrument()
    with tags(tenant="acme"):
        assert baggage.get_all() == {}
