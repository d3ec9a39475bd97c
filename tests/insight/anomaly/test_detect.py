"""What is unusual is told once; what was to be expected is not told."""

from __future__ import annotations

from datetime import date

import pytest

from insight.anomaly.series_made import LONG, NANO, hours, series, week
from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.detect import scan, scan_all
from tollkeeper.insight.anomaly.sensitivity import Sensitivity
from tollkeeper.insight.series import METRICS, Metric

MONTHS = [index for index in range(180) if date.fromordinal(date(2025, 9, 1).toordinal() + index).day == 1]
"""The first days of months, in 180 days from September on."""


def found(values: list[float], step: str = "day", metric: Metric = "spend", **how: object) -> tuple[Anomaly, ...]:
    return scan(series(values, step), metric, {"tenant": "acme"}, **how).anomalies  # type: ignore[arg-type]


def test_nothing_is_told_of_ordinary_weeks() -> None:
    assert [each for seed in range(20) for each in found(week(120, seed=seed))] == []


def test_three_times_a_sunday_is_found_though_it_is_less_than_a_monday() -> None:
    values = week(60)
    values[55] *= 3
    (one,) = found(values)
    assert (one.kind, one.metric, one.scope, one.step) == ("spike", "spend", {"tenant": "acme"}, "day")
    assert (one.start, one.end) == (series(values).starts[55], series(values).starts[56])
    assert one.actual == values[55] < values[56]
    assert one.expected == pytest.approx(30 * NANO, rel=0.25)
    assert one.low is not None
    assert one.high is not None
    assert one.low < one.expected < one.high < one.actual
    assert one.score > 2.9
    assert one.excess_nano_usd == round(one.actual - one.expected)
    assert one.severity == "warning"


def test_far_above_what_was_expected_is_critical() -> None:
    values = week(60)
    values[50] *= 8
    assert [each.severity for each in found(values)] == ["critical"]


def test_a_day_is_judged_by_the_days_before_it_only() -> None:
    values = week(90)
    values[60] *= 4
    whole = scan(series(values), "spend", {})
    part = scan(series(values).until(61), "spend", {})
    assert part.judgements == whole.judgements[:61]
    assert part.anomalies == whole.anomalies[:1]


def test_too_little_is_a_drop() -> None:
    values = week(60)
    values[50] *= 0.05
    (one,) = found(values)
    assert (one.kind, one.severity) == ("drop", "info")
    assert one.score < 0
    assert one.excess_nano_usd is not None
    assert one.excess_nano_usd < 0


def test_nothing_at_all_is_a_drop_where_there_always_is_something() -> None:
    values = week(60)
    values[50] = 0
    assert [(each.kind, each.actual) for each in found(values)] == [("drop", 0)]


def test_the_newest_day_is_not_too_low_while_it_goes_on() -> None:
    values = week(60)
    values[-1] *= 0.05
    assert found(values)
    assert found(values, complete=59) == ()


def test_the_newest_day_may_already_be_too_high() -> None:
    values = week(60)
    values[-1] *= 5
    (one,) = found(values, complete=59, end=77)
    assert (one.kind, one.end) == ("spike", 77)


def test_late_calls_do_not_move_what_is_expected() -> None:
    values = week(60)
    early = [*values[:58], values[58] * 0.2, values[59] * 0.1]
    assert (
        scan(series(early), "spend", {}, complete=58).profile == scan(series(values), "spend", {}, complete=58).profile
    )


def test_anomalies_are_kept_out_of_the_baseline() -> None:
    values = week(90)
    spoilt = list(values)
    for day in (40, 50, 62):
        spoilt[day] *= 6
    clean, other = scan(series(values), "spend", {}).judgements[-1], scan(series(spoilt), "spend", {}).judgements[-1]
    assert clean is not None
    assert other is not None
    assert other.expected == pytest.approx(clean.expected, rel=0.1)


def test_a_level_that_stays_is_told_once() -> None:
    values = [each * (3 if day >= 60 else 1) for day, each in enumerate(week(140))]
    (one,) = found(values)
    assert one.kind == "level_shift"
    assert one.start == series(values).starts[60]
    assert (one.end - one.start) // LONG["day"] == Sensitivity().adopted_after


def test_a_level_that_falls_for_good_is_told_once() -> None:
    values = [each * (0.1 if day >= 60 else 1) for day, each in enumerate(week(140))]
    assert [(each.kind, each.severity) for each in found(values)] == [("level_shift", "info")]


def test_who_leaves_is_told_once_and_may_come_back() -> None:
    values = [0 if 60 <= day < 100 else each for day, each in enumerate(week(140))]
    assert [each.kind for each in found(values)] == ["level_shift"]


def test_a_level_of_hours_that_stays_is_told_once() -> None:
    values = [each * (4 if hour >= 700 else 1) for hour, each in enumerate(hours(50))]
    assert [each.kind for each in found(values, "hour")] == ["level_shift"]


def test_days_that_are_unusual_one_after_the_other_are_one_anomaly() -> None:
    values = week(60)
    values[44] *= 6
    values[45] *= 2
    (one,) = found(values)
    assert (one.end - one.start) // LONG["day"] == 2
    assert one.actual == values[44]
    assert one.excess_nano_usd is not None
    assert one.excess_nano_usd > values[44] - one.expected


def test_what_begins_again_within_the_cooldown_is_the_same_anomaly() -> None:
    values = hours(30)
    for hour in (612, 614):
        values[hour] *= 6
    assert len(found(values, "hour")) == 1
    assert len(found(values, "hour", sensitivity=Sensitivity(cooldown_hours=0))) == 2


