"""Counters of every kind, by a clock that a test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from clocks import Clock
from storage.counters.failing import Far
from storage.counters.serving import serving
from tollkeeper.storage.counters import Charge, Counters, Held, Hold, Level, Refused
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.remote import RemoteCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

KINDS = ("memory", "sqlite", "redis", "remote", "guarded", "leased", "posted", "posted remote", "posted leased")
SECONDS = 10.0
"""For an answer: a busy machine is no fault of the counters."""


class Attended(LeasedCounters):
    """As if their thread always looked after them just before a question."""

    def reserve(self, hold: Hold) -> Held | Refused:
        self.tick()
        return super().reserve(hold)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        self.tick()
        return super().read(charges)


class Told(GuardedCounters):
    """What is settled is posted, and then asked for."""

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        super().settle(hold, amounts, assumed)
        return self.read(hold.charges)


class AttendedTold(Attended):
    """The same, with leases."""

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        super().settle(hold, amounts, assumed)
        return self.read(hold.charges)


@pytest.fixture
def served_url(clock: Clock, tmp_path: Path) -> Iterator[str]:
    """Where a server answers for counters that are empty."""
    with serving(MemoryCounters(clock), tmp_path / "counters.sock") as url:
        yield url


@pytest.fixture(params=KINDS)
def counters(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Counters]:
    """Counters that are empty, once of each kind."""
    if request.param == "memory":
        made: Counters = MemoryCounters(clock)
    elif request.param == "sqlite":
        made = SqliteCounters(tmp_path / "counters.db", clock, SECONDS)
    elif request.param == "remote":
        url = request.getfixturevalue("served_url")
        made = RemoteCounters(url, seconds=SECONDS, clock=clock)
    elif request.param == "posted remote":
        url = request.getfixturevalue("served_url")
        made = Told(RemoteCounters(url, seconds=SECONDS, clock=clock), threaded=False, clock=clock)
    elif request.param == "posted":
        made = Told(Far(MemoryCounters(clock)), threaded=False, clock=clock)
    elif request.param == "posted leased":
        posted = GuardedCounters(Far(MemoryCounters(clock)), threaded=False, clock=clock)
        made = AttendedTold(posted, clock, threaded=False)
    elif request.param == "guarded":
        made = GuardedCounters(MemoryCounters(clock), threaded=False, clock=clock)
    elif request.param == "leased":
        made = Attended(GuardedCounters(MemoryCounters(clock), threaded=False, clock=clock), clock, threaded=False)
    else:
        server = request.getfixturevalue("redis_server")
        made = RedisCounters(server.url, uuid.uuid4().hex, SECONDS, server_clock=clock)
    yield made
    made.close()


@pytest.fixture(params=("sqlite", "redis"))
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of counters that are empty, and that several processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'counters.db'}?timeout={SECONDS}"
    server = request.getfixturevalue("redis_server")
    return f"{server.url}?prefix={uuid.uuid4().hex}&timeout={SECONDS}"


@pytest.fixture
def redis_counters(redis_server: object, clock: Clock) -> Iterator[Callable[..., RedisCounters]]:
    """`RedisCounters` of a prefix of the test's own; each call is another process's, so to say."""
    prefix = uuid.uuid4().hex
    made: list[RedisCounters] = []

    def make(**options: object) -> RedisCounters:
        made.append(RedisCounters(redis_server.url, **{"prefix": prefix, "timeout_seconds": SECONDS, **options}))  # type: ignore[attr-defined]
        return made[-1]

    yield make
    for each in made:
        each.close()
