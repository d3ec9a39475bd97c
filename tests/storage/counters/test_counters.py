"""What every kind of counters must do: each sentence of the contract."""

from __future__ import annotations

import pytest

from clocks import START, Clock
from storage.counters.charges import HOUR, SECOND, dollars, hold, rate, slot
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.storage.counters import Counters, Held, Hold, Level, Refused
from tollkeeper.storage.counters.contract import LATE, REMEMBERED


def test_time_is_that_of_the_counters(counters: Counters, clock: Clock) -> None:
    assert counters.now() == START
    clock.now += 5 * SECOND
    assert counters.now() == START + 5 * SECOND


def test_all_or_none(counters: Counters) -> None:
    full = counters.reserve(hold("a", dollars(60), dollars(60, key="tenant")))
    assert full == Held((Level(0, 60), Level(0, 60)))
    refused = counters.reserve(hold("b", dollars(40, key="other"), slot(), rate(), dollars(41)))
    assert refused == Refused(3, Level(0, 60), START + HOUR)
    assert counters.read([dollars(0, key="other"), slot(), rate(), dollars(0)]) == (
        Level(0, 0), Level(0, 0), Level(0, 0), Level(0, 60),
    )  # fmt: skip
    assert [each.id for each in counters.holds()] == ["a"]


def test_what_is_spent_held_and_asked_for_is_the_cap_at_the_most(counters: Counters) -> None:
    first = hold("a", dollars(30))
    counters.reserve(first)
    counters.settle(first, [30])
    assert counters.reserve(hold("b", dollars(30))) == Held((Level(30, 30),))
    assert counters.reserve(hold("c", dollars(41))) == Refused(0, Level(30, 30), START + HOUR)
    assert counters.reserve(hold("d", dollars(40))) == Held((Level(30, 70),))
    assert counters.reserve(hold("e", dollars(0))) == Held((Level(30, 70),))
    assert counters.reserve(hold("f", dollars(1))) == Refused(0, Level(30, 70), START + HOUR)


def test_the_first_charge_without_room_is_told(counters: Counters) -> None:
    asked = hold("a", dollars(1), dollars(101, key="second"), dollars(101, key="third"))
    assert counters.reserve(asked) == Refused(1, Level(0, 0), START + HOUR)


def test_what_never_begins_anew_has_no_moment_of_room(counters: Counters) -> None:
    assert counters.reserve(hold("a", dollars(101, until=0))) == Refused(0, Level(0, 0), None)
    assert counters.reserve(hold("b", slot(cap=0))) == Refused(0, Level(0, 0), None)


def test_reserved_twice_is_held_once(counters: Counters, clock: Clock) -> None:
    mine = hold("a", dollars(60), slot(), rate())
    levels = (Level(0, 60), Level(0, 1), Level(1, 0))
    assert counters.reserve(mine) == Held(levels)
    assert counters.reserve(mine) == Held(levels)
    assert len(counters.holds()) == 1
    counters.settle(mine, [60, 1, 1])
    assert counters.reserve(mine) == Held((Level(60, 0), Level(0, 0), Level(1, 0)))
    assert counters.holds() == ()


def test_reserved_again_after_it_has_expired_is_not_held_again(counters: Counters, clock: Clock) -> None:
    mine = hold("a", dollars(60))
    counters.reserve(mine)
    clock.now += 60 * SECOND
    assert counters.reserve(mine) == Held((Level(60, 0, 60),))
    assert counters.holds() == ()


def test_what_was_used_is_booked_once_and_over_the_cap_too(counters: Counters) -> None:
    mine = hold("a", dollars(60))
    counters.reserve(mine)
    assert counters.settle(mine, [149]) == (Level(149, 0),)
    assert counters.settle(mine, [149]) == (Level(149, 0),)
    assert counters.settle(mine, [3]) == (Level(149, 0),)
    assert isinstance(counters.reserve(hold("b", dollars(1))), Refused)
    assert isinstance(counters.reserve(hold("c", dollars(0))), Refused)


def test_what_was_not_used_is_given_back(counters: Counters) -> None:
    mine = hold("a", dollars(100), slot(), rate(3))
    counters.reserve(mine)
    assert counters.settle(mine, [0, 0, 0]) == (Level(0, 0), Level(0, 0), Level(0, 0))
    assert isinstance(counters.reserve(hold("b", dollars(100), slot(), rate(3))), Held)


def test_what_nobody_settles_is_charged_in_full_and_corrected_later(counters: Counters, clock: Clock) -> None:
    mine = hold("a", dollars(60), slot(), rate(3), seconds=10)
    counters.reserve(mine)
    clock.now += 10 * SECOND - 1000
    assert counters.read([dollars(0), slot()]) == (Level(0, 60), Level(0, 1))
    clock.now += 1000
    assert counters.read([dollars(0), slot()]) == (Level(60, 0, 60), Level(0, 0))
    assert counters.holds() == ()
    clock.now = START
    assert counters.read([rate()]) == (Level(3, 0),)
    assert counters.settle(mine, [20, 1, 1]) == (Level(20, 0, 0), Level(0, 0), Level(1, 0))
    assert counters.settle(mine, [20, 1, 1]) == (Level(20, 0, 0), Level(0, 0), Level(1, 0))


