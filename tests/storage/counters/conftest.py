"""Counters of every kind, by a clock that a test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.counters.charges import Clock
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

KINDS = ("memory", "sqlite", "redis")
SECONDS = 10.0
"""For an answer: a busy machine is no fault of the counters."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
def counters(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Counters]:
    """Counters that are empty, once of each kind."""
    if request.param == "memory":
        made: Counters = MemoryCounters(clock)
    elif request.param == "sqlite":
        made = SqliteCounters(tmp_path / "counters.db", clock, SECONDS)
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
