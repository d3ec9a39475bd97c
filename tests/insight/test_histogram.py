"""Quantiles of counts by size, against those of the values themselves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.histogram import NANO_USD, PARTS, SECONDS, Scale

SIZES = st.floats(min_value=0, max_value=1e5, allow_nan=False)


@given(SIZES)
def test_a_value_is_in_its_place(value: float) -> None:
    place = SECONDS.place(value)
    assert 0 <= place < SECONDS.places
    assert SECONDS.begins(place) <= value
    assert value < SECONDS.begins(place + 1) or place == SECONDS.places - 1


@given(st.sampled_from((SECONDS, NANO_USD)), st.data())
def test_a_place_is_narrow(scale: Scale, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, scale.places - 1))
    begins, ends = scale.begins(place), scale.begins(place + 1)
    assert scale.place(begins) == place
    assert 0 < (ends - begins) / begins <= 1 / PARTS


@given(st.lists(st.floats(min_value=0.01, max_value=4000), min_size=1), st.sampled_from((0.5, 0.95, 0.99, 1.0)))
def test_a_quantile_is_that_of_the_values(values: list[float], share: float) -> None:
    found = SECONDS.quantile(Counter(map(SECONDS.place, values)), share)
    ordered = sorted(values)
    true = ordered[max(-int(-len(ordered) * share // 1), 1) - 1]
    assert found == pytest.approx(true, rel=1 / PARTS)


def test_of_nothing_there_is_no_quantile() -> None:
    assert SECONDS.quantile({}, 0.5) is None
    assert SECONDS.quantile({3: 0}, 0.5) is None
