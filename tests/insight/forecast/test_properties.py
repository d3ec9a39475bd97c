"""What holds of forecasts of any series: in any unit, with gaps, of nothing, of one day, of the same each day."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.insight.forecast.calibration import Calibration
from tollkeeper.insight.forecast.contest import HORIZONS, LEAST, METHODS, Backtest, backtest
from tollkeeper.insight.forecast.days import days_of, slot_of
from tollkeeper.insight.forecast.outlook import Coming, Outlook, outlook

MONDAY = date(2026, 1, 5)

amounts = st.lists(
    st.one_of(st.just(0.0), st.floats(0.001, 1e6, allow_nan=False)), min_size=LEAST, max_size=90
)  # fmt: skip


def foreseen(found: Backtest, spent: float, days: int, budget: float | None = None) -> Outlook:
    """Of one series, calibrated by itself and a hundred more like it."""
    calibration = Calibration(dict.fromkeys(range(100), found))
    coming = [
        Coming(ahead * 10, amount, found.usual * ahead, calibration.spread(1, ahead))
        for ahead, amount in enumerate(accumulate(found.ahead[:days]), 1)
    ]
    return outlook(0, spent, coming, budget)


@settings(max_examples=30)
@given(amounts, st.integers(1, 31), st.floats(0, 1e7))
def test_quantiles_are_in_order_and_never_below_what_is_spent(values: list[float], days: int, spent: float) -> None:
    found = foreseen(backtest(days_of(MONDAY, values)), spent, days)
    known = [
        each for each in (spent, found.lowest, found.low, found.middle, found.high, found.highest) if each is not None
    ]
    assert all(math.isfinite(each) for each in known)
    assert known == sorted(known)
    assert (found.low is None) == (found.high is None) == (found.reason is not None)
    for before, after in pairwise(found.band):
        assert before.middle <= after.middle
        if before.low is not None and after.low is not None:
            assert before.low <= after.low
            assert (before.high or 0) <= (after.high or 0)


@settings(max_examples=20)
@given(amounts, st.sampled_from([1e-3, 7.0, 1e9]))
def test_another_unit_or_currency_changes_nothing_else(values: list[float], factor: float) -> None:
    one = backtest(days_of(MONDAY, values))
    other = backtest(days_of(MONDAY, [value * factor for value in values]))
    assert [each * factor for each in one.ahead] == pytest.approx(other.ahead, rel=1e-6, abs=1e-9 * factor)
    assert [each.log_ratio for each in one.misses] == pytest.approx([each.log_ratio for each in other.misses], abs=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_of_the_same_each_day_every_method_says_the_same(method) -> None:
    days = days_of(MONDAY, [250.0] * 120)
    for ahead in method.ahead(days, [100, 120], 31):
        assert ahead == pytest.approx([250.0] * 31, rel=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_is_said_of_a_day_follows_from_the_days_before_it_only(method) -> None:
    values = [100.0 + (at * 37 % 11) * 9 for at in range(120)]
    whole, part = days_of(MONDAY, values), days_of(MONDAY, values[:80])
    # The unit of logarithms is of the whole history: of these two, they are alike.
    part = replace(part, floor=whole.floor)
    assert method.ahead(whole, [80], 31)[0] == pytest.approx(method.ahead(part, [80], 31)[0], rel=0.02)


def test_nothing_at_all() -> None:
    found = foreseen(backtest(days_of(MONDAY, [0.0] * 60)), 5.0, 20, budget=10.0)
    assert (found.low, found.middle, found.high, found.exceeds) == (5.0, 5.0, 5.0, 0.0)


@pytest.mark.parametrize("length", [0, 1, LEAST - 1])
def test_too_little_is_no_history(length: int) -> None:
    with pytest.raises(ValueError, match="expected at least 14"):
        backtest(days_of(MONDAY, [3.0] * length))


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_what_is_no_amount_is_said_so(wrong: float) -> None:
    with pytest.raises(ValueError, match="expected numbers of at least 0"):
        days_of(MONDAY, [1.0, wrong])


def test_without_an_own_total_of_that_length_there_is_no_interval() -> None:
    found = foreseen(backtest(days_of(MONDAY, [float(3 + at % 5) for at in range(25)])), 0.0, 20)
    assert found.middle is not None
    assert found.middle > 0
    assert (found.lowest, found.low, found.high, found.highest) == (None, None, None, None)
    assert found.reason == "no total of 20 days is over yet to measure by: it takes 34 days of history"


def test_of_one_series_alone_there_are_too_few_totals() -> None:
    one = backtest(days_of(MONDAY, [float(3 + at % 5) for at in range(60)]))
    spread = Calibration({"one": one}).spread("one", 20)
    assert isinstance(spread, str)
    assert "it takes 9" in spread
    assert Calibration({}).coverage(20) == ()


def test_an_outlier_does_not_move_the_forecast_and_a_new_level_does() -> None:
    steady = [100.0 + at % 3 for at in range(90)]
    usual = sum(backtest(days_of(MONDAY, steady)).ahead[:20])
    spoilt = [*steady[:80], 5000.0, *steady[81:]]
    assert sum(backtest(days_of(MONDAY, spoilt)).ahead[:20]) == pytest.approx(usual, rel=0.12)
    flagged = days_of(MONDAY, spoilt, flagged=[80])
    assert flagged.outliers == {80}
    assert flagged.tamed[80] == pytest.approx(101, rel=0.05)
    shifted = [*steady[:60], *(value * 3 for value in steady[60:])]
    days = days_of(MONDAY, shifted)
    assert not days.outliers & set(range(63, 90))
    assert sum(backtest(days).ahead[:20]) == pytest.approx(3 * usual, rel=0.15)


def test_first_and_last_days_of_months() -> None:
    days = [MONDAY + timedelta(days=at) for at in range(200)]
    values = [100.0 * (6 if day.day == 1 else 3 if slot_of(day) == -1 else 1) for day in days]
    found = days_of(MONDAY, values)
    following = backtest(found).ahead
    for ahead, amount in enumerate(following):
        day = MONDAY + timedelta(days=200 + ahead)
        assert amount == pytest.approx(600 if day.day == 1 else 300 if slot_of(day) == -1 else 100, rel=0.1), day
    assert [slot_of(date(2026, 2, day)) for day in (1, 3, 4, 25, 26, 28)] == [1, 3, 0, 0, -3, -1]
    assert [slot_of(date(2028, 2, 29)), slot_of(date(2026, 4, 28)), slot_of(date(2026, 12, 31))] == [-1, -3, -1]


def test_every_origin_sees_every_weekday() -> None:
    for length in (14, 30, 60, 200, 400):
        found = backtest(days_of(MONDAY, [1.0 + at % 4 for at in range(length)]))
        assert found.step % 7
        assert {miss.horizon for miss in found.misses} <= set(HORIZONS)
        assert all(miss.origin + miss.horizon <= length for miss in found.misses)
        assert sum(one.weight for one in found.standings) == pytest.approx(1)
