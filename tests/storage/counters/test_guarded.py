"""Counters that go away: nobody waits for them, and what was used meanwhile is booked when they are back."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from clocks import START, Clock
from storage.counters.charges import dollars, hold
from storage.counters.failing import Failing
from tollkeeper.storage.counters import Charge, CountersUnavailable, Held, Hold, Level
from tollkeeper.storage.counters.contract import Unacceptable
from tollkeeper.storage.counters.guarded import FIRST_PAUSE, LONGEST_PAUSE, GuardedCounters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters


@pytest.fixture
def memory(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock)


@pytest.fixture
def inner(memory: MemoryCounters) -> Failing:
    return Failing(memory)


@pytest.fixture
def guarded(inner: Failing, clock: Clock) -> GuardedCounters:
    return GuardedCounters(inner, threaded=False, clock=clock)


def reserve(guarded: GuardedCounters, id: str, amount: int = 10) -> Hold:
    asked = hold(id, dollars(amount))
    assert isinstance(guarded.reserve(asked), Held)
    return asked


def go_away(guarded: GuardedCounters, inner: Failing) -> None:
    inner.away = True
    with pytest.raises(CountersUnavailable):
        guarded.read([dollars(0)])


def test_after_one_failure_nobody_asks(guarded: GuardedCounters, inner: Failing) -> None:
    go_away(guarded, inner)
    assert inner.asked == 1
    for _ in range(100):
        with pytest.raises(CountersUnavailable, match="they are away"):
            guarded.reserve(hold("a", dollars(1)))
        with pytest.raises(CountersUnavailable):
            guarded.holds()
    assert inner.asked == 1
    assert guarded.figures == ("offline", 0, 1, 200, 0, 0)


def test_pauses_grow_to_five_seconds_and_begin_anew_with_the_next_outage(
    guarded: GuardedCounters, inner: Failing
) -> None:
    go_away(guarded, inner)
    assert [guarded.attempt() for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    inner.away = False
    assert guarded.attempt() is None
    assert guarded.state == "connected"
    go_away(guarded, inner)
    assert guarded.attempt() == 0.2


def test_what_is_settled_meanwhile_is_booked_in_order_before_anybody_reserves(
    guarded: GuardedCounters, inner: Failing, memory: MemoryCounters
) -> None:
    first, second = reserve(guarded, "a"), reserve(guarded, "b")
    inner.away = True
    assert guarded.settle(first, [7]) == (Level(7, 10),), "as they were last known, and since"
    unasked = hold("c", dollars(10))
    guarded.settle(unasked, [5])
    guarded.settle(second, [8], assumed=True)
    assert guarded.figures[:2] == ("offline", 3)
    inner.away = False
    with pytest.raises(CountersUnavailable):
        guarded.reserve(hold("d", dollars(1)))
    assert guarded.attempt() is None
    assert memory.read([dollars(0)]) == (Level(20, 0, 8),)
    assert guarded.figures == ("connected", 0, 1, 1, 3, 0)
    reserve(guarded, "d", 80)


def test_settled_twice_is_settled_once_however_it_got_there(
    guarded: GuardedCounters, inner: Failing, memory: MemoryCounters
) -> None:
    mine = reserve(guarded, "a")
    inner.mute = True
    guarded.settle(mine, [7])
    guarded.settle(mine, [9])
    inner.mute = False
    guarded.attempt()
    guarded.settle(mine, [10])
    assert memory.read([dollars(0)]) == (Level(7, 0),)


def test_what_was_held_without_our_knowing_is_given_back(
    guarded: GuardedCounters, inner: Failing, memory: MemoryCounters
) -> None:
    inner.mute = True
    with pytest.raises(CountersUnavailable):
        guarded.reserve(hold("a", dollars(10)))
    assert memory.read([dollars(0)]) == (Level(0, 10),)
    inner.mute = False
    assert guarded.attempt() is None
    assert memory.read([dollars(0)]) == (Level(0, 0),)


def test_a_call_that_went_all_the_same_is_booked(
    guarded: GuardedCounters, inner: Failing, memory: MemoryCounters
) -> None:
    unsure = hold("a", dollars(10))
    inner.mute = True
    with pytest.raises(CountersUnavailable):
        guarded.reserve(unsure)
    guarded.settle(unsure, [6])
    inner.mute = False
    assert guarded.attempt() is None
    guarded.settle(unsure, [6])
    assert memory.read([dollars(0)]) == (Level(6, 0),)
    assert memory.holds() == ()


def test_asked_again_it_is_held_and_settled(guarded: GuardedCounters, inner: Failing, memory: MemoryCounters) -> None:
    again = hold("a", dollars(10))
    for _ in range(2):
        inner.mute = True
        with pytest.raises(CountersUnavailable):
            guarded.reserve(again)
        inner.mute = False
        assert guarded.attempt() is None
    assert isinstance(guarded.reserve(again), Held)
    assert memory.read([dollars(0)]) == (Level(0, 10),)
    guarded.settle(again, [4])
    guarded.settle(again, [4])
    assert memory.read([dollars(0)]) == (Level(4, 0),)


def test_the_oldest_is_dropped_and_told_of(
    inner: Failing, clock: Clock, memory: MemoryCounters, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = GuardedCounters(inner, most_kept=3, threaded=False, clock=clock)
    go_away(guarded, inner)
    for number in range(5):
        guarded.settle(hold(f"call-{number}", dollars(1)), [1])
    assert guarded.figures == ("offline", 3, 1, 0, 5, 2)
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(told) == 2
    assert "call-0" in told[0]
    inner.away = False
    guarded.attempt()
    assert memory.read([dollars(0)]) == (Level(3, 0),)


class Picky(Failing):
    def settle(self, hold: Hold, amounts: object, assumed: bool = False) -> tuple[Level, ...]:
        if hold.id == "bad" and not self.away:
            raise Unacceptable("no such thing")
        return super().settle(hold, amounts, assumed)  # type: ignore[arg-type]


def test_what_they_do_not_take_stops_nothing_else(memory: MemoryCounters, clock: Clock) -> None:
    inner = Picky(memory)
    guarded = GuardedCounters(inner, threaded=False, clock=clock)
    with pytest.raises(Unacceptable):
        guarded.settle(hold("bad", dollars(1)), [1])
    assert guarded.state == "connected"
    go_away(guarded, inner)
    for id in ("bad", "good"):
        guarded.settle(hold(id, dollars(1)), [1])
    inner.away = False
    assert guarded.attempt() is None
    assert memory.read([dollars(0)]) == (Level(1, 0),)
    assert guarded.figures.dropped == 1


def test_they_are_degraded_until_all_is_delivered(inner: Failing, clock: Clock) -> None:
    states = []

    class Watched(MemoryCounters):
        def settle(self, hold: Hold, amounts: object, assumed: bool = False) -> tuple[Level, ...]:
            states.append(guarded.state)
            return super().settle(hold, amounts, assumed)  # type: ignore[arg-type]

    inner.inner = Watched(clock)
    guarded = GuardedCounters(inner, threaded=False, clock=clock)
    go_away(guarded, inner)
    guarded.settle(hold("a", dollars(1)), [1])
    inner.away = False
    guarded.attempt()
    assert states == ["degraded"]
    assert guarded.state == "connected"


def test_each_change_is_logged_once(guarded: GuardedCounters, inner: Failing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tollkeeper")
    go_away(guarded, inner)
    for _ in range(10):
        guarded.settle(hold("a", dollars(1)), [1])
        guarded.attempt()
    inner.away = False
    guarded.attempt()
    words = [each.getMessage().split(":")[0] for each in caplog.records]
    assert words == [
        "the counters of the limits are away",
        "the counters of the limits answer again",
        "the counters of the limits are back, and all that was used meanwhile is booked",
    ]


def test_time_goes_on_while_they_are_away(guarded: GuardedCounters, inner: Failing, clock: Clock) -> None:
    ahead = Clock()
    ahead.now = START + 500
    inner.inner = MemoryCounters(ahead)
    reserve(guarded, "a")
    go_away(guarded, inner)
    clock.now += 1000
    assert guarded.now() == START + 1500


def test_a_thread_asks_until_they_answer(inner: Failing, clock: Clock, memory: MemoryCounters) -> None:
    go_on, pauses, waits = threading.Semaphore(0), list[float](), threading.Semaphore(0)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        waits.release()
        return not go_on.acquire(timeout=30)

    guarded = GuardedCounters(inner, wait, clock=clock)
    go_away(guarded, inner)
    guarded.settle(hold("a", dollars(1)), [1])
    assert waits.acquire(timeout=30)
    go_on.release()
    assert waits.acquire(timeout=30)
    assert pauses == [0.1, 0.2]
    thread = guarded._thread
    assert thread is not None
    inner.away = False
    go_on.release()
    thread.join(30)
    assert not thread.is_alive()
    assert guarded.state == "connected"
    assert memory.read([dollars(0)]) == (Level(1, 0),)


def test_a_thread_ends_with_the_counters_that_it_asks_for(inner: Failing, clock: Clock) -> None:
    go_on = threading.Event()
    guarded = GuardedCounters(inner, lambda seconds: not go_on.wait(30), clock=clock)
    go_away(guarded, inner)
    thread = guarded._thread
    assert thread is not None
    del guarded
    gc.collect()
    go_on.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_is_kept_at_the_end_is_delivered_or_told_of(
    guarded: GuardedCounters, inner: Failing, memory: MemoryCounters, caplog: pytest.LogCaptureFixture
) -> None:
    go_away(guarded, inner)
    guarded.settle(hold("a", dollars(1)), [1])
    guarded.close()
    assert "1 settlements could not be delivered" in caplog.text
    inner.away = False
    guarded.close()
    assert memory.read([dollars(0)]) == (Level(1, 0),)


def test_a_forked_child_asks_for_itself_and_delivers_nothing_of_its_parent(
    guarded: GuardedCounters, inner: Failing
) -> None:
    go_away(guarded, inner)
    guarded.settle(hold("a", dollars(1)), [1])
    inner.away = False
    child = os.fork()
    if child == 0:
        os._exit(0 if guarded.figures == ("connected", 0, 0, 0, 0, 0) and guarded.holds() == () else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert guarded.figures.kept == 1


def test_its_thread_outlives_a_fault(memory: MemoryCounters, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    back = threading.Event()

    class Faulty(Failing):
        def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
            if self.away and pauses:
                self.away = False
                raise ZeroDivisionError("on purpose")
            return super().read(charges)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    inner = Faulty(memory)
    guarded = GuardedCounters(inner, wait, clock=clock)
    go_away(guarded, inner)
    for _ in range(1000):
        if guarded.state == "connected":
            break
        back.wait(0.01)
    assert guarded.state == "connected" and pauses == [FIRST_PAUSE, LONGEST_PAUSE]
    assert "could not be asked again" in caplog.text and "on purpose" in caplog.text


def test_what_cannot_be_booked_at_all_keeps_nothing_else_waiting(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite has no such numbers."""
    sqlite = SqliteCounters(tmp_path / "counters.db", clock, 10.0)
    inner = Failing(sqlite)
    guarded = GuardedCounters(inner, threaded=False, clock=clock)
    first, second = reserve(guarded, "a"), reserve(guarded, "b")
    inner.away = True
    guarded.settle(first, [2**70])
    guarded.settle(second, [7])
    inner.away = False
    assert guarded.attempt() is None
    assert guarded.read([dollars(0)]) == (Level(7, 10),) and guarded.figures.dropped == 1
    assert "what a has used cannot be booked" in caplog.text
