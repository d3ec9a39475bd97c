"""What every kind of counters must do."""

from __future__ import annotations

import pytest

from tollkeeper.storage.counters import Charge, Held, Hold, Level, Refused
from tollkeeper.storage.counters.memory import MemoryCounters

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock)


def hold(id: str, *charges: Charge, seconds: int = 60) -> Hold:
    return Hold(id, "test", START + seconds * SECOND, charges)


def dollars(amount: int, cap: int = 100, key: str = "usd") -> Charge:
    return Charge(key, amount, cap, until=START + 3600 * SECOND)


def test_all_or_none(counters: MemoryCounters) -> None:
    full = counters.reserve(hold("a", dollars(60), dollars(60, key="tenant")))
    assert full == Held((Level(0, 60), Level(0, 60)))
    refused = counters.reserve(hold("b", dollars(40, key="other"), dollars(41)))
    assert refused == Refused(1, Level(0, 60), START + 3600 * SECOND)
    assert counters.read([dollars(0, key="other")]) == (Level(0, 0),)


def test_what_was_used_is_booked_once_and_over_the_cap_too(counters: MemoryCounters) -> None:
    mine = hold("a", dollars(60))
    counters.reserve(mine)
    assert counters.settle(mine, [149]) == (Level(149, 0),)
    assert counters.settle(mine, [149]) == (Level(149, 0),)
    assert isinstance(counters.reserve(hold("b", dollars(1))), Refused)


def test_what_nobody_settles_is_charged_in_full_and_corrected_later(counters: MemoryCounters, clock: Clock) -> None:
    mine = hold("a", dollars(60), seconds=10)
    counters.reserve(mine)
    clock.now += 10 * SECOND
    assert counters.read([dollars(0)]) == (Level(60, 0, 60),)
    assert counters.holds() == ()
    assert counters.settle(mine, [20]) == (Level(20, 0, 0),)
    assert counters.settle(mine, [20]) == (Level(20, 0, 0),)


def test_a_rate_lets_the_burst_through_and_then_the_rate(counters: MemoryCounters, clock: Clock) -> None:
    def one(id: str) -> Hold:
        return hold(id, Charge("rate", 1, 60, kind="rate", window=60 * SECOND, burst=3))

    assert all(isinstance(counters.reserve(one(f"{n}")), Held) for n in range(3))
    assert counters.reserve(one("3")) == Refused(0, Level(3, 0), START + SECOND)
    clock.now += SECOND
    assert counters.reserve(one("4")) == Held((Level(3, 0),))
    counters.settle(one("4"), [0])
    assert isinstance(counters.reserve(one("5")), Held)


def test_slots_are_free_again_when_a_call_ends(counters: MemoryCounters) -> None:
    def slot(id: str) -> Hold:
        return hold(id, Charge("slots", 1, 2, kind="slots"))

    assert isinstance(counters.reserve(slot("a")), Held)
    assert isinstance(counters.reserve(slot("b")), Held)
    assert counters.reserve(slot("c")) == Refused(0, Level(0, 2), None)
    counters.settle(slot("a"), [1])
    assert isinstance(counters.reserve(slot("c")), Held)