def test_two_days_that_are_rather_high_are_enough() -> None:
    values = week(60, sd=0.2, seed=3)
    before = scan(series(values), "spend", {}).judgements[45]
    assert before is not None
    for day in (45, 46):
        judged = scan(series(values), "spend", {}).judgements[day]
        assert judged is not None
        values[day] = judged.expected * (judged.high / judged.expected) ** 0.85
    assert [(each.end - each.start) // LONG["day"] for each in found(values)] == [2]
    assert found(values, sensitivity=Sensitivity(twice=1)) == ()


def test_cents_are_no_news() -> None:
    values = week(60, dollars=0.5)
    values[50] *= 10
    assert found(values) == ()
    assert len(found(values, sensitivity=Sensitivity(least={"spend": 0}))) == 1


def test_the_first_of_the_month_is_told_the_first_time_only() -> None:
    values = week(180)
    for day in MONTHS[1:]:
        values[day] += 250 * NANO
    assert [series(values).starts.index(each.start) for each in found(values)] == [MONTHS[1]]


def test_more_than_usual_on_the_first_of_the_month_is_found() -> None:
    values = week(180)
    for day in MONTHS[1:]:
        values[day] += 250 * NANO
    values[MONTHS[-1]] *= 4
    assert series(values).starts.index(found(values)[-1].start) == MONTHS[-1]


def test_a_weekday_that_has_become_another_is_learned() -> None:
    values = [each * (3 if day % 7 == 5 and day > 60 else 1) for day, each in enumerate(week(180))]
    told = [series(values).starts.index(each.start) for each in found(values)]
    assert 1 <= len(told) <= 3
    assert max(told) <= 61 + 21


def test_where_there_never_is_anything_much_is_unusual() -> None:
    values = [0 if day % 7 >= 5 else each for day, each in enumerate(week(120))]
    assert found(values) == ()
    values[118] = 90 * NANO
    (one,) = found(values)
    assert (one.expected, one.kind) == (0, "spike")


def test_jobs_on_some_days_are_judged_by_those_days() -> None:
    values = [each if day % 3 else 0 for day, each in enumerate(week(120, weekend=1))]
    assert found(values) == ()
    values[100] *= 6
    assert len(found(values)) == 1


@pytest.mark.parametrize("metric", ["latency", "tokens_per_request", "cost_per_request"])
def test_a_mean_of_few_calls_is_no_news(metric: Metric) -> None:
    values = [1e6 * each / NANO for each in week(60, weekend=1)]
    values[50] *= 4
    calls = [1000] * 60
    (one,) = scan(series(values, calls=calls), metric, {}).anomalies
    assert one.excess_nano_usd is None
    assert scan(series(values, calls=[*calls[:50], 5, *calls[51:]]), metric, {}).anomalies == ()


def test_faster_is_no_news() -> None:
    values = [each / NANO for each in week(60, weekend=1)]
    values[50] *= 0.1
    assert scan(series(values), "latency", {}).anomalies == ()
    assert [each.kind for each in scan(series(values), "tokens_per_request", {}).anomalies] == ["drop"]


def test_days_without_a_value_are_left_out() -> None:
    values: list[float | None] = [each / NANO for each in week(80, weekend=1)]
    for day in (*range(30, 40), 55):
        values[day] = None
    values[70] = (values[70] or 0) * 5
    result = scan(series(values), "latency", {})
    assert result.judgements[55] is None
    assert [each.start for each in result.anomalies] == [series(values).starts[70]]


def test_errors_are_judged_by_how_many_calls_there_were() -> None:
    rates: list[float] = [0.01] * 40
    rates[30] = 0.3
    assert [each.kind for each in scan(series(rates, calls=500), "error_rate", {}).anomalies] == ["spike"]
    few = [*[500] * 30, 10, *[500] * 9]
    assert scan(series(rates, calls=few), "error_rate", {}).anomalies == ()
    rates[30] = 0.1
    assert scan(series(rates, calls=[*[500] * 30, 25, *[500] * 9]), "error_rate", {}).anomalies == ()


def test_an_error_rate_that_stays_is_told_once() -> None:
    rates = [0.01] * 40 + [0.2] * 40
    assert [each.kind for each in scan(series(rates, calls=500), "error_rate", {}).anomalies] == ["level_shift"]


def test_a_young_series_begins_with_what_older_ones_have_shown() -> None:
    old = {("old", str(seed)): series(week(120, seed=seed)) for seed in range(6)}
    values = week(12, seed=50)
    values[11] *= 1.9
    young = {("young", ""): series(values)}
    scopes = {name: {"tenant": name[0] + name[1]} for name in (*old, *young)}
    assert scan_all(young, "spend", scopes)["young", ""].anomalies == ()
    (one,) = scan_all({**old, **young}, "spend", scopes)["young", ""].anomalies
    assert one.scope == {"tenant": "young"}


def test_sensitivity_says_what_is_told() -> None:
    values = week(60)
    values[50] *= 3
    assert len(found(values)) == 1
    assert found(values, sensitivity=Sensitivity(day=20)) == ()


def test_all_that_is_wrong_with_a_sensitivity_is_told() -> None:
    with pytest.raises(
        ValueError, match=r"day is 0; expected more than 0.*lower is -1.*continues is 2.*least\[spend\]"
    ):
        Sensitivity(day=0, lower=-1, continues=2, least={"spend": -1})


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("step", ["day", "hour"])
def test_every_metric_is_judged(metric: Metric, step: str) -> None:
    size = 0.001 if metric == "error_rate" else 1e9
    values = [size * (1 + 0.02 * (index % 5)) for index in range(400)]
    values[300] *= 300
    told = scan(series(values, step), metric, {}).anomalies  # type: ignore[arg-type]
    assert [each.metric for each in told] == [metric]
