"""The emergency in counters of every kind: entered once, by whomever, and left by a person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from clocks import START, Clock
from storage.counters.charges import HOUR, dollars, rate
from storage.counters.conftest import counters, served_url  # noqa: F401  fixtures
from tollkeeper.storage.counters import Counters, Hold
from tollkeeper.storage.emergency import WATCH, EmergencySwitch, is_emergency


def test_it_is_entered_and_left(counters: Counters) -> None:  # noqa: F811  the fixture
    here, there = EmergencySwitch(counters, "here"), EmergencySwitch(counters, "there")
    assert not here.is_on()
    assert not here.leave()
    assert here.enter()
    assert not there.enter(), "there is one already"
    assert there.is_on()
    assert there.leave()
    assert not here.leave()
    assert not here.is_on()
    assert here.enter()
    assert there.is_on()


def test_each_call_tells_of_it(counters: Counters) -> None:  # noqa: F811  the fixture
    EmergencySwitch(counters, "here").enter()
    hold = Hold("call", "there", START + HOUR, (dollars(1), WATCH))
    answer = counters.reserve(hold)
    assert is_emergency(answer.levels[-1])  # type: ignore[union-attr]
    assert is_emergency(counters.settle(hold, (1, 0))[-1])


def test_many_who_enter_at_once_enter_once(counters: Counters) -> None:  # noqa: F811  the fixture
    switch = EmergencySwitch(counters, "here")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: switch.enter(), range(24)))
        assert switch.is_on()
        list(pool.map(lambda _: switch.leave(), range(24)))
        assert not switch.is_on()


def test_a_limit_brings_one_about_once_a_period(counters: Counters, clock: Clock) -> None:  # noqa: F811  fixtures
    switch = EmergencySwitch(counters, "here")
    this_hour, rolling = dollars(0, key="hour 1"), rate(0, key="rate")
    for cause in (this_hour, rolling):
        assert switch.enter_once(cause)
        assert not switch.enter_once(cause)
        assert switch.leave()
        assert not switch.enter_once(cause), "who has ended it is not overruled"
    assert not switch.is_on()
    clock.now = START + HOUR
    assert switch.enter_once(dollars(0, key="hour 2", until=START + 2 * HOUR))
    assert switch.leave()
    assert switch.enter_once(rolling)


def test_it_does_not_end_by_itself(counters: Counters, clock: Clock) -> None:  # noqa: F811  fixtures
    switch = EmergencySwitch(counters, "here")
    switch.enter()
    clock.now = START + 90 * 24 * HOUR
    assert switch.is_on()
