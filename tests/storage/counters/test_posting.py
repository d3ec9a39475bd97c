"""What is settled with counters far away leaves the call: it goes along with the next question, or by itself soon."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from clocks import Clock
from storage.counters.charges import dollars, hold, rate, slot
from storage.counters.failing import Failing, Far
from storage.counters.serving import serving
from tollkeeper.storage.counters import CountersUnavailable, Held, Hold, Level, Refused
from tollkeeper.storage.counters.contract import Reckoned, Settlement, Unacceptable
from tollkeeper.storage.counters.guarded import IDLE_TURNS, MOST_CARRIED, MOST_UNSENT, TURN, GuardedCounters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.remote import RemoteCounters


@pytest.fixture
def memory(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock)


@pytest.fixture
def far(memory: MemoryCounters) -> Far:
    return Far(memory)


@pytest.fixture
def guarded(far: Far, clock: Clock) -> GuardedCounters:
    return GuardedCounters(far, threaded=False, clock=clock)


def reserve(guarded: GuardedCounters, id: str, amount: int = 10, cap: int = 100) -> Hold:
    asked = hold(id, dollars(amount, cap))
    assert isinstance(guarded.reserve(asked), Held)
    return asked


def test_it_goes_along_with_the_next_reservation_and_before_it(guarded: GuardedCounters, far: Far) -> None:
    first = reserve(guarded, "a", 100)
    asked = far.asked
    told = guarded.settle(first, [60])
    assert far.asked == asked and isinstance(told, Reckoned) and told == (Level(60, 0),)
    assert guarded.reserve(hold("b", dollars(40))) == Held((Level(60, 40),)), "there was no room but for the settlement"
    assert far.questions == ["1 settled, then b"]
    assert guarded.figures == ("connected", 0, 0, 0, 0, 0)


def test_a_slot_is_free_for_the_next_call_of_the_same_thread(far: Far, clock: Clock) -> None:
    guarded = GuardedCounters(far, threaded=False, clock=clock)
    for number in range(5):
        mine = hold(f"{number}", slot(1))
        assert isinstance(guarded.reserve(mine), Held)
        assert guarded.settle(mine, [1]) == (Level(0, 0),)


def test_whoever_reads_sees_it(guarded: GuardedCounters, far: Far) -> None:
    guarded.settle(reserve(guarded, "a"), [7])
    assert guarded.read([dollars(0)]) == (Level(7, 0),)
    guarded.settle(reserve(guarded, "b"), [1])
    assert guarded.holds() == ()
    assert far.questions == ["1 settled", "1 settled"]


def test_what_no_question_takes_along_is_sent_after_a_turn(
    guarded: GuardedCounters, far: Far, memory: MemoryCounters
) -> None:
    guarded.settle(reserve(guarded, "a"), [7])
    assert guarded.turn() == TURN and not far.questions, "it has not waited for a whole turn"
    assert guarded.turn() == TURN
    assert memory.read([dollars(0)]) == (Level(7, 0),) and far.questions == ["1 settled"]
    assert [guarded.turn() for _ in range(IDLE_TURNS + 1)] == [TURN] * IDLE_TURNS + [None]


def test_a_thread_sends_it(far: Far, clock: Clock, memory: MemoryCounters) -> None:
    turns = threading.Semaphore(0)
    done = threading.Semaphore(0)

    def wait(seconds: float) -> bool:
        done.release()
        return not turns.acquire(timeout=30)

    guarded = GuardedCounters(far, wait, clock=clock)
    mine = reserve(guarded, "a")
    assert guarded._thread is None, "nobody is needed yet"
    guarded.settle(mine, [7])
    for _ in range(2):
        assert done.acquire(timeout=30)
        turns.release()
    assert done.acquire(timeout=30)
    assert memory.read([dollars(0)]) == (Level(7, 0),)
    guarded.close()
    turns.release()


def test_it_is_sent_even_if_the_counters_are_let_go_of(far: Far, clock: Clock, memory: MemoryCounters) -> None:
    go_on = threading.Event()
    guarded = GuardedCounters(far, lambda seconds: not go_on.wait(30), clock=clock)
    guarded.settle(reserve(guarded, "a"), [7])
    thread = guarded._thread
    assert thread is not None
    del guarded
    gc.collect()
    go_on.set()
    thread.join(30)
    assert not thread.is_alive() and memory.read([dollars(0)]) == (Level(7, 0),)


def test_closing_sends_it_and_what_ends_after_that_is_booked_at_once(
    guarded: GuardedCounters, memory: MemoryCounters
) -> None:
    first, second = reserve(guarded, "a"), reserve(guarded, "b")
    guarded.settle(first, [7])
    guarded.close()
    assert memory.read([dollars(0)]) == (Level(7, 10),)
    assert guarded.settle(second, [8]) == (Level(15, 0),)
    assert memory.read([dollars(0)]) == (Level(15, 0),)


@pytest.mark.parametrize("how", ["away", "mute"])
def test_what_could_not_be_sent_is_kept_and_booked_once(
    guarded: GuardedCounters, far: Far, memory: MemoryCounters, how: str
) -> None:
    guarded.settle(reserve(guarded, "a"), [7])
    setattr(far, how, True)
    with pytest.raises(CountersUnavailable):
        guarded.reserve(hold("b", dollars(5)))
    guarded.settle(hold("c", dollars(5)), [3])
    assert guarded.figures[:2] == ("offline", 3), "b may be held, and is given back"
    setattr(far, how, False)
    assert guarded.attempt() is None
    assert memory.read([dollars(0)]) == (Level(10, 0),) and memory.holds() == ()
    assert guarded.figures == ("connected", 0, 1, 0, 3, 0)


def test_the_thread_finds_out_that_they_are_away(guarded: GuardedCounters, far: Far, memory: MemoryCounters) -> None:
    guarded.settle(reserve(guarded, "a"), [7])
    far.away = True
    guarded.turn()
    assert guarded.turn() == 0.1 and guarded.state == "offline"
    assert guarded.turn() == 0.2
    far.away = False
    assert guarded.turn() is None and guarded.state == "connected"
    assert memory.read([dollars(0)]) == (Level(7, 0),)


def test_many_are_sent_in_part_by_those_who_settle(far: Far, clock: Clock, memory: MemoryCounters) -> None:
    guarded, calls = GuardedCounters(far, threaded=False, clock=clock), MOST_UNSENT + 5
    for mine in [reserve(guarded, f"{number}", 1, 10**6) for number in range(calls)]:
        guarded.settle(mine, [1])
        assert len(guarded._kept) <= MOST_UNSENT
    assert far.questions == [f"{MOST_CARRIED} settled"]
    assert guarded.reserve(hold("last", dollars(1, 10**6))) == Held((Level(calls, 1),))
    assert far.questions[-1] == f"{MOST_CARRIED} settled, then last"


class Picky(Far):
    """Do not take one of them, nor all that is told together with it."""

    def settle(self, hold: Hold, amounts: object, assumed: bool = False) -> tuple[Level, ...]:
        if hold.id == "bad":
            raise Unacceptable("no such thing")
        return super().settle(hold, amounts, assumed)  # type: ignore[arg-type]

    def _settle(self, settled: object) -> None:
        for each in settled:  # type: ignore[attr-defined]
            self.settle(*each)


def test_one_that_is_not_taken_keeps_nothing_else_waiting(
    memory: MemoryCounters, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = GuardedCounters(Picky(memory), threaded=False, clock=clock)
    for ids in (("good", "bad", "better"), ("best", "bad")):
        for id in ids:
            guarded.settle(hold(id, dollars(10)), [1])
        if "best" in ids:
            assert guarded.reserve(hold("next", dollars(10))) == Held((Level(3, 10),))
        else:
            guarded.read([])
    assert memory.read([dollars(0)]) == (Level(3, 10),)
    assert guarded.figures == ("connected", 0, 0, 0, 0, 2) and "do not take what bad has used" in caplog.text


def test_amounts_that_do_not_fit_are_refused_at_once(guarded: GuardedCounters) -> None:
    with pytest.raises(ValueError, match="2 amounts for 1 charges"):
        guarded.settle(hold("a", dollars(10)), [1, 2])
    assert guarded.figures.kept == 0


def test_a_forked_child_sends_nothing_of_its_parent(guarded: GuardedCounters) -> None:
    guarded.settle(reserve(guarded, "a"), [7])
    child = os.fork()
    if child == 0:
        os._exit(len(guarded._kept))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert guarded.figures.kept == 1


def test_levels_are_reckoned_for_each_kind(far: Far, clock: Clock) -> None:
    guarded = GuardedCounters(far, threaded=False, clock=clock)
    charges = (dollars(10, key="a"), rate(5, 60, 60), slot(3))
    mine = hold("a", *charges)
    assert guarded.reserve(mine) == Held((Level(0, 10), Level(5, 0), Level(0, 1)))
    assert guarded.settle(mine, [4, 2, 1], True) == (Level(4, 0, 4), Level(2, 0), Level(0, 0))
    assert guarded.read(charges) == (Level(4, 0, 4), Level(2, 0), Level(0, 0))


def test_threads_never_go_over_the_cap_and_use_it_up(tmp_path: Path, memory: MemoryCounters, clock: Clock) -> None:
    """One process, without leases, whose threads settle for each other."""
    cap, threads = 3000, 4

    def work(number: int) -> int:
        chance, refused, used, calls = Random(number), 0, 0, 0
        while refused < 20:
            calls += 1
            amount = chance.randint(1, 40)
            mine = hold(f"{number}-{calls}", dollars(amount, cap), slot(threads))
            answer = guarded.reserve(mine)
            if isinstance(answer, Refused):
                assert answer.place == 0, "there are as many slots as threads, and each one's own is free again"
                refused += 1
                continue
            used += (spent := chance.randint(0, amount))
            guarded.settle(mine, [spent, 1])
        return used

    with serving(memory, tmp_path / "counters.sock") as url, ThreadPoolExecutor(threads) as pool:
        guarded = GuardedCounters(RemoteCounters(url, seconds=10.0, clock=clock), clock=clock)
        used = sum(pool.map(work, range(threads), timeout=60))
        guarded.close()
    assert memory.read([dollars(0), slot()]) == (Level(used, 0), Level(0, 0))
    assert cap * 0.98 <= used <= cap and guarded.figures.outages == 0


def test_a_sidecar_books_once_what_it_is_told_of_again(tmp_path: Path, memory: MemoryCounters) -> None:
    counting = Failing(memory)
    with serving(counting, tmp_path / "counters.sock") as url:
        counters = RemoteCounters(url, seconds=10.0)
        mine, other = hold("a", dollars(10)), hold("b", dollars(10))
        counters.reserve(mine)
        ended = [Settlement(mine, (7,)), Settlement(hold("c", dollars(1)), (1,), True)]
        for _ in range(3):
            assert counters.reserve_after(ended, other) == Held((Level(8, 10, 1),))
            counters.settle_all(ended[:1])
            counters.settle_all(())
        assert counting.asked == 1 + 2 + 3 + 3
        counters.close()
