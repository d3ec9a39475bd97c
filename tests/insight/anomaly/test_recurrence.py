"""Months, weeks and days without anything."""

from __future__ import annotations

from datetime import date

import pytest

from tollkeeper.insight.anomaly.baseline import UNKNOWN, Baseline, Prior, pooled
from tollkeeper.insight.anomaly.recurrence import Months, Zeros, month_places


@pytest.mark.parametrize(
    ("day", "places"),
    [
        (date(2025, 9, 1), {"day 1", "first working day"}),
        (date(2025, 11, 3), {"day 3", "first working day"}),
        (date(2025, 11, 4), {"day 4"}),
        (date(2025, 11, 28), {"day 28", "last working day"}),
        (date(2025, 11, 30), {"day 30", "last"}),
        (date(2024, 2, 29), {"day 29", "last", "last working day"}),
    ],
)
def test_a_day_has_its_places_in_the_month(day: date, places: set[str]) -> None:
    assert {name for name, _ in month_places(day)} == places


def test_one_month_is_proof_for_the_first_day_and_two_are_for_others() -> None:
    months = Months()
    for day in (1, 14):
        months.saw(date(2025, 9, day), 0, 1.2, 0.5, 0.0)
    assert months.expected(date(2025, 10, 1), 0, 0.0) == pytest.approx(1.2)
    assert months.expected(date(2025, 10, 1), 5, 0.0) == 0, "another hour"
    assert months.expected(date(2025, 10, 14), 0, 0.0) == 0
    months.saw(date(2025, 10, 14), 0, 0.9, 0.5, 0.0)
    assert months.expected(date(2025, 11, 14), 0, 0.0) == pytest.approx(0.9)
    months.saw(date(2025, 11, 14), 0, 0.1, 0.5, 0.0)
    assert months.expected(date(2025, 12, 14), 0, 0.0) == 0


def test_what_comes_on_top_is_as_much_on_a_quiet_day() -> None:
    months = Months()
    months.saw(date(2025, 9, 1), 0, 1.0986, 0.5, 0.0)
    assert months.expected(date(2025, 11, 1), 0, 2.302) == pytest.approx(3.045, abs=0.01), "ln(1 + 2 x 10)"


def test_nothing_is_ordinary_once_it_has_been_seen_often() -> None:
    zeros = Zeros()
    for _ in range(60):
        zeros.saw(0, nothing=False)
        zeros.saw(1, nothing=True)
    assert (zeros.ordinary(0), zeros.ordinary(1), zeros.always(1), zeros.always(0)) == (False, True, True, False)
    zeros.adopt()
    assert zeros.ordinary(0)


def test_the_prior_is_what_most_have_shown() -> None:
    week = (0.2,) * 5 + (-0.5,) * 2
    profiles = [Prior(sd, week, (0.0,) * 7) for sd in (0.1, 0.2, 0.3, 0.4, 0.5)]
    prior = pooled(profiles)
    assert prior.sd == pytest.approx(0.38)
    assert prior.week == pytest.approx(week)
    assert pooled(profiles[:4]) == UNKNOWN


def test_a_baseline_learns_level_noise_and_week() -> None:
    baseline = Baseline("day")
    for index in range(200):
        day = date.fromordinal(date(2025, 9, 1).toordinal() + index)
        wobble = 0.2 if index % 2 else -0.2
        baseline.learn(baseline.slots(day, 0), 10 + wobble - (1.5 if day.weekday() >= 5 else 0))
    sunday = baseline.expect(baseline.slots(date(2026, 3, 22), 0))
    monday = baseline.expect(baseline.slots(date(2026, 3, 23), 0))
    assert sunday is not None
    assert monday is not None
    assert monday.centre - sunday.centre == pytest.approx(1.5, abs=0.25)
    assert monday.centre == pytest.approx(10, abs=0.25)
    assert baseline.sd == pytest.approx(0.2, abs=0.04)
