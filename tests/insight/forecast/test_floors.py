"""What forecasts must be as good as, on series that nothing was tuned on. `benchmarks/forecasts.py` has all figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

import forecasts as bench  # noqa: E402
from spending import many  # noqa: E402

SEED, EACH, MONTHS = 1, 10, 1


@pytest.fixture(scope="module")
def measured() -> list[bench.Measured]:
    """110 series of eleven shapes, the last month of each."""
    return list(bench.rolling(list(many(EACH, SEED, 430)), months=MONTHS))


def test_intervals_hold_as_many_totals_as_they_say(measured: list[bench.Measured]) -> None:
    most, almost = bench.coverage(measured)
    assert 78 <= most <= 84
    assert 93 <= almost <= 97


def test_the_months_total_is_known_better_than_by_its_pace(measured: list[bench.Measured]) -> None:
    assert bench.below_linear(measured) >= 40
    found = bench.errors(measured)
    assert found[bench.OURS] < min(error for name, error in found.items() if name != bench.OURS)


def test_a_job_at_the_start_of_months_is_no_news(measured: list[bench.Measured]) -> None:
    ours = [one for one in measured if one.shape == "month_start"]
    assert bench.below_linear(ours) >= 80


def test_the_references_simulation() -> None:
    found = list(bench.rolling(bench.reference(SEED)))
    most, almost = bench.coverage(found)
    assert len(found) == 150
    assert 76 <= most <= 88
    assert 92 <= almost <= 99
    assert bench.below_linear(found) >= 20


def test_a_thousand_series_take_seconds() -> None:
    """They are to take less than 15 s of one core; here are forty, and other things run beside them."""
    assert bench.speed(40) < 2
