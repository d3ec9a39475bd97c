"""Nothing is spent over a cap while the clock is set forward and back in the middle of it. Redis has its own clock."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clocks import START
from crash_rounds import rounds
from storage.counters import hammer
from storage.counters.charges import HOUR, SECOND
from storage.counters.test_races import audit
from tollkeeper.model.limit import Window
from tollkeeper.policy.period import period_of
from tollkeeper.storage.counters import Charge, Counters, Hold, Refused
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

MINUTE = 60 * SECOND
FURTHEST = 25 * MINUTE
"""From the true time, forward or back: less than an hour, for which a settled hold is known."""
THREADS = 6
PER_HOUR, A_MINUTE, BURST = 400, 60, 30


class SteppedClock:
    """True time, but that every so often it is set by up to `FURTHEST`. `forward` is how far it has gone on in all."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._began_at = time.time_ns()
        self._offset = self._reads = 0
        self._is_over = False
        self._last = START
        self.forward = self.steps_back = 0

    def __call__(self) -> int:
        with self._lock:
            self._reads += 1
            if self._reads % 40 == 0 and not self._is_over:
                self._offset = self._chance.randint(-FURTHEST, FURTHEST)
            now = START + time.time_ns() - self._began_at + self._offset
            self.forward += max(now - self._last, 0)
            self.steps_back += now < self._last
            self._last = now
            return now

    def end(self) -> None:
        """An hour later than it has ever been."""
        self._offset, self._is_over = FURTHEST + HOUR, True


OfTwo = Callable[[SteppedClock], tuple[Counters, Counters]]


@pytest.fixture(params=["memory", "sqlite"])
def of_two(request: pytest.FixtureRequest, tmp_path: Path) -> OfTwo:
    """Counters as two of those who share them have them."""

    def make(clock: SteppedClock) -> tuple[Counters, Counters]:
        if request.param == "memory":
            counters = MemoryCounters(clock)
            return counters, counters
        one, other = (SqliteCounters(tmp_path / "counters.db", clock, 20.0) for _ in range(2))
        return one, other

    return make


@pytest.fixture(autouse=True)
def eager() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("seed", range(rounds(2)))
def test_holds_that_a_step_has_expired_are_corrected(of_two: OfTwo, tmp_path: Path, seed: int) -> None:
    """Each step forward charges all that is under way in full: as they end, nothing of it is counted twice."""
    clock = SteppedClock(seed)
    both, diaries = of_two(clock), [tmp_path / "one", tmp_path / "other"]
    together(*(
        lambda counters=counters, diary=diary, number=number: hammer.hammer(  # type: ignore[misc]
            counters, diary, f"{seed}-{number}", THREADS // 2
        )
        for number, (counters, diary) in enumerate(zip(both, diaries, strict=True))
    ))  # fmt: skip
    assert clock.steps_back > 10
    clock.end()
    audit(both[0], diaries)


@pytest.mark.parametrize("seed", range(rounds(2)))
def test_neither_a_period_nor_a_bucket_has_more_by_a_step(of_two: OfTwo, seed: int) -> None:
    """An hour that the clock comes back to is the one that it was; a bucket is refilled by time that goes on only."""
    clock = SteppedClock(seed)
    both = of_two(clock)
    used: Counter[str] = Counter()
    told = threading.Lock()
    hour = Window("hour")

    def work(name: int) -> None:
        chance, counters = random.Random(f"{seed}/{name}"), both[name % 2]
        for number in range(150):
            amount, now = chance.randint(1, 9), counters.now()
            start, end = period_of(hour, now)
            charges = (
                Charge(f"hour {start}", amount, PER_HOUR, until=end),
                Charge("bucket", amount, A_MINUTE, kind="rate", window=MINUTE, burst=BURST),
            )
            for charge in charges:
                mine = Hold(f"{name}-{number}-{charge.kind}", "test", now + SECOND, (charge,))
                if isinstance(counters.reserve(mine), Refused):
                    continue
                spent = amount if chance.random() < 0.1 else chance.randint(0, amount)
                if spent < amount or chance.random() < 0.5:  # the others are left to expire
                    counters.settle(mine, [spent])
                with told:
                    used[charge.key] += spent

    together(*(lambda name=name: work(name) for name in range(THREADS)))  # type: ignore[misc]
    hours = [key for key in used if key != "bucket"]
    assert len(hours) > 1 and clock.steps_back > 10
    assert max(used[key] for key in hours) <= PER_HOUR
    assert used["bucket"] <= BURST + clock.forward * A_MINUTE // MINUTE + 1
    assert sum(used[key] >= 0.9 * PER_HOUR for key in hours) >= 1, "demand has exceeded the cap"
    clock.end()
    levels = both[0].read([Charge(key, 0, PER_HOUR) for key in hours])
    assert {key: level.spent for key, level in zip(hours, levels, strict=True)} == {key: used[key] for key in hours}
