"""What must hold of any series, however odd."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insight.anomaly.series_made import hours, series, week
from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.detect import scan
from tollkeeper.insight.anomaly.sensitivity import Sensitivity
from tollkeeper.insight.series import METRICS, SUMS, Metric, Step

FIGURES = st.lists(
    st.one_of(st.none(), st.just(0.0), st.floats(1e-6, 1e18), st.sampled_from([5e9, 6e9, 7e9])), max_size=90
)
NO_FLOOR = dict.fromkeys(METRICS, 0.0)


def finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(finite(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=60)
@given(FIGURES, st.sampled_from(METRICS), st.sampled_from(["day", "hour"]), st.integers(0, 90), st.integers(0, 500))
def test_whatever_comes_figures_are_finite_and_anomalies_in_order(
    values: list[float | None], metric: Metric, step: Step, complete: int, calls: int
) -> None:
    if metric in SUMS:
        values = [value or 0.0 for value in values]
    if metric == "error_rate":
        values = [value and value / 1e18 for value in values]
    one = series(values, step, calls=calls)
    result = scan(one, metric, {}, Sensitivity(least=NO_FLOOR), complete=min(complete, len(values)))
    assert finite(result)
    assert len(result.judgements) == len(values)
    spans = [(each.start, each.end) for each in result.anomalies]
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    for each in result.anomalies:
        assert Anomaly.read(each.document()) == each


@settings(max_examples=25)
@given(
    st.integers(0, 1000),
    st.sampled_from([1000.0, 0.001, 0.92, 151.3]),
    st.sampled_from(["day", "hour"]),
    st.integers(14, 80),
)
def test_another_unit_or_currency_changes_nothing(seed: int, times: float, step: Step, odd: int) -> None:
    values = week(90, sd=0.3, seed=seed) if step == "day" else hours(10, sd=0.3, seed=seed)
    values[odd] *= 5
    values[odd + 3] = 0.0
    least = {"spend": 2e9}
    one = scan(series(values, step), "spend", {}, Sensitivity(least=least))
    many = scan(series([each * times for each in values], step), "spend", {}, Sensitivity(least={"spend": 2e9 * times}))
    assert [each[:6] for each in many.anomalies] == [each[:6] for each in one.anomalies]
    for here, there in zip(one.anomalies, many.anomalies, strict=True):
        assert there.score == pytest.approx(here.score, rel=1e-6)
        assert there.expected == pytest.approx(here.expected * times, rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("step", ["day", "hour"])
@pytest.mark.parametrize("values", [[], [0.5], [0.0] * 60, [0.5] * 60, [0.0, 0.5] * 30])
def test_nothing_is_told_of_what_never_changes(values: list[float], metric: Metric, step: Step) -> None:
    scale = 1.0 if metric == "error_rate" else 1e11
    result = scan(series([each * scale for each in values], step), metric, {})
    assert result.anomalies == ()
    assert len(result.judgements) == len(values)


def test_nothing_is_told_of_what_is_unknown() -> None:
    result = scan(series([None] * 60), "latency", {})
    assert result.anomalies == ()
    assert set(result.judgements) == {None}


@pytest.mark.parametrize("first", [(2025, 9, 29), (2026, 3, 2)])
def test_days_of_23_and_25_hours_are_days(first: tuple[int, int, int]) -> None:
    """Clocks change in the fourth week; their hours are skipped, or come twice."""
    values = hours(40)
    when = series(values, "hour", zone="Europe/Berlin", first=first)
    by_clock = [values[place // 24 * 24 + hour] for place, hour in enumerate(when.hours)]
    assert len(set(enumerate(when.hours)) - {(place, place % 24) for place in range(len(values))}) > 24
    assert scan(series(by_clock, "hour", zone="Europe/Berlin", first=first), "spend", {}).anomalies == ()
    days = series(week(70), zone="Europe/Berlin", first=first)
    assert len({later - sooner for sooner, later in zip(days.starts, days.starts[1:], strict=False)}) == 2
    assert scan(days, "spend", {}).anomalies == ()
