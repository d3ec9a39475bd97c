"""A bucket never lets through more than its burst and what it is refilled, however its numbers are rounded."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clocks import Clock
from crash_rounds import rounds
from services.redis import RedisServer
from storage.counters.charges import HOUR, SECOND, hold
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.storage.counters import Charge, Counters, Held, Level, Refused
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

EXAMPLES = 100 * rounds(1)
LONGEST = 31 * 86_400 * 10**9

caps = st.one_of(st.integers(1, 100), st.integers(1, LARGEST_AMOUNT))
windows = st.one_of(st.just(60 * 10**9), st.integers(10**9, LONGEST))
parts = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10**8)), min_size=2, max_size=25)
moves = st.one_of(st.integers(0, 10**8), st.integers(-(10**8), 10**8), st.integers(-(10**10), 10**10))
"""Of a clock, in µs: of up to a minute and a half, or three hours."""


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Clock], Counters]:
    if request.param == "memory":
        return MemoryCounters
    if request.param == "sqlite":
        return lambda clock: SqliteCounters(tmp_path / f"{uuid.uuid4().hex}.db", clock, 10.0)
    server: RedisServer = request.getfixturevalue("redis_server")
    return lambda clock: RedisCounters(server.url, uuid.uuid4().hex, 10.0, server_clock=clock)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(cap=caps, burst=caps, window=windows, parts=parts)
def test_never_more_than_the_burst_and_the_refill(
    make: Callable[[Clock], Counters], cap: int, burst: int, window: int, parts: list[tuple[int, int]]
) -> None:
    clock = Clock()
    counters = make(clock)
    admitted: list[tuple[int, int]] = []
    for number, (part, later) in enumerate(parts):
        clock.now += later * 1000
        charge = Charge("rate", max(burst // part, 1), cap, kind="rate", window=window, burst=burst)
        answer = counters.reserve(hold(f"{number}", charge, at=clock.now))
        if isinstance(answer, Held):
            admitted.append((clock.now, charge.amount))
        elif answer.retry_at is not None:
            assert answer.retry_at > clock.now
    for first, (start, _) in enumerate(admitted):
        through = 0
        for end, amount in admitted[first:]:
            through += amount
            assert (through - burst) * window <= cap * (end - start)
    counters.close()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    cap=caps,
    window=windows,
    steps=st.lists(st.tuples(st.sampled_from("hsr"), st.integers(1, 60), moves), min_size=2, max_size=25),
)
def test_a_clock_that_is_set_lets_nothing_more_through_and_shuts_nobody_out(
    make: Callable[[Clock], Counters], cap: int, window: int, steps: list[tuple[str, int, int]]
) -> None:
    """By the time that went forward, it is refilled; and full again after no more than the time that this takes."""
    clock = Clock()
    counters = make(clock)
    forward = 0
    admitted: list[tuple[int, int]] = []
    for number, (word, part, move) in enumerate(steps):
        clock.now += move * 1000
        forward += max(move * 1000, 0)
        charge = Charge("rate", max(cap // part, 1), cap, kind="rate", window=window, burst=cap)
        asked = hold(f"{number}", charge, at=clock.now, seconds=10**6)
        if word == "r":
            assert counters.read([charge])[0].spent <= cap
        elif isinstance(answer := counters.reserve(asked), Refused):
            assert answer.retry_at is not None and clock.now < answer.retry_at <= clock.now + window + 1000 * len(steps)
        elif word == "s":
            counters.settle(asked, [charge.amount])
            admitted.append((forward, charge.amount))
        else:
            admitted.append((forward, charge.amount))
    for first, (start, _) in enumerate(admitted):
        through = 0
        for end, amount in admitted[first:]:
            through += amount
            assert (through - cap) * window <= cap * (end - start)
    counters.close()


def test_an_hour_back_is_no_lockout_of_an_hour(make: Callable[[Clock], Counters]) -> None:
    clock = Clock()
    counters = make(clock)
    sixty = Charge("rate", 1, 60, kind="rate", window=60 * SECOND, burst=60)
    for number in range(60):
        assert isinstance(counters.reserve(hold(f"{number}", sixty, seconds=10**6)), Held)
    clock.now -= HOUR
    refused = counters.reserve(hold("refused", sixty, at=clock.now))
    assert refused == Refused(0, Level(60, 0), clock.now + SECOND)
    clock.now += SECOND - 1000
    assert isinstance(counters.reserve(hold("too soon", sixty, at=clock.now)), Refused)
    clock.now += 1000
    assert isinstance(counters.reserve(hold("in time", sixty, at=clock.now)), Held)
    assert isinstance(counters.reserve(hold("too many", sixty, at=clock.now)), Refused)
    clock.now += HOUR
    assert counters.read([sixty]) == (Level(0, 0),)
    counters.close()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(cap=caps, window=windows, part=st.integers(1, 5))
def test_there_is_room_when_it_says_so(make: Callable[[Clock], Counters], cap: int, window: int, part: int) -> None:
    clock = Clock()
    counters = make(clock)
    charge = Charge("rate", max(cap // part, 1), cap, kind="rate", window=window, burst=cap)
    for number in range(100):
        answer = counters.reserve(hold(f"{number}", charge))
        if isinstance(answer, Refused):
            break
    assert isinstance(answer, Refused) and answer.retry_at is not None
    clock.now = answer.retry_at
    assert isinstance(counters.reserve(hold("then", charge, at=clock.now)), Held)
    counters.close()


def test_what_was_used_is_told_as_whole_numbers(make: Callable[[Clock], Counters]) -> None:
    counters = make(Clock())
    seven = Charge("rate", 1, 7, kind="rate", window=60 * 10**9, burst=7)
    # For the last, what all costs were rounded up by must be refilled first: some ns.
    levels = [counters.reserve(hold(f"{number}", seven)) for number in range(6)]
    assert levels == [Held((Level(number + 1, 0),)) for number in range(6)]
