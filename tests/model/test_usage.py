"""The split of inclusive totals into disjoint meters."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.model import Usage
from tollkeeper.model.usage import INPUT_METERS, OUTPUT_METERS

count = st.none() | st.integers(-5, 50) | st.integers(0, 10**7)
any_usage = st.builds(
    Usage,
    **{name: count for name in Usage._fields if name != "input_audio_seconds"},
    input_audio_seconds=st.none() | st.decimals(-1, 5, places=2),
)


@given(any_usage)
def test_the_meters_sum_to_the_totals_whatever_a_provider_says(usage: Usage) -> None:
    meters = usage.billable()
    assert sum(meters.get(meter, 0) for meter in INPUT_METERS) == max(usage.input_tokens or 0, 0)
    assert sum(meters.get(meter, 0) for meter in OUTPUT_METERS) == max(usage.output_tokens or 0, 0)
    assert all(quantity > 0 for quantity in meters.values())
    assert meters["requests"] == 1


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        (Usage(10, 5), {"input": 10, "output": 5}),
        (Usage(10, 5, cache_read_tokens=4, reasoning_tokens=5), {"cache_read": 4, "input": 6, "reasoning": 5}),
        (
            Usage(10, 0, cache_write_tokens=6, cache_write_1h_tokens=2),
            {"cache_write_1h": 2, "cache_write_5m": 4, "input": 4},
        ),
        (Usage(10, 0, cache_write_1h_tokens=2), {"cache_write_1h": 2, "input": 8}),
        (
            Usage(10, 0, cache_read_tokens=6, input_audio_tokens=5, cache_read_audio_tokens=4),
            {"cache_read_audio": 4, "cache_read": 2, "input_audio": 1, "input": 3},
        ),
        (
            Usage(10, 0, cache_read_tokens=6, input_image_tokens=8, cache_read_image_tokens=5),
            {"cache_read_image": 5, "cache_read": 1, "input_image": 3, "input": 1},
        ),
        (
            Usage(0, 9, output_audio_tokens=4, output_image_tokens=3),
            {"output_audio": 4, "output_image": 3, "output": 2},
        ),
        (
            Usage(input_audio_seconds=Decimal("1.5"), output_images=2),
            {"input_audio_seconds": Decimal("1.5"), "output_images": 2},
        ),
    ],
)
def test_parts_are_taken_out_of_their_totals(usage: Usage, meters: dict[str, object]) -> None:
    assert usage.billable() == {**meters, "requests": 1}


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        (Usage(10, 0, cache_read_tokens=99), {"cache_read": 10}),
        (Usage(10, 0, cache_read_tokens=8, cache_write_tokens=8), {"cache_read": 8, "cache_write_5m": 2}),
        (Usage(10, 0, cache_read_tokens=-3), {"input": 10}),
        (Usage(0, 10, reasoning_tokens=-3), {"output": 10}),
        (Usage(10, 0, input_audio_tokens=6, cache_read_audio_tokens=6), {"input_audio": 6, "input": 4}),
        (Usage(-10, -1, web_searches=-1), {}),
    ],
)
def test_contradictions_are_cut_to_fit(usage: Usage, meters: dict[str, object]) -> None:
    assert usage.billable() == {**meters, "requests": 1}


def test_nothing_said_is_not_zero_said() -> None:
    assert not Usage().known
    assert Usage(input_tokens=0).known
