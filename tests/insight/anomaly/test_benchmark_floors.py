"""The least that must be found on labelled series, and the most that may be false: benchmarks/anomalies.py in small.

Its shapes were decided before the detector was tuned, on seeds 1 to 3; these are others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
SEED = 211
COUNTS = {"day": 16, "hour": 2}


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        yield import_module("anomalies")


def test_what_is_asked_for_is_reached(benchmark: ModuleType) -> None:
    """By a new installation, which knows no other series; with them, more is found."""
    found, weekends = benchmark.Tally(), {}
    for shape in benchmark.SHAPES:
        of = {"seed": SEED, "count": COUNTS[shape.step]}
        found = found.plus(benchmark.tally(shape, benchmark.labelled(shape, **of), benchmark.ours()))
        threes = benchmark.labelled(shape, **of, times=benchmark.of_size(3), weekends=True)
        weekends[shape.name] = benchmark.tally(shape, threes, benchmark.ours())
    assert found.events > 300
    assert found.precision >= benchmark.PRECISION
    assert found.recall >= benchmark.RECALL
    assert found.false_in_100_days <= benchmark.FALSE / 2
    assert sum(each.found for each in weekends.values()) >= 0.7 * sum(each.events for each in weekends.values())
    for name in ("growing", "office", "billing", "shifting"):
        assert weekends[name].recall >= benchmark.WEEKEND, name


def test_hours_in_which_many_calls_fail_are_found(benchmark: ModuleType) -> None:
    found = benchmark.tally(benchmark.FAILING, benchmark.failing(SEED, 4), benchmark.ours())
    assert found.events > 15
    assert found.recall >= benchmark.RECALL
    assert found.false_in_100_days <= benchmark.FALSE


def test_a_thousand_series_of_400_days_take_a_fraction_of_half_a_minute(benchmark: ModuleType) -> None:
    seconds, peak = benchmark.cost(count=10)
    assert seconds < 20
    assert peak < 1
