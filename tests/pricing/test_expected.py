"""How long answers have been: never told too short, by an eighth too long at the most, and in a fixed space."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.pricing.expected import MOST_MODELS, NEEDED, REMEMBERED, ExpectedOutput, Lengths


@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**31 - 1)), min_size=NEEDED, max_size=400))
def test_it_is_no_less_than_the_true_quantile_and_hardly_more(lengths: list[int]) -> None:
    sketch = Lengths()
    for length in lengths:
        sketch.add(length)
    true = sorted(lengths)[-(-len(lengths) * 99 // 100) - 1]
    said = sketch.quantile()
    assert said is not None and true <= said <= true + true // 8


def test_little_is_said_of_few() -> None:
    sketch = Lengths()
    for _ in range(NEEDED - 1):
        sketch.add(100)
    assert sketch.quantile() is None
    sketch.add(100)
    assert sketch.quantile() == 103


def test_one_in_a_hundred_is_left_out_and_what_was_long_ago_is_forgotten() -> None:
    sketch = Lengths()
    for number in range(1000):
        sketch.add(5000 if number % 200 == 0 else 7)
    assert sketch.quantile() == 7
    for _ in range(12 * REMEMBERED):
        sketch.add(2000)
    assert sketch.quantile() == 2047
    for _ in range(12 * REMEMBERED):
        sketch.add(3)
    assert sketch.quantile() == 3


def test_what_cannot_be_is_taken_as_the_nearest_that_can() -> None:
    sketch = Lengths()
    for _ in range(NEEDED):
        sketch.add(-5)
    assert sketch.quantile() == 0
    for _ in range(NEEDED):
        sketch.add(2**80)
    assert sketch.quantile() == 2**31 - 1


def test_each_model_has_its_own_and_old_ones_are_forgotten() -> None:
    expected = ExpectedOutput()
    for _ in range(NEEDED):
        expected.learn("openai", "gpt-4o", 10)
        expected.learn("azure", "gpt-4o", 3)
    assert (expected.of("openai", "gpt-4o"), expected.of("azure", "gpt-4o")) == (10, 3)
    assert expected.of("openai", "o3") is None
    for number in range(MOST_MODELS - 1):
        expected.learn("openai", f"m-{number}", 1)
    expected.learn("azure", "gpt-4o", 3)
    assert (expected.of("openai", "gpt-4o"), expected.of("azure", "gpt-4o")) == (None, 3)