def test_a_hold_that_expires_makes_room_where_nothing_is_charged(counters: Counters, clock: Clock) -> None:
    counters.reserve(hold("a", slot(cap=1), seconds=10))
    assert isinstance(counters.reserve(hold("b", slot(cap=1))), Refused)
    clock.now += 10 * SECOND
    assert isinstance(counters.reserve(hold("c", slot(cap=1))), Held)


def test_very_many_holds_expire_at_once(counters: Counters, clock: Clock) -> None:
    for number in range(350):
        counters.reserve(hold(f"{number}", slot(cap=350), dollars(1, cap=350), seconds=10))
    clock.now += 10 * SECOND
    assert counters.reserve(hold("last", slot(cap=1))) == Held((Level(0, 1),))
    assert [each.id for each in counters.holds()] == ["last"]
    assert counters.read([dollars(0)]) == (Level(350, 0, 350),)


def test_an_unknown_hold_is_booked_all_the_same(counters: Counters) -> None:
    lost = hold("a", dollars(60), slot(), rate(2))
    assert counters.settle(lost, [70, 1, 2]) == (Level(70, 0), Level(0, 0), Level(2, 0))
    assert counters.settle(lost, [70, 1, 2]) == (Level(70, 0), Level(0, 0), Level(2, 0))
    assert counters.reserve(lost) == Held((Level(70, 0), Level(0, 0), Level(2, 0)))
    assert counters.holds() == ()


def test_what_nobody_knows_is_booked_as_assumed(counters: Counters, clock: Clock) -> None:
    first, second = hold("a", dollars(60)), hold("b", dollars(30), seconds=10)
    counters.reserve(first)
    assert counters.settle(first, [60], assumed=True) == (Level(60, 0, 60),)
    counters.reserve(second)
    clock.now += 10 * SECOND
    assert counters.read([dollars(0)]) == (Level(90, 0, 90),)
    assert counters.settle(second, [25], assumed=True) == (Level(85, 0, 85),)


def test_soft_charges_are_counted_and_never_refused(counters: Counters) -> None:
    soft = hold("a", dollars(500, hard=False), slot(cap=0, hard=False), rate(500, hard=False))
    assert counters.reserve(soft) == Held((Level(0, 500), Level(0, 1), Level(500, 0)))
    assert isinstance(counters.reserve(hold("b", dollars(1))), Refused)
    assert counters.settle(soft, [400, 1, 400]) == (Level(400, 0), Level(0, 0), Level(400, 0))


def test_a_cap_that_has_changed_finds_what_was_used(counters: Counters) -> None:
    mine = hold("a", dollars(60))
    counters.reserve(mine)
    counters.settle(mine, [60])
    assert counters.reserve(hold("b", dollars(1, cap=50))) == Refused(0, Level(60, 0), START + HOUR)
    assert isinstance(counters.reserve(hold("c", dollars(90, cap=150))), Held)


def test_a_rate_lets_the_burst_through_and_then_the_rate(counters: Counters, clock: Clock) -> None:
    def one(id: str) -> Hold:
        return hold(id, rate())

    assert all(isinstance(counters.reserve(one(f"{n}")), Held) for n in range(3))
    assert counters.reserve(one("3")) == Refused(0, Level(3, 0), START + SECOND)
    clock.now += SECOND
    assert counters.reserve(one("4")) == Held((Level(3, 0),))
    counters.settle(one("4"), [0])
    assert isinstance(counters.reserve(one("5")), Held)


def test_a_rate_tells_when_there_is_room_for_so_much(counters: Counters, clock: Clock) -> None:
    counters.reserve(hold("a", rate(10, cap=60, burst=10)))
    refused = counters.reserve(hold("b", rate(4, cap=60, burst=10)))
    assert refused == Refused(0, Level(10, 0), START + 4 * SECOND)
    clock.now = START + 4 * SECOND - 1000
    assert isinstance(counters.reserve(hold("c", rate(4, cap=60, burst=10))), Refused)
    clock.now = START + 4 * SECOND
    assert isinstance(counters.reserve(hold("d", rate(4, cap=60, burst=10))), Held)


@pytest.mark.parametrize("charge", [rate(11, burst=10), rate(1, burst=0), rate(1, cap=0, burst=1)])
def test_what_a_bucket_can_never_hold_is_refused_for_good(counters: Counters, charge: object) -> None:
    assert counters.reserve(hold("a", charge)) == Refused(0, Level(0, 0), None)  # type: ignore[arg-type]


