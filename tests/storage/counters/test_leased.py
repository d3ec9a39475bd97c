"""Leases: most calls need not ask; nothing goes that the counters would forbid; what is booked is what was used."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocks import START, Clock
from storage.counters.charges import HOUR, SECOND, dollars, hold, rate, slot
from storage.counters.failing import Failing
from tollkeeper.storage.counters import Charge, CountersUnavailable, Held, Hold, Level, Refused
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.memory import MemoryCounters

CAP = 100_000


class World:
    """Counters of one clock, and processes that lease of them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.memory = MemoryCounters(self.clock)
        self.inner = Failing(self.memory)
        self._numbers = iter(range(10**9))

    def process(self) -> LeasedCounters:
        guarded = GuardedCounters(self.inner, threaded=False, clock=self.clock)
        return LeasedCounters(guarded, self.clock, threaded=False)

    def call(self, leased: LeasedCounters, *charges: Charge, seconds: float = 900) -> Hold | None:
        asked = hold(f"call-{next(self._numbers)}", *charges, seconds=seconds, at=self.clock.now)
        return asked if isinstance(leased.reserve(asked), Held) else None

    def spent(self, *charges: Charge) -> list[int]:
        return [level.spent for level in self.memory.read(charges)]


@pytest.fixture
def world() -> World:
    return World()


def big(amount: int = 1, cap: int = CAP, key: str = "usd") -> Charge:
    return dollars(amount, cap, key)


def busy(world: World, leased: LeasedCounters, calls: int, *charges: Charge) -> int:
    """So many calls one after the other, a millisecond each; how many went."""
    went = 0
    for _ in range(calls):
        world.clock.now += SECOND // 1000
        if (held := world.call(leased, *charges)) is not None:
            leased.settle(held, [charge.amount for charge in charges])
            went += 1
    return went


def test_most_calls_need_not_ask(world: World) -> None:
    leased = world.process()
    assert busy(world, leased, 5000, big(), slot(5000), rate(1, 10**6, 10**6)) == 5000
    assert world.inner.asked < 300
    leased.close()
    assert world.spent(big()) == [5000]
    assert world.memory.holds() == ()


def test_a_rare_call_asks_for_itself_alone(world: World) -> None:
    leased = world.process()
    for _ in range(10):
        world.clock.now += 2 * SECOND
        held = world.call(leased, big())
        assert held is not None
        assert [each.id for each in world.memory.holds()] == [held.id]
        leased.settle(held, [1])
        leased.tick()
    assert world.spent(big()) == [10]


