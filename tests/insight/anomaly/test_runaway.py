"""What is steep, what is usual for it, who causes it, since when; and what labels make of thresholds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.anomaly.labels import LEAST, MOST, factor_of
from tollkeeper.insight.anomaly.runaway import (
    COLD,
    DEFAULTS,
    LEAST_HOURS,
    LEAST_PEERS,
    Hour,
    Key,
    Row,
    Runaway,
    Sensitivity,
    Sums,
    Use,
    Usual,
    by_session,
    found,
    goes_on,
    is_steep,
    narrowed,
    since,
    usual_of,
    usual_of_peers,
)

SPEND = DEFAULTS["spend"]
USD = 10**9


def sums(calls: int, dollars: float) -> Sums:
    return Sums(calls, 0, calls * 1000, round(dollars * USD))


def hour_of(*late: tuple[dict[str, str], Sums], sessions: dict[str, Sums] | None = None) -> Hour:
    """All that was used was used in the last minutes."""
    rows = [Row(values, each) for values, each in late]
    own = {values["session"]: each for values, each in late if "session" in values}
    without = [Row({n: v for n, v in values.items() if n != "session"}, each) for values, each in late]
    return Hour(without, {**own, **(sessions or {})}, rows)


LOOP = {"session": "s", "user": "ada", "feature": "agent", "tenant": "acme"}
USUAL = Usual(USD, 5.0 * USD, 0.25)


def runaway(hour: Hour, key: Key, usual: Usual = USUAL) -> Runaway:
    return found(key, "spend", usual, hour, None)


def test_both_windows_must_exceed() -> None:
    assert is_steep(Use(sums(100, 6), sums(10, 1)), "spend", 5 * USD)
    assert not is_steep(Use(sums(100, 4), sums(10, 4)), "spend", 5 * USD), "it does not matter yet"
    assert not is_steep(Use(sums(100, 60), sums(10, 0.4)), "spend", 5 * USD), "it is over"
    assert not is_steep(Use(sums(100, 60), sums(2, 60)), "spend", 5 * USD), "two dear calls are no loop"
    assert goes_on(Use(sums(100, 60), sums(10, 0.25)), "spend", 5 * USD)
    assert not goes_on(Use(sums(100, 60), sums(10, 0.2)), "spend", 5 * USD)


def test_what_is_usual_says_what_is_too_much() -> None:
    steady = usual_of([10.0 * USD] * 40, SPEND)
    assert steady.expected == 10 * USD
    assert 15 * USD < steady.too_much <= 20 * USD, "no more than twice the highest hours"
    assert usual_of([0.01 * USD] * 40, SPEND).too_much == 5 * USD, "the floor"
    assert usual_of([10.0 * USD] * (LEAST_HOURS - 1), SPEND).too_much == 5 * USD * COLD, "too little is known"
    comes_and_goes = usual_of([0.0, 30.0 * USD] * 20, SPEND)
    assert comes_and_goes.too_much == 60 * USD
    assert usual_of_peers([USD] * (LEAST_PEERS - 1), SPEND).too_much == 5 * USD * COLD
    assert usual_of_peers([USD] * LEAST_PEERS, SPEND).too_much == 5 * USD


hours = st.lists(st.floats(0, 1e15), min_size=LEAST_HOURS, max_size=60)


@given(hours, st.floats(1, 1e12), st.floats(0.5, 100))
def test_it_is_the_same_in_any_currency_and_never_below_the_floor(each: list[float], floor: float, rate: float) -> None:
    usual = usual_of(each, Sensitivity(floor))
    other = usual_of([value * rate for value in each], Sensitivity(floor * rate))
    assert usual.too_much >= floor
    assert other.too_much == pytest.approx(usual.too_much * rate, rel=1e-6)
    assert other.spread == pytest.approx(usual.spread, rel=1e-6, abs=1e-9)
    assert usual_of(sorted(each), Sensitivity(floor)) == usual


def test_who_causes_it_and_whether_calls_are_more_or_bigger() -> None:
    hour = hour_of((LOOP, sums(100, 50)), ({**LOOP, "session": "t", "feature": "chat"}, sums(50, 10)))
    one = runaway(hour, ("user", "ada"))
    assert one.rate == 720 * USD
    assert one.cause == {
        "session": ("s", pytest.approx(5 / 6)), "feature": ("agent", pytest.approx(5 / 6)), "tenant": ("acme", 1.0),
    }  # fmt: skip
    assert one.severity == "critical"
    assert found(("user", "ada"), "spend", USUAL, hour, (10.0, 0.4 * USD)).bigger is False
    assert found(("user", "ada"), "spend", USUAL, hour, (1800.0, 0.0001 * USD)).bigger is True
    assert one.bigger is None, "there is nobody else to compare with"


def test_of_one_loop_the_narrowest_is_told_and_what_is_known_stays() -> None:
    hour = hour_of((LOOP, sums(100, 50)), ({"session": "t", "user": "bob", "tenant": "acme"}, sums(5, 0.5)))
    every: list[Key] = [("", ""), ("tenant", "acme"), ("user", "ada"), ("session", "s")]
    all_of_them = [runaway(hour, key) for key in every]
    assert [one.key for one in narrowed(all_of_them, hour)] == [("session", "s")]
    (tenant,) = [one for one in all_of_them if one.key[0] == "tenant"]
    assert narrowed(all_of_them, hour, [tenant]) == []
    apart = hour_of((LOOP, sums(100, 50)), ({"session": "t", "user": "bob", "tenant": "acme"}, sums(100, 50)))
    two = narrowed([runaway(apart, key) for key in (*every, ("session", "t"))], apart)
    assert {one.key for one in two} == {("session", "s"), ("session", "t")}


def test_few_sessions_do_not_hide_whose_loop_it_is() -> None:
    hour = hour_of((LOOP, sums(100, 50)), ({"session": "t", "user": "ada"}, sums(5, 0.5)))
    assert by_session(runaway(hour, ("user", "ada")), hour).scope == {"session": "s"}
    halves = hour_of((LOOP, sums(50, 25)), ({**LOOP, "session": "t"}, sums(50, 25)))
    assert by_session(runaway(halves, ("user", "ada")), halves).scope == {"user": "ada"}


def test_a_session_is_compared_with_others_and_not_with_itself() -> None:
    others = {f"s{number}": sums(2, 0.5) for number in range(20)}
    hour = hour_of((LOOP, sums(100, 50)), sessions=others)
    assert hour.peers("s", "spend") == [USD // 2] * 20
    assert hour.others(("session", "s")) == (2.0, 0.25 * USD)
    assert usual_of_peers(hour.peers("s", "spend"), SPEND).too_much == 5 * USD


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ([0] * 50 + [10] * 10, 50), ([1] * 50 + [100] * 10, 50), ([10] * 60, 0), ([0] * 59 + [7], 59),
        ([50] * 20 + [0] * 30 + [50] * 10, 50), ([0] * 60, 0), ([0] * 50 + [10, 0] * 5, 50),
    ],
)  # fmt: skip
def test_since_when(minutes: list[int], expected: int) -> None:
    assert since(minutes) == expected


@given(st.lists(st.sampled_from(("real", "false")), max_size=40))
def test_labels_move_a_threshold_within_bounds(labels: list[str]) -> None:
    factor = factor_of(labels)  # type: ignore[arg-type]
    assert LEAST <= factor <= MOST
    assert factor_of([*labels, "false"]) >= factor >= factor_of([*labels, "real"])  # type: ignore[list-item]
    assert factor_of([]) == 1
