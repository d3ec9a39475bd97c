"""How spend is spread, of small sets of calls that one can check by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.histogram import NANO_USD
from tollkeeper.insight.patterns import LARGE_INPUT, Spent, Tally, dearest_sessions, heavy_tail, is_idle

USD = 10**9


def sizes(*costs: int) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for cost in costs:
        place = NANO_USD.place(cost)
        calls, spend = found.get(place, (0, 0))
        found[place] = calls + 1, spend + cost
    return found


def test_one_in_a_hundred_has_half_of_the_spend() -> None:
    found = heavy_tail(sizes(*[USD // 100] * 99, 99 * USD // 100))
    assert (found.calls, found.of, found.nano_usd, found.share) == (1, 100, 99 * USD // 100, 0.5)
    assert found.least_nano_usd == pytest.approx(99 * USD // 100, rel=1 / 32)


def test_of_few_calls_it_is_the_dearest_one() -> None:
    assert heavy_tail(sizes(1 * USD, 3 * USD))[:2] == (1, 2)
    assert heavy_tail(sizes(1 * USD, 3 * USD)).share == 0.75


def test_of_nothing_nothing_is_known() -> None:
    assert heavy_tail({}) == (0, 0, None, 0, None)
    assert heavy_tail(sizes(0, 0)).share is None


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=300), st.floats(0.005, 1))
def test_the_dearest_are_the_dearest(costs: list[int], dearest: float) -> None:
    found = heavy_tail(sizes(*costs), dearest)
    true = sum(sorted(costs, reverse=True)[: found.calls])
    assert found.calls == max(round(len(costs) * dearest), 1)
    assert found.nano_usd <= sum(costs)
    assert found.nano_usd == pytest.approx(true, rel=1 / 16, abs=2048 * found.calls)


def test_answers_that_were_cut_are_counted_whatever_they_are_called() -> None:
    tally = Tally(
        finished={
            "length": Spent(2, 2, 20), "max_tokens": Spent(1, 0, 0), "stop": Spent(5, 5, 50), "": Spent(4, 4, 40),
        }
    )  # fmt: skip
    assert (tally.truncated, tally.told_why) == (Spent(3, 2, 20), 8)


def test_much_for_very_little_is_idle() -> None:
    assert is_idle(LARGE_INPUT, LARGE_INPUT // 100 - 1)
    assert not is_idle(LARGE_INPUT, LARGE_INPUT // 100)
    assert not is_idle(LARGE_INPUT - 1, 0)


def test_days_add_up() -> None:
    def day() -> Tally:
        return Tally(
            all=Spent(3, 2, 10),
            sizes={1: (2, 10)},
            finished={"stop": Spent(3, 2, 10)},
            sessions={"a": Spent(1, 1, 4), "b": Spent(1, 1, 6)},
        )

    total = day()
    total.add(day())
    assert (total.all, total.sizes, total.finished["stop"]) == (Spent(6, 4, 20), {1: (4, 20)}, Spent(6, 4, 20))
    assert dearest_sessions(total, 1) == [("b", Spent(2, 2, 12))]