def test_a_block_is_a_small_part_of_what_is_left(world: World) -> None:
    leased = world.process()
    busy(world, leased, 2000, big(cap=3000))
    blocks = [each for each in world.memory.holds() if each.id.startswith("lease-")]
    left = 3000 - world.spent(big())[0]
    assert all(block.charges[0].amount <= max(left // 50 + 20, 1) for block in blocks)


def test_the_last_of_it_is_used_too_and_then_calls_are_refused_as_they_are(world: World) -> None:
    leased, other = world.process(), world.process()
    assert busy(world, leased, 2000, big(cap=1500)) + busy(world, other, 2000, big(cap=1500)) == 1500
    refused = leased.reserve(hold("one more", big(cap=1500)))
    assert refused == Refused(0, Level(1500, 0), START + HOUR)


def test_what_lies_idle_in_another_process_is_given_back_after_a_second(world: World) -> None:
    leased, other = world.process(), world.process()
    busy(world, leased, 900, big(cap=1000))
    in_use = busy(world, other, 2000, big(cap=1000))
    world.clock.now += SECOND
    leased.tick()
    assert 900 + in_use + busy(world, other, 2000, big(cap=1000)) == 1000


def test_own_idle_blocks_do_not_stand_in_the_way(world: World) -> None:
    leased = world.process()
    busy(world, leased, 500, big(cap=1000), big(key="tenant-a"))
    busy(world, leased, 400, big(cap=1000), big(key="tenant-b"))
    assert busy(world, leased, 400, big(cap=1000), big(key="tenant-c")) == 100


def test_levels_are_those_of_the_call_and_not_of_the_block(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big(), slot(5000))
    held = hold("a", big(7), slot(5000))
    assert leased.reserve(held) == Held((Level(1000, 7), Level(0, 1)))
    assert leased.settle(held, [3, 1]) == (Level(1003, 0), Level(0, 0))
    assert leased.read([big(), slot(5000)]) == (Level(1003, 0), Level(0, 0))


def test_what_is_used_beyond_a_call_s_hold_is_booked_at_once(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    held = world.call(leased, big())
    assert held is not None
    leased.settle(held, [5000])
    (level,) = world.memory.read([big()])
    assert level.spent + level.held >= 6000
    leased.close()
    assert world.spent(big()) == [6000]


def test_settled_twice_is_settled_once(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    held = world.call(leased, big(10))
    assert held is not None
    for amount in (4, 9, 9):
        leased.settle(held, [amount])
    assert isinstance(leased.reserve(held), Held), "and is not held again"
    leased.close()
    assert world.spent(big()) == [1004]


def test_what_is_assumed_is_marked(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    held = world.call(leased, big(10))
    assert held is not None
    leased.settle(held, [10], assumed=True)
    leased.close()
    assert world.memory.read([big()]) == (Level(1010, 0, 10),)


def test_a_process_that_dies_is_charged_for_its_blocks_only(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    (before,) = world.memory.read([big()])
    world.clock.now += 30 * SECOND
    assert world.memory.holds() == ()
    assert world.memory.read([big()]) == (Level(before.spent + before.held, 0, before.held),)
    assert before.spent + before.held < 1000 + CAP // 25


def test_long_calls_outlive_their_blocks(world: World) -> None:
    leased = world.process()
    busy(world, leased, 500, big(), slot(5000))
    held = [world.call(leased, big(10), slot(5000)) for _ in range(100)]
    for _ in range(1000):
        world.clock.now += SECOND // 4
        leased.tick()
        assert world.memory.read([big(), slot(5000)]) == (Level(500, 1000), Level(0, 100)) or _ < 5
    for each in held:
        assert each is not None
        leased.settle(each, [9, 1])
    leased.close()
    assert world.memory.read([big(), slot(5000)]) == (Level(1400, 0), Level(0, 0))


def test_a_call_that_nobody_settles_is_charged_in_full_and_corrected_later(world: World) -> None:
    leased = world.process()
    busy(world, leased, 500, big())
    lost = world.call(leased, big(10), seconds=5)
    assert lost is not None
    world.clock.now += 5 * SECOND
    leased.tick()
    assert world.memory.read([big()]) == (Level(510, 0, 10),)
    leased.settle(lost, [4])
    leased.close()
    assert world.memory.read([big()]) == (Level(504, 0, 0),)


def test_after_the_end_calls_under_way_are_settled(world: World) -> None:
    leased = world.process()
    busy(world, leased, 500, big())
    held = world.call(leased, big(10))
    assert held is not None
    leased.close()
    assert world.memory.read([big()]) == (Level(500, 10),)
    world.clock.now += 600 * SECOND
    assert world.memory.read([big()]) == (Level(500, 10),), "nobody renews it any more"
    leased.settle(held, [3])
    assert world.memory.read([big()]) == (Level(503, 0),)


def test_while_the_counters_are_away_what_is_left_of_the_lease_is_used(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    world.inner.away = True
    went = 0
    with pytest.raises(CountersUnavailable):
        while (held := world.call(leased, big())) is not None:
            went += 1
            leased.settle(held, [1])
    assert went > 0
    (level,) = world.memory.read([big()])
    assert level.spent + level.held >= 1000 + went, "it was held"
    world.inner.away = False
    assert isinstance(leased.inner, GuardedCounters)
    assert leased.inner.attempt() is None
    leased.close()
    assert world.spent(big()) == [1000 + went]


def test_nothing_is_granted_of_a_block_that_could_not_be_renewed(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    world.inner.away = True
    world.clock.now += 25 * SECOND
    leased.tick()
    with pytest.raises(CountersUnavailable):
        world.call(leased, big())


def test_a_forked_child_has_no_leases(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    child = os.fork()
    if child == 0:
        asked = world.inner.asked
        went = world.call(leased, big()) is not None
        os._exit(0 if went and world.inner.asked == asked + 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_gives_back_what_is_idle(world: World) -> None:
    looks = threading.Semaphore(0)
    looked = threading.Semaphore(0)

    def wait(seconds: float) -> bool:
        looked.release()
        return not looks.acquire(timeout=30)

    leased = LeasedCounters(GuardedCounters(world.inner, threaded=False), world.clock, wait)
    busy(world, leased, 1000, big())
    assert looked.acquire(timeout=30)
    assert world.memory.holds() != ()
    world.clock.now += SECOND
    looks.release()
    assert looked.acquire(timeout=30)
    assert world.memory.holds() == ()
    assert world.spent(big()) == [1000]


def test_a_changed_limit_holds_at_once(world: World) -> None:
    leased = world.process()
    busy(world, leased, 1000, big())
    assert world.call(leased, big(cap=1000)) is None


KEYS = ("everybody", "tenant-a", "tenant-b")
SLOTS, BURST, REFILL = 40, 400, 2000
"""A rate of so many a minute."""


class Truth:
    """What calls really hold and have used; checked whenever one is let go."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.live: dict[str, Hold] = {}
        self.used: dict[str, int] = dict.fromkeys([*KEYS, "soft"], 0)
        self.taken: list[tuple[int, int]] = []

    def let_go(self, call: Hold, now: int) -> None:
        self.live[call.id] = call
        for charge in call.charges:
            if charge.kind == "rate":
                self.taken.append((now, charge.amount))
        for key in KEYS:
            held = sum(c.amount for each in self.live.values() for c in each.charges if c.key == key)
            assert self.used[key] + held <= self.cap
        assert sum(c.amount for each in self.live.values() for c in each.charges if c.key == "slots") <= SLOTS
        total = 0
        for at, amount in reversed(self.taken):
            total += amount
            assert total * 60 * SECOND <= BURST * 60 * SECOND + (now - at) * REFILL, "more than the bucket ever held"

    def end(self, call: Hold, used: Sequence[int]) -> None:
        del self.live[call.id]
        for charge, amount in zip(call.charges, used, strict=True):
            if charge.key in self.used:
                self.used[charge.key] += amount


def charges_of(chance: random.Random, cap: int) -> tuple[Charge, ...]:
    amount = chance.choice((1, 1, 1, 2, 9))
    tenant = chance.choice(KEYS[1:])
    return (
        dollars(amount, cap, "everybody"),
        dollars(amount, cap, tenant),
        dollars(chance.choice((0, 3)), 10, "soft", hard=False),
        rate(1, REFILL, BURST),
        slot(SLOTS),
    )


def steps(chance: random.Random, count: int) -> Iterator[str]:
    """Bursts of the same kind of step, so that leases grow."""
    while count > 0:
        what, times = chance.choice((("call", 60), ("call", 300), ("end", 40), ("tick", 1), ("pass", 3), ("abort", 1)))
        count -= times
        yield from [what] * times


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from((150, 1000, 20_000)), st.integers(1, 3))
def test_never_more_than_the_counters_would_allow_and_exactly_what_was_used(seed: int, cap: int, many: int) -> None:
    chance, world, truth = random.Random(seed), World(), Truth(cap)
    processes = [world.process() for _ in range(many)]
    owner: dict[str, LeasedCounters] = {}
    for step in steps(chance, 3000):
        leased = chance.choice(processes)
        match step:
            case "call":
                world.clock.now += chance.choice((0, SECOND // 1000, SECOND // 50))
                held = world.call(leased, *charges_of(chance, cap))
                if held is not None:
                    truth.let_go(held, world.clock.now)
                    owner[held.id] = leased
                    if chance.random() < 0.8:
                        used = [chance.randint(0, each.amount) for each in held.charges[:3]] + [1, 1]
                        truth.end(held, used)
                        leased.settle(held, used)
            case "end" | "abort" if truth.live:
                held = chance.choice(list(truth.live.values()))
                used = [each.amount for each in held.charges]
                truth.end(held, used)
                owner[held.id].settle(held, used, assumed=step == "abort")
            case "tick":
                world.clock.now += SECOND // 4
                for each in processes:
                    each.tick()
            case "pass":
                world.clock.now += chance.choice((SECOND // 10, SECOND, 4 * SECOND))
                for each in processes:
                    each.tick()
    for held in list(truth.live.values()):
        used = [each.amount for each in held.charges]
        truth.end(held, used)
        owner[held.id].settle(held, used)
    for each in processes:
        each.close()
    assert world.memory.holds() == ()
    keys = [dollars(0, cap, key) for key in truth.used]
    levels = world.memory.read([*keys, slot(SLOTS)])
    assert [level.spent for level in levels] == [*truth.used.values(), 0]
    assert all(level.held == 0 for level in levels)
