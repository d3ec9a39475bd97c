"""However slowly a name is looked up, and however many of its addresses are dead: each question has its time."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from services.ports import free_port
from services.redis import RedisServer
from sidecar.api.serving import serving
from storage.counters.charges import dollars
from tollkeeper.sidecar.api.counters import CounterDesk
from tollkeeper.storage.counters import Counters, CountersUnavailable, Level
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.host import Host
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.remote import RemoteCounters

NAME = "counters.example"
PATIENT = 10.0


class Names:
    """What knows the addresses of `NAME`; a test may have it wait."""

    def __init__(self) -> None:
        self.addresses: list[tuple[str, int]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = 0
        self._known = socket.getaddrinfo

    def __call__(self, host: str, port: int, *rest: Any, flags: int = 0, **named: Any) -> list[Any]:
        if host != NAME or flags & socket.AI_NUMERICHOST:
            return self._known(host, port, *rest, flags=flags, **named)
        self.asked += 1
        assert self.go_on.wait(30)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.go_on.set()


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """Who does not even take connections: its queue of them is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(8):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        yield server.getsockname()
        for each in waiting:
            each.close()


@pytest.fixture(params=["remote", "redis"])
def make(request: pytest.FixtureRequest) -> Callable[..., Counters]:
    if request.param == "remote":
        return lambda seconds: RemoteCounters(f"http://{NAME}:1", seconds=seconds)
    return lambda seconds: RedisCounters(f"redis://{NAME}:1", timeout_seconds=seconds)


def took(question: Callable[[], object]) -> float:
    start = time.monotonic()
    with pytest.raises(CountersUnavailable):
        question()
    return time.monotonic() - start


def test_a_name_that_nobody_knows_yet_costs_no_more_than_the_time(names: Names, make: Callable[..., Counters]) -> None:
    names.go_on.clear()
    counters = make(0.05)
    for _ in range(3):
        assert took(lambda: counters.read([dollars(0)])) < 1
    assert names.asked == 1, "it is still being looked up"


def test_all_addresses_together_have_no_more_than_the_time(
    names: Names, make: Callable[..., Counters], deaf: tuple[str, int]
) -> None:
    names.addresses = [deaf] * 8
    counters = make(0.25)
    assert 0.2 < took(lambda: counters.read([dollars(0)])) < 1


def test_one_address_of_many_is_found_and_asked_first_from_then_on(names: Names, deaf: tuple[str, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        names.addresses = [deaf, ("127.0.0.1", free_port()), server.getsockname()]
        host = Host(NAME, 1)
        for longest in (30.0, 3.0):
            start = time.monotonic()
            host.connect(start + 9).close()
            assert time.monotonic() - start < longest
        assert names.asked == 1


def test_it_is_looked_up_again_when_it_cannot_be_reached(names: Names) -> None:
    """A failure of the name service is one of the counters; and who has moved is found at his new address."""
    counters = RemoteCounters(f"http://{NAME}:1", seconds=PATIENT)
    with pytest.raises(CountersUnavailable, match="could not be looked up: .*Temporary failure"):
        counters.read([dollars(0)])
    names.addresses = [("127.0.0.1", free_port())]
    with pytest.raises(CountersUnavailable, match="refused"):
        counters.read([dollars(0)])
    with serving(CounterDesk(MemoryCounters(), None).over(Starlette())) as url:
        names.addresses = [("127.0.0.1", int(url.rpartition(":")[2]))]
        assert counters.read([dollars(0)]) == (Level(0, 0),)
        asked = names.asked
        counters.close()
        assert counters.read([dollars(0)]) == (Level(0, 0),)
        assert names.asked == asked


def test_the_guard_s_next_attempt_finds_what_was_looked_up_meanwhile(names: Names, redis_server: RedisServer) -> None:
    names.addresses = [("127.0.0.1", redis_server.port)]
    names.go_on.clear()
    redis = RedisCounters(f"redis://{NAME}:1", timeout_seconds=0.05)
    guarded = GuardedCounters(redis, threaded=False)
    assert took(lambda: guarded.read([dollars(0)])) < 1
    assert took(lambda: guarded.read([dollars(0)])) < 0.05, "nobody waits for it again"
    names.go_on.set()
    deadline = time.monotonic() + 30
    while guarded.attempt() is not None:
        assert time.monotonic() < deadline
    assert guarded.read([dollars(0, key="nobody's")]) == (Level(0, 0),)


def test_redis_below_tls_is_reached_in_the_same_way(names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        names.addresses = [server.getsockname()]
        said: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            said.append(connection.recv(1000))
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(CountersUnavailable):
            RedisCounters(f"rediss://{NAME}:1", timeout_seconds=PATIENT).read([dollars(0)])
        assert NAME.encode() in said[0], "the name is what the certificate is to be for"


def test_a_forked_child_looks_up_for_itself(names: Names) -> None:
    names.go_on.clear()
    host = Host(NAME, 1)
    host.look_up()
    with socket.create_server(("127.0.0.1", 0)) as server:
        names.addresses = [server.getsockname()]
        child = os.fork()
        if child == 0:
            names.go_on = threading.Event()
            names.go_on.set()
            host.connect(time.monotonic() + PATIENT)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
