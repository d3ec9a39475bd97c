"""What is special about counters in memory: they must not grow, and a forked child has none of its parent's calls."""

from __future__ import annotations

import os
from multiprocessing import get_context

import pytest

from clocks import START, Clock
from storage.counters.charges import HOUR, dollars, hold, rate, slot
from tollkeeper.storage.counters import Held, Level
from tollkeeper.storage.counters.contract import LATE
from tollkeeper.storage.counters.memory import SWEEP, MemoryCounters


def test_what_is_over_is_forgotten(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    for number in range(SWEEP):
        mine = hold(f"{number}", dollars(1, key=f"user-{number}"), rate(key=f"r-{number}"), slot(key=f"s-{number}"))
        counters.reserve(mine)
        counters.settle(mine, [1, 1, 1])
    counters.settle(hold("for ever", dollars(1, key="for ever", until=0)), [1])
    clock.now = START + HOUR + LATE
    for number in range(8 * SWEEP):
        counters.settle(hold(f"late-{number}", dollars(1, key=f"new-{number}", until=clock.now + HOUR)), [1])
    assert not [key for key in counters._counts if key.startswith(("user", "r-", "s-"))]
    assert counters.read([dollars(0, key="for ever")]) == (Level(1, 0),)
    assert len(counters._settled.ids) == 8 * SWEEP


def test_a_forked_child_has_none_of_its_parents_calls(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    spent = hold("spent", dollars(30))
    counters.reserve(spent)
    counters.settle(spent, [30])
    counters.reserve(hold("parent", dollars(60), slot(1)))

    def child() -> None:
        assert counters.holds() == ()
        assert counters.read([dollars(0), slot()]) == (Level(30, 0), Level(0, 0))
        assert isinstance(counters.reserve(hold("child", dollars(70), slot(1))), Held)

    counters._lock.acquire()
    process = get_context("fork").Process(target=child)
    process.start()
    counters._lock.release()
    process.join(30)
    assert process.exitcode == 0
    assert [each.id for each in counters.holds()] == ["parent"]


def test_a_forked_child_says_once_that_it_counts_by_itself(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    counters = MemoryCounters(clock)
    counters.reserve(hold("parent", dollars(1)))

    def child() -> None:
        counters.reserve(hold("soft", dollars(1, hard=False)))
        assert not caplog.records, "nothing that is only counted can be overspent"
        for number in range(3):
            counters.reserve(hold(f"{number}", dollars(1)))
        (record,) = caplog.records
        assert f"process {os.getpid()} was forked" in record.getMessage()

    for _ in range(2):
        process = get_context("fork").Process(target=child)
        process.start()
        process.join(30)
        assert process.exitcode == 0
    counters.reserve(hold("parent again", dollars(1)))
    assert not caplog.records
