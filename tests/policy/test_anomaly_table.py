"""Rules of anomalies in a policy: read with all their mistakes, written, and what they say of built-in detectors."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.written import globs, names, whose
from tollkeeper.model import Match
from tollkeeper.model.anomaly_rule import (
    DETECTORS,
    MONEY,
    RULE_METRICS,
    AnomalyRule,
    Detection,
    Response,
)
from tollkeeper.model.ladder import Emergency, Ladder, Step
from tollkeeper.model.limit import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.anomaly_table import SCOPES, threshold_text
from tollkeeper.policy.document import policy_document, read_json, read_toml, write_toml
from tollkeeper.policy.mistakes import PolicyError

HEAD = """
[policy]
name = "acme"

[[limit]]
name = "usd-day"
limit = "$10 / day per tenant"

[[ladder]]
limit = "usd-day"
steps = [{ at = 50, do = "alert" }, { at = 80, do = "cap_output", tokens = 5 }, { at = 90, do = "deny" }]
"""
RULES = (
    HEAD
    + """
[emergency]
tokens = 4

[[anomaly]]
name = "High Frequency Requests"
type = "threshold"
metric = "requests_per_hour"
threshold = 100
per = "user"
window = "1h"
severity = { critical = 200 }
cooldown = "30m"
floor = "$5"
respond = { ladder = "usd-day", at = 80 }

[[anomaly]]
name = "z"
metric = "spend"
respond = "emergency"

[[detection]]
detector = "hourly"
scope = ["user", "total"]
deviations = 4.5

