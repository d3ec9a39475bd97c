"""Statistics that a few wild values do not move."""

from __future__ import annotations

import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.robust import Recent, deviation, median, quantile, spread

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)


@given(VALUES)
def test_the_median_is_the_middle_one(values: list[float]) -> None:
    assert median(values) == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-9)


def test_of_nothing_there_is_no_statistic() -> None:
    assert median([]) is deviation([]) is spread([]) is quantile([], 0.5) is Recent(3).median() is None


def test_the_spread_of_normal_values_is_their_standard_deviation() -> None:
    draw = Random(1)
    assert spread([draw.gauss(5, 2) for _ in range(20_000)]) == pytest.approx(2, rel=0.03)


def test_half_of_the_values_may_be_wild() -> None:
    assert spread([1, 2, 3, 4, 5, 1e12, 1e12]) == pytest.approx(1.4826 * 2)


def test_a_quantile_lies_on_the_line_between_two_values() -> None:
    assert [quantile([10, 20, 30, 40], share) for share in (0, 0.5, 0.9, 1)] == [10, 25, pytest.approx(37), 40]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        quantile([1.0], share)


@given(st.lists(st.integers(-20, 20), max_size=60), st.integers(1, 12))
def test_recent_values_are_the_last_ones(values: list[float], most: int) -> None:
    recent = Recent(most, values)
    last = values[-most:]
    assert (list(recent.came), list(recent.ordered)) == (last, sorted(last))
    assert recent.median() == median(last)
    assert recent.quantile(0.9) == quantile(last, 0.9)
    recent.clear()
    assert len(recent) == 0


def test_recent_values_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Recent(0)
