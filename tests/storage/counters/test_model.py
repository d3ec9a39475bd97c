"""All kinds of counters do, step by step, what the simplest ones do."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clocks import START, Clock
from crash_rounds import rounds
from services.redis import RedisServer
from storage.counters.charges import HOUR, SECOND
from storage.counters.reference import Reference
from tollkeeper.storage.counters import Charge, Counters, Hold
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

EXAMPLES = 60 * rounds(1)
MILLISECOND = 1_000_000

KEYS = (
    Charge("day", 0, 100, until=START + HOUR),
    Charge("for ever", 0, 60, until=0),
    Charge("only counted", 0, 5, hard=False, until=START + HOUR),
    Charge("slots", 0, 2, kind="slots"),
    Charge("a second", 0, 60, kind="rate", window=60 * SECOND, burst=20),
    Charge("a tenth", 0, 600, kind="rate", window=60 * SECOND, burst=50),
    Charge("soft rate", 0, 60, hard=False, kind="rate", window=60 * SECOND, burst=5),
)

amounts = st.one_of(st.integers(0, 3), st.integers(0, 120))


@st.composite
def charges(draw: st.DrawFn) -> tuple[Charge, ...]:
    drawn = draw(st.lists(st.sampled_from(KEYS), max_size=5, unique=True))
    return tuple(charge._replace(amount=1 if charge.kind == "slots" else draw(amounts)) for charge in drawn)


reserves = st.tuples(st.just("reserve"), charges(), st.integers(0, 90_000))
again = st.tuples(st.just("again"), st.integers(0, 30))
settles = st.tuples(st.just("settle"), st.integers(0, 30), st.lists(amounts, min_size=5, max_size=5), st.booleans())
unknown = st.tuples(st.just("unknown"), charges(), st.lists(amounts, min_size=5, max_size=5), st.booleans())
ticks = st.tuples(st.just("tick"), st.one_of(st.integers(0, 5_000), st.integers(-20_000, 100_000)))
steps = st.lists(st.one_of(reserves, reserves, settles, again, unknown, ticks), min_size=5, max_size=40)


def play(counters: Counters, clock: Clock, steps: list[tuple]) -> None:
    """The same to both; whatever they answer is the same."""
    reference = Reference(START)
    made: list[Hold] = []
    for place, (word, *drawn) in enumerate(steps):
        match word, drawn:
            case "tick", [milliseconds]:
                clock.now = reference.now = clock.now + milliseconds * MILLISECOND
            case "reserve", [its_charges, milliseconds]:
                made.append(Hold(f"{place}", "test", clock.now + milliseconds * MILLISECOND, its_charges))
                assert counters.reserve(made[-1]) == reference.reserve(made[-1])
            case "again", [number] if made:
                hold = made[number % len(made)]
                assert counters.reserve(hold) == reference.reserve(hold)
            case "settle", [number, used, assumed] if made:
                hold = made[number % len(made)]
                used = used[: len(hold.charges)]
                assert counters.settle(hold, used, assumed) == reference.settle(hold, used, assumed)
            case "unknown", [its_charges, used, assumed]:
                hold = Hold(f"{place}", "test", clock.now + SECOND, its_charges)
                used = used[: len(hold.charges)]
                assert counters.settle(hold, used, assumed) == reference.settle(hold, used, assumed)
        assert counters.read(KEYS) == reference.read(KEYS)
        assert {hold.id: hold for hold in counters.holds()} == reference.live


@pytest.fixture(params=["memory", "sqlite", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> RedisServer | None:
    return request.getfixturevalue("redis_server") if kind == "redis" else None


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_they_answer_as_the_reference_does(kind: str, server: RedisServer | None, steps: list[tuple]) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        if kind == "memory":
            counters: Counters = MemoryCounters(clock)
        elif kind == "sqlite":
            counters = SqliteCounters(Path(folder) / "counters.db", clock, 10.0)
        else:
            assert server is not None
            counters = RedisCounters(server.url, uuid.uuid4().hex, 10.0, server_clock=clock)
        play(counters, clock, steps)
        counters.close()