[[detection]]
metric = "latency"
enabled = false
"""
)


def test_a_rule_says_what_the_requirement_asks_for() -> None:
    policy = read_toml(RULES, "acme.toml")
    frequent, plain = policy.anomalies
    assert frequent == AnomalyRule(
        "High Frequency Requests", "requests_per_hour", "threshold", Decimal(100), 3600, per=("user",),
        severities={"critical": Decimal(200)}, cooldown_seconds=1800, floor_nano_usd=5 * 10**9,
        respond=Response(ladder="usd-day", at=80),
    )  # fmt: skip
    assert plain == AnomalyRule("z", "spend", respond=Response(emergency=True))
    assert (plain.type, plain.threshold, plain.window_seconds) == ("z_score", 2, 24 * 3600)
    assert threshold_text(frequent) == "requests_per_hour of 1h above 100"
    assert threshold_text(plain) == "spend of an hour 2 standard deviations above the mean of 24h"


def test_built_in_detectors_are_tuned_by_metric_and_scope() -> None:
    policy = read_toml(RULES, "acme.toml")
    assert policy.detects("hourly", "spend", "user") == Detection(deviations=Decimal("4.5"))
    assert policy.detects("hourly", "latency", "total") == Detection(enabled=False, deviations=Decimal("4.5"))
    assert policy.detects("daily", "spend", "user") == Detection()
    later = read_toml(RULES + '[[detection]]\nscope = "user"\nmetric = "latency"\nfloor = "$3"\n', "acme.toml")
    assert later.detects("daily", "latency", "user") == Detection(floor_nano_usd=3 * 10**9)


WRONG = {
    "": ["name: missing; expected a name", "metric: missing; expected one of spend"],
    'name = "a"\nmetric = "spnd"\ntype = "ratio"': ["metric: 'spnd'; expected 'spend'", "threshold: missing"],
    'name = "a"\nmetric = "spend"\nbaseline = "7d"': ['only type "ratio" compares with other days'],
    'name = "a"\nmetric = "spend"\nwindow = "510m"': ["window: '510m'; expected whole hours"],
    'name = "a"\nmetric = "spend"\nwindow = "1h"': ["a time from 8h to 31d"],
    'name = "a"\nmetric = "spend"\nper = "session"': ["sessions have no days before"],
    'name = "a"\nmetric = "spend"\nmatch = { tags = { priority = "low" } }': ["no tag 'priority'"],
    'name = "a"\nmetric = "spend"\nseverity = { critical = 1 }': ["severity.critical: 1; expected no less than 2"],
    'name = "a"\nmetric = "spend"\nthreshold = 0.00000001': ["exact to a millionth"],
    'name = "a"\nmetric = "spend"\nrespond = "panic"': ['"emergency", or steps of a ladder'],
    'name = "a"\nmetric = "spend"\nrespond = "emergency"': ["a table [emergency] that says what is done then"],
    'name = "a"\nmetric = "spend"\nrespond = { ladder = "usd-dya" }': ["'usd-dya'; expected 'usd-day'"],
    'name = "a"\nmetric = "spend"\nrespond = { ladder = "usd-day", at = 60 }': ["does something to calls"],
    'name = "a"\nmetric = "spend"\n[[anomaly]]\nname = "a"\nmetric = "spend"': ["another name than that of another"],
    'name = "a"\nmetric = "spend"\n[[detection]]\ndeviations = 0.1\nscope = "all"': ["from 1 to 100", "one of total"],
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), WRONG.items())
def test_every_mistake_is_told_with_its_line(said: str, expected: list[str]) -> None:
    with pytest.raises(PolicyError) as error:
        read_toml(HEAD + "[[anomaly]]\n" + said, "acme.toml")
    for each in expected:
        assert each in str(error.value)
    assert all(line.startswith("acme.toml:") for line in str(error.value).splitlines())


positive = st.integers(1, 10**15).map(lambda millionths: Decimal(millionths) / 10**6)
METRICS = RULE_METRICS[:7]
TAGS = ("tenant", "project", "user", "service", "feature", "config")
LADDER = Ladder("usd-day", (Step(80, "deny"),))
LIMIT = Limit("usd-day", "usd", 10**10, Window("day"))


tags = st.dictionaries(st.sampled_from(TAGS), globs.filter(bool), max_size=2)


@st.composite
def rules(draw: st.DrawFn) -> AnomalyRule:
    kind = draw(st.sampled_from(("z_score", "threshold", "ratio")))
    metric = draw(st.sampled_from(RULE_METRICS))
    hours, minutes = draw(st.integers(8, 744)), draw(st.integers(1, 360))
    per = tuple(each for each in draw(whose) if kind == "threshold" or each != "session")
    threshold = draw(positive)
    worse = sorted(draw(st.lists(positive, max_size=2)))
    match = Match(draw(globs), draw(globs), tags=draw(tags))
    responses = [None, Response(emergency=True)]
    if not match.model and "model" not in per:
        responses.append(Response(ladder="usd-day", at=90))
    return AnomalyRule(
        draw(names), metric, kind, threshold, hours * 3600 if kind == "z_score" else minutes * 60,
        draw(st.integers(3, 60)) if kind == "ratio" else 7,
        match,
        per,
        {name: max(value, threshold) for name, value in zip(("warning", "critical"), worse, strict=False)},
        draw(st.integers(0, 86_400)), draw(st.integers(0, 10**12)),
        draw(st.sampled_from(responses)),
    )  # fmt: skip


detections = st.builds(
    Detection,
    st.sets(st.sampled_from(DETECTORS)).map(lambda chosen: tuple(each for each in DETECTORS if each in chosen)),
    st.sets(st.sampled_from(METRICS)).map(lambda chosen: tuple(each for each in METRICS if each in chosen)),
    st.sets(st.sampled_from(SCOPES)).map(lambda chosen: tuple(each for each in SCOPES if each in chosen)),
    st.booleans(),
    st.none() | st.integers(1_000_000, 100_000_000).map(lambda millionths: Decimal(millionths) / 10**6),
    st.none() | st.integers(0, 10**12),
)  # fmt: skip


@settings(max_examples=30)
@given(st.lists(rules(), max_size=2, unique_by=lambda rule: rule.name), st.lists(detections, max_size=2))
def test_what_is_written_reads_the_same(written: list[AnomalyRule], tuned: list[Detection]) -> None:
    policy = Policy(limits=(LIMIT,), ladders=(LADDER,), emergency=Emergency(), anomalies=tuple(written),
                    detection=tuple(tuned))  # fmt: skip
    assert read_json(json.dumps(policy_document(policy)), "policy.json") == policy
    assert read_toml(write_toml(policy), "policy.toml") == policy


def test_money_is_in_dollars() -> None:
    said = 'name = "dear"\nmetric = "{}"\ntype = "threshold"\nthreshold = "$0.000000001"'
    for metric in RULE_METRICS:
        if metric in MONEY:
            (rule,) = read_toml("[[anomaly]]\n" + said.format(metric), "acme.toml").anomalies
            assert rule.threshold == Decimal("1E-9")
            assert read_toml(write_toml(Policy(anomalies=(rule,))), "acme.toml").anomalies == (rule,)
        else:
            with pytest.raises(PolicyError, match="a number above zero"):
                read_toml("[[anomaly]]\n" + said.format(metric), "acme.toml")
