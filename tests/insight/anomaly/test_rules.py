"""Whether a rule holds, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tollkeeper.insight.anomaly.rules import FEWEST_HOURS, HOUR, Reading, Used, judged, metric_of, value_of
from tollkeeper.insight.series import METRICS
from tollkeeper.model.anomaly_rule import RULE_METRICS, AnomalyRule

USD = 10**9


def used(dollars: float, calls: int = 10) -> Used:
    return Used(calls, 1, calls * 100, round(dollars * USD), calls - 2, calls - 3, calls * 0.5, calls)


def test_every_metric_of_sums() -> None:
    assert {metric_of(metric) for metric in RULE_METRICS} == set(METRICS)
    found = {metric: value_of(used(8), metric, hours=2) for metric in RULE_METRICS}
    assert found == {
        "spend": 8 * USD, "tokens": 1000, "requests": 10, "error_rate": 0.1, "latency": 0.5,
        "tokens_per_request": 1000 / 7, "cost_per_request": USD, "spend_per_hour": 4 * USD, "tokens_per_hour": 500,
        "requests_per_hour": 5,
    }  # fmt: skip
    assert value_of(Used(), "latency") is None
    assert value_of(Used(), "error_rate") is None
    assert value_of(Used(), "spend") == 0


def test_a_plain_z_score_is_of_the_mean_and_the_sample_s_deviation() -> None:
    rule = AnomalyRule("z", "spend", severities={"critical": Decimal(4)})
    before = [used(dollars) for dollars in (1, 2, 3, 4, 5, 6, 7)]  # mean 4, deviation √(28 / 6)
    reading = Reading(0, HOUR, used(9), before)
    one = judged(rule, {"tenant": "acme"}, reading)
    assert one is not None
    assert one.score == pytest.approx(5 / (28 / 6) ** 0.5, abs=1e-4)
    assert (one.expected, one.excess_nano_usd, one.severity, one.rule) == (4 * USD, 5 * USD, "warning", "z")
    assert one.high == pytest.approx((4 + 2 * (28 / 6) ** 0.5) * USD)
    assert judged(rule, {}, reading._replace(used=used(8.3))) is None
    worse = judged(rule, {}, reading._replace(used=used(13)))
    assert worse is not None
    assert worse.severity == "critical"
    assert judged(rule, {}, reading._replace(before=before[: FEWEST_HOURS - 1])) is None
    assert judged(rule, {}, reading._replace(before=[Used()] * 24)) is None, "there was never anything"
    constant = judged(rule, {}, reading._replace(used=used(4.2), before=[used(4)] * 24))
    assert constant is not None
    assert constant.score == pytest.approx(5), "a hundredth of the mean, at the least"


def test_a_ratio_is_of_the_median_of_the_days_before() -> None:
    rule = AnomalyRule("r", "spend", "ratio", Decimal(3))
    before = [used(dollars) for dollars in (1, 1, 1, 1, 50)]
    one = judged(rule, {}, Reading(0, HOUR, used(4), before))
    assert one is not None
    assert (one.score, one.expected, one.high) == (4.0, USD, 3 * USD)
    assert judged(rule, {}, Reading(0, HOUR, used(3), before)) is None
    assert judged(rule, {}, Reading(0, HOUR, used(4), before[:2])) is None
    assert judged(rule, {}, Reading(0, HOUR, used(4), [Used()] * 7)) is None


def test_thresholds_of_money_are_in_dollars_and_have_a_floor() -> None:
    rule = AnomalyRule("t", "spend_per_hour", "threshold", Decimal("2.5"), severities={"critical": Decimal(5)})
    assert judged(rule, {}, Reading(0, 2 * HOUR, used(5))) is None
    one = judged(rule, {}, Reading(0, 2 * HOUR, used(10)))
    assert one is not None
    assert (one.actual, one.high, one.score, one.severity) == (5 * USD, 2.5 * USD, 5.0, "critical")
    floored = AnomalyRule("t", "requests", "threshold", Decimal(5), floor_nano_usd=2 * USD)
    assert judged(floored, {}, Reading(0, HOUR, used(1.99))) is None
    assert judged(floored, {}, Reading(0, HOUR, used(2))) is not None
