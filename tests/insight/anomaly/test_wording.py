"""Anomalies in words, with units."""

from __future__ import annotations

import pytest

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.insight.anomaly.wording import (
    contributor_text,
    lines_of,
    money_text,
    range_text,
    subject_of,
    title_of,
    value_text,
)
from tollkeeper.insight.series import Metric

USD = 10**9
HOURLY = Anomaly(
    "spike", "spend", {"tenant": "acme"}, "hour", 1_774_965_600 * USD, 1_774_969_200 * USD, 120.0 * USD, 12.0 * USD,
    8.0 * USD, 20.0 * USD, 7.5, 108 * USD, "critical",
)  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("spend", 1234.5 * USD, "$1,234.50"), ("spend", 0.0, "$0.00"), ("cost_per_request", 0.0123456 * USD, "$0.0123"),
        ("error_rate", 0.0625, "6.2 %"), ("latency", 1.5, "1.50 s"), ("requests", 1200.4, "1,200 requests"),
        ("tokens", 3.25, "3.2 tokens"), ("tokens_per_request", 850.0, "850 tokens"), ("requests", 0.0, "0 requests"),
    ],
)  # fmt: skip
def test_figures_have_their_units(metric: Metric, value: float, text: str) -> None:
    assert value_text(metric, value) == text


def test_money_is_shown_to_the_cent_or_to_four_digits() -> None:
    assert [money_text(nano) for nano in (-2 * USD, USD // 2, 100_000, -USD // 4)] == [
        "-$2.00",
        "$0.50",
        "$0.0001",
        "-$0.25",
    ]


def test_an_anomaly_says_what_is_unusual_for_whom_and_what_would_be_usual() -> None:
    assert subject_of(HOURLY) == "hourly spend"
    assert title_of(HOURLY) == "hourly spend for tenant acme at $120.00, usually $8.00 to $20.00"
    assert title_of(HOURLY._replace(kind="level_shift", step="day", scope={})) == (
        "daily spend stays at $120.00, usually $8.00 to $20.00"
    )
    assert title_of(HOURLY._replace(scope={"tenant": ""})).startswith("hourly spend for tenant (none) at")
    rule = HOURLY._replace(kind="rule", rule="mine", step=None, low=None)
    assert (subject_of(rule), title_of(rule)) == ("mine", "mine for tenant acme: spend $120.00")
    assert lines_of(rule, {"condition": "spend of 1h above $20"})[0] == "Rule: spend of 1h above $20"
    assert range_text(HOURLY._replace(low=None, high=None)) == "$12.00"
    assert range_text(HOURLY._replace(high=None)) == "at least $8.00"
    assert lines_of(HOURLY, {}) == [
        "Expected: $8.00 to $20.00", "Actual: $120.00", "Excess: $108.00", "Since: 2026-03-31 14:00 UTC",
    ]  # fmt: skip


def test_a_part_says_what_it_is_mostly_made_of() -> None:
    one = Contributor("model", "gpt-4o", 90 * USD, 10 * USD, 80 * USD, 0.8, 10 * USD, 50 * USD, 20 * USD)
    assert contributor_text(one) == "model gpt-4o: $80.00 more (80 %), by bigger calls"
    nothing = one._replace(value="", share=None, more_calls=0, bigger_calls=0, dearer_tokens=0)
    assert contributor_text(nothing) == "model (none): $80.00 more"
    more = one._replace(share=1.08)
    assert "$80.00 more (more than all of it, as others spent less), by bigger calls" in contributor_text(more)
