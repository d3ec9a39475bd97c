"""Anomalies are followed, acknowledged and labelled, in SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from storage.insight.test_evaluations import At
from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.anomalies import (
    KEPT_FOR,
    LABELS_HOLD_FOR,
    AnomalyQuery,
    AnomalyStore,
    Found,
    factors,
)

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE


@pytest.fixture
def at() -> At:
    return At()


@pytest.fixture
def store(database: Database, at: At) -> AnomalyStore:
    return AnomalyStore(database, at)


def anomaly(at: At, **changes: object) -> Anomaly:
    plain = Anomaly(
        "runaway", "spend", {"session": "s1"}, None, at.now - 5 * MINUTE, at.now, 6e11, 1e9, None, 7e9, 9.5,
        4_000_000_000, "warning",
    )  # fmt: skip
    return plain._replace(**changes)


def found(at: At, cooldown: int = 30 * MINUTE, **changes: object) -> Found:
    return Found(anomaly(at, **changes), {"calls": 7, "cause": []}, cooldown)


def test_it_is_followed_until_it_is_not_found(store: AnomalyStore, at: At) -> None:
    (first,) = store.follow("runaway", [found(at)], at.now)
    assert first.anomaly == anomaly(at)
    assert (first.found_at, first.seen_at, first.ended_at, first.facts["calls"]) == (at.now, at.now, None, 7)
    at.now += MINUTE
    (again,) = store.follow("runaway", [found(at, severity="critical", actual=7e11)], at.now)
    assert (again.id, again.anomaly.start, again.anomaly.severity) == (first.id, first.anomaly.start, "critical")
    at.now += MINUTE
    (milder,) = store.follow("runaway", [found(at)], at.now)
    assert milder.anomaly.severity == "critical"
    assert store.follow("hour", [], at.now) == []
    assert [kept.id for kept in store.open()] == [first.id]
    assert store.follow("runaway", [], at.now) == []
    assert store.open() == []
    over = store.anomaly(first.id)
    assert over is not None
    assert over.ended_at == at.now


def test_one_that_begins_again_within_the_cooldown_is_the_same(store: AnomalyStore, at: At) -> None:
    (first,) = store.follow("runaway", [found(at)], at.now)
    store.follow("runaway", [], at.now)
    at.now += 29 * MINUTE
    (again,) = store.follow("runaway", [found(at)], at.now)
    assert (again.id, again.ended_at) == (first.id, None)
    store.follow("runaway", [], at.now)
    at.now += 30 * MINUTE
    (other,) = store.follow("runaway", [found(at)], at.now)
    assert other.id != first.id
    assert len(store.anomalies()) == 2


def test_what_has_another_source_metric_scope_or_rule_is_another(store: AnomalyStore, at: At) -> None:
    several = [found(at), found(at, metric="requests"), found(at, scope={}), found(at, scope={"user": "ada"})]
    assert len(store.follow("runaway", several, at.now)) == 4
    rules = [found(at, kind="rule", rule=name) for name in ("a", "b")]
    assert len(store.follow("rule", rules, at.now)) == 2
    spikes = [found(at, kind="spike", step=step) for step in ("hour", "day")]
    assert len(store.follow("hour", spikes[:1], at.now)) == len(store.follow("day", spikes[1:], at.now)) == 1
    (shifted,) = store.follow("day", [found(at, kind="level_shift", step="day")], at.now)
    assert shifted.anomaly.kind == "level_shift"
    assert len(store.open()) == 8
    assert {kept.source for kept in store.open()} == {"runaway", "rule", "hour", "day"}
    assert len(store.anomalies(AnomalyQuery(kind="rule"))) == 2
    assert [kept.anomaly.rule for kept in store.anomalies(AnomalyQuery(rule="b"))] == ["b"]
    assert len(store.anomalies(AnomalyQuery(scope={"user": "ada"}))) == 1
    assert len(store.anomalies(AnomalyQuery(limit=3))) == 3
    assert store.counts() == {("spend", "warning"): 7, ("requests", "warning"): 1}


def test_the_past_is_remembered_once(store: AnomalyStore, at: At) -> None:
    old = found(at, kind="spike", step="day", start=at.now - 9 * DAY, end=at.now - 7 * DAY)
    assert store.remember([old], at.now) == 1
    longer = found(at, kind="level_shift", step="day", start=at.now - 9 * DAY, end=at.now - 6 * DAY)
    assert store.remember([old, longer], at.now) == 0
    (kept,) = store.anomalies(AnomalyQuery(open=False))
    assert (kept.anomaly.start, kept.ended_at) == (at.now - 9 * DAY, at.now - 7 * DAY)
    assert store.open() == []


def test_people_acknowledge_and_label_and_the_trail_says_so(store: AnomalyStore, database: Database, at: At) -> None:
    (kept,) = store.follow("runaway", [found(at)], at.now)
    seen = store.acknowledge(kept.id, author="ada", reason="looking")
    assert seen is not None
    assert (seen.acknowledged_by, seen.acknowledged_at) == ("ada", at.now)
    said = store.label(kept.id, "false", author="bob", note="a load test")
    assert said is not None
    assert (said.label, said.labelled_by, said.note) == ("false", "bob", "a load test")
    assert store.counts() == {}
    assert [one.id for one in store.anomalies(AnomalyQuery(label="false"))] == [kept.id]
    assert store.anomalies(AnomalyQuery(label="none")) == []
    store.follow("runaway", [], at.now)
    assert store.acknowledge(kept.id, author="ada") is None
    assert store.label("nothing", "real", author="ada") is None
    back = store.label(kept.id, None, author="bob")
    assert back is not None
    assert (back.label, back.labelled_by, back.note) == (None, None, None)
    entries, _ = AuditTrail(database).entries(AuditQuery(kind="anomaly"))
    trail = [(one.author, one.action, one.before, one.after, one.reason) for one in reversed(entries)]
    assert trail == [
        ("ada", "acknowledge", None, "ada", "looking"),
        ("bob", "label", None, "false", "a load test"),
        ("bob", "label", "false", None, ""),
    ]


def test_labels_tune_their_metric_and_scope_for_half_a_year(store: AnomalyStore, at: At) -> None:
    for number in range(6):
        (kept,) = store.follow("runaway", [found(at, 0)], at.now)
        store.label(kept.id, "real" if number == 5 else "false", author="ada")
        store.follow("runaway", [], at.now)
        at.now += MINUTE
    (rule,) = store.follow("rule", [found(at, kind="rule", rule="mine")], at.now)
    store.label(rule.id, "false", author="ada")
    (tuning,) = store.tunings()
    assert (tuning.metric, tuning.scope, tuning.real, tuning.false) == ("spend", {"session": "s1"}, 1, 5)
    assert tuning.factor == pytest.approx(2.5 * 0.95)
    assert factors([tuning]) == {("spend", (("session", "s1"),)): tuning.factor}
    at.now += LABELS_HOLD_FOR + MINUTE
    assert store.tunings() == []


def test_what_was_done_is_noted_and_old_ones_are_forgotten(store: AnomalyStore, at: At) -> None:
    (kept,) = store.follow("rule", [found(at, kind="rule", rule="mine")], at.now)
    store.respond(kept.id, "steps", at.now)
    store.follow("rule", [], at.now)
    (responding,) = store.responding()
    assert (responding.id, responding.responded_at) == (kept.id, at.now)
    store.end_response(kept.id, at.now + 1)
    assert store.responding() == []
    (again,) = store.follow("rule", [found(at, kind="rule", rule="mine")], at.now + 2)
    assert (again.id, again.response, again.response_ended_at) == (kept.id, None, None)
    store.follow("rule", [], at.now)
    at.now += KEPT_FOR
    assert store.prune() == 0
    at.now += 1
    assert store.prune() == 1