def test_a_rate_counts_what_was_used_beyond_what_was_held(counters: Counters, clock: Clock) -> None:
    mine = hold("a", rate(1))
    counters.reserve(mine)
    assert counters.settle(mine, [5]) == (Level(5, 0),)
    assert counters.reserve(hold("b", rate(1))) == Refused(0, Level(5, 0), START + 3 * SECOND)
    clock.now += 5 * SECOND
    assert counters.read([rate()]) == (Level(0, 0),)


def test_a_full_bucket_is_not_fuller_by_what_is_given_back_later(counters: Counters, clock: Clock) -> None:
    mine = hold("a", rate(3))
    counters.reserve(mine)
    clock.now += 30 * SECOND
    assert counters.settle(mine, [0]) == (Level(0, 0),)
    assert all(isinstance(counters.reserve(hold(f"{n}", rate())), Held) for n in range(3))
    assert isinstance(counters.reserve(hold("3", rate())), Refused)


def test_slots_are_free_again_when_a_call_ends(counters: Counters) -> None:
    assert isinstance(counters.reserve(hold("a", slot())), Held)
    assert isinstance(counters.reserve(hold("b", slot())), Held)
    assert counters.reserve(hold("c", slot())) == Refused(0, Level(0, 2), None)
    assert counters.settle(hold("a", slot()), [1]) == (Level(0, 1),)
    assert isinstance(counters.reserve(hold("c", slot())), Held)


def test_holds_are_told_as_they_were_made(counters: Counters) -> None:
    odd = 'é "quoted" {brace}\n\\'
    mine = Hold(odd, "host-1 pid 7", START + HOUR + 1, (dollars(2**53, cap=2**53, key=odd), rate(), slot(hard=False)))
    counters.reserve(mine)
    assert tuple(counters.holds()) == (mine,)
    assert counters.settle(mine, [1, 1, 1])[0] == Level(1, 0)


def test_a_call_without_charges(counters: Counters) -> None:
    assert counters.reserve(hold("a")) == Held(())
    assert counters.settle(hold("a"), []) == ()
    assert counters.read([]) == ()


def test_the_largest_amounts_are_exact(counters: Counters) -> None:
    most = LARGEST_AMOUNT
    all_but_one = hold("a", dollars(most - 1, cap=most))
    assert counters.reserve(all_but_one) == Held((Level(0, most - 1),))
    assert isinstance(counters.reserve(hold("b", dollars(2, cap=most))), Refused)
    assert counters.settle(all_but_one, [most - 1]) == (Level(most - 1, 0),)
    assert counters.reserve(hold("c", dollars(1, cap=most))) == Held((Level(most - 1, 1),))
    assert isinstance(counters.reserve(hold("d", dollars(1, cap=most))), Refused)


def test_more_than_anybody_has_is_refused(counters: Counters) -> None:
    assert isinstance(counters.reserve(hold("a", dollars(2**62, cap=LARGEST_AMOUNT))), Refused)
    assert isinstance(counters.reserve(hold("b", rate(LARGEST_AMOUNT, cap=1, burst=LARGEST_AMOUNT - 1))), Refused)


def test_a_period_is_still_counted_in_for_two_days(counters: Counters, clock: Clock) -> None:
    mine = hold("a", dollars(60))
    counters.reserve(mine)
    counters.settle(mine, [60])
    clock.now = START + HOUR + LATE - SECOND
    late = hold("b", dollars(5), at=clock.now)
    assert counters.settle(late, [5]) == (Level(65, 0),)


def test_a_settled_hold_is_known_for_an_hour(counters: Counters, clock: Clock) -> None:
    forever = dollars(60, until=0)
    mine = hold("a", forever)
    counters.reserve(mine)
    clock.now += HOUR
    counters.read([forever])
    counters.settle(mine, [60])
    clock.now += REMEMBERED - SECOND
    assert counters.settle(mine, [60]) == (Level(60, 0),)


def test_a_hold_outlives_the_period_that_it_was_made_in(counters: Counters, clock: Clock) -> None:
    mine = hold("a", dollars(60), seconds=4 * 86_400)
    counters.reserve(mine)
    clock.now = START + HOUR + LATE + HOUR
    counters.reserve(hold("b", dollars(1, key="other", until=clock.now + HOUR), at=clock.now))
    assert counters.settle(mine, [50]) == (Level(50, 0),)


def test_amounts_must_be_as_many_as_charges(counters: Counters) -> None:
    with pytest.raises(ValueError, match="1 amounts for 2 charges"):
        counters.settle(hold("a", dollars(1), slot()), [1])
    assert counters.read([dollars(0)]) == (Level(0, 0),)
    assert counters.settle(hold("a", dollars(1), slot()), [1, 1]) == (Level(1, 0), Level(0, 0))


def test_many_keys_are_read_at_once(counters: Counters) -> None:
    charges = [dollars(number, key=f"key-{number}") for number in range(1200)]
    counters.reserve(hold("a", *charges[:5]))
    assert counters.read(charges) == tuple(Level(0, number if number < 5 else 0) for number in range(1200))
