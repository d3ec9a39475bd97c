"""Parts of an excess add up to it, to the nano-dollar."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.insight.anomaly.explain import (
    Use,
    contributors,
    decompose,
    expected_use,
    shared_out,
    top_contributors,
)

WHOLE = st.builds(Use, st.integers(0, 10**6), st.integers(0, 10**10), st.integers(0, 10**15))
MEAN = st.builds(Use, st.floats(0, 1e6), st.floats(0, 1e10), st.floats(0, 1e15))
BY_NAME = st.dictionaries(st.sampled_from("abcde"), WHOLE)
MEANS = st.dictionaries(st.sampled_from("abcde"), MEAN)

NORMAL = Use(1000, 500_000, 40_000_000_000)


def test_more_calls_of_the_same_kind_are_more_calls() -> None:
    assert decompose(Use(3000, 1_500_000, 120_000_000_000), NORMAL) == (80_000_000_000, 0, 0)


def test_the_same_calls_with_more_tokens_are_bigger() -> None:
    assert decompose(Use(1000, 1_500_000, 120_000_000_000), NORMAL) == (0, 80_000_000_000, 0)


def test_the_same_tokens_for_more_money_are_dearer() -> None:
    assert decompose(Use(1000, 500_000, 120_000_000_000), NORMAL) == (0, 0, 80_000_000_000)


def test_twice_the_calls_of_twice_the_size_are_half_and_half() -> None:
    assert decompose(Use(2000, 2_000_000, 160_000_000_000), NORMAL) == (60_000_000_000, 60_000_000_000, 0)


def test_more_calls_of_smaller_size_may_cost_the_same() -> None:
    parts = decompose(Use(2000, 500_000, 40_000_000_000), NORMAL)
    assert parts.more_calls == -parts.bigger_calls > 0
    assert parts.dearer_tokens == 0


def test_what_is_new_is_more_calls() -> None:
    assert decompose(NORMAL, Use()) == (40_000_000_000, 0, 0)
    assert decompose(Use(), NORMAL) == (-40_000_000_000, 0, 0)


def test_calls_without_tokens_differ_by_number_and_price() -> None:
    assert decompose(Use(100, 0, 8_000_000), Use(100, 0, 4_000_000)) == (0, 0, 4_000_000)


@given(WHOLE, MEAN)
def test_parts_add_up_exactly(actual: Use, expected: Use) -> None:
    parts = decompose(actual, expected)
    assert all(isinstance(part, int) for part in parts)
    assert sum(parts) == round(actual.nano_usd) - round(expected.nano_usd)


@settings(max_examples=40)
@given(BY_NAME, MEANS)
def test_contributors_add_up_exactly(actual: dict[str, Use], expected: dict[str, Use]) -> None:
    found = contributors("model", actual, expected)
    excess = sum(round(use.nano_usd) for use in actual.values()) - sum(round(use.nano_usd) for use in expected.values())
    assert {each.value for each in found} == actual.keys() | expected.keys()
    assert sum(each.excess_nano_usd for each in found) == excess
    for each in found:
        assert each.more_calls + each.bigger_calls + each.dearer_tokens == each.excess_nano_usd
        assert each.excess_nano_usd == each.actual_nano_usd - each.expected_nano_usd
    if excess:
        assert sum(each.share or 0 for each in found) == pytest.approx(1, abs=1e-3)
    else:
        assert {each.share for each in found} <= {None}


@settings(max_examples=40)
@given(MEANS.filter(lambda uses: sum(use.nano_usd for use in uses.values()) > 1), st.integers(0, 10**15))
def test_what_is_expected_is_shared_out_exactly(usual: dict[str, Use], expected: int) -> None:
    shared = shared_out(usual, expected)
    assert shared.keys() == usual.keys()
    assert sum(round(use.nano_usd) for use in shared.values()) == expected


def test_what_is_expected_cannot_be_shared_among_nobody() -> None:
    assert shared_out({}, 0) == {}
    with pytest.raises(ValueError, match="7 nano-dollars to share out"):
        shared_out({"a": Use(3, 4, 0)}, 7)


def test_the_mean_of_comparable_intervals_is_expected() -> None:
    assert expected_use([Use(10, 100, 1000), Use(20, 300, 2000)]) == (15, 200, 1500)
    assert expected_use([Use(10, 100, 1000)], scale=2) == (20, 200, 2000)
    assert expected_use([]) == (0, 0, 0)


def test_the_greatest_shares_explain_an_excess_whatever_their_dimension() -> None:
    usual = Use(500, 250_000, 20_000)
    looping = Use(9500, 4_750_000, 380_000)
    found = top_contributors(
        {
            "user": ({"u-1": looping, "u-2": usual}, {"u-1": usual, "u-2": usual}),
            "model": ({"big": Use(5000, 1, 200_000), "small": Use(5000, 1, 200_000)}, {"big": usual, "small": usual}),
            "tenant": ({"acme": Use(10_000, 1, 400_000)}, {"acme": Use(1000, 1, 40_000)}),
        }
    )
    assert [(each.dimension, each.value, each.share) for each in found] == [
        ("user", "u-1", 1.0), ("model", "big", 0.5), ("model", "small", 0.5)
    ]  # fmt: skip
    assert found[0].more_calls == 360_000


def test_a_dimension_of_one_value_is_better_than_none() -> None:
    (one,) = top_contributors({"tenant": ({"acme": NORMAL}, {})})
    assert (one.value, one.share) == ("acme", 1.0)


def test_of_a_drop_those_come_first_that_are_missing() -> None:
    found = contributors("model", {"a": NORMAL}, {"a": NORMAL, "b": Use(10, 10, 10**9)}, most=1)
    assert [(each.value, each.excess_nano_usd, each.share) for each in found] == [("b", -(10**9), 1.0)]
