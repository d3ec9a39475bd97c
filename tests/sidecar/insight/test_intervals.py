"""An unusual hour of a feature is found, told once with what it is made of, and over when it is over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from sidecar.insight.ledgers import NOW, SECOND, Desk, call_of, loop, weeks, world_of
from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.anomaly.explain import Use
from tollkeeper.model.anomaly_rule import Detection
from tollkeeper.policy import Policy
from tollkeeper.sidecar.insight.anomaly_findings import is_told
from tollkeeper.sidecar.insight.attribution import _scaled
from tollkeeper.sidecar.insight.intervals import LATE, Intervals, holds, sensitivity_of

HOUR = 3600 * SECOND


def test_an_unusual_hour_is_told_by_what_it_is_of(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks(14))
        intervals = Intervals(
            world.ledger, world.insight.history, world.insight.anomalies, lambda: world.limiting.policy
        )
        now = world.clock.nanoseconds()
        looked = intervals.run("hour", now)
        assert looked["open"] == 0
        assert looked["series"] == 7 * (1 + 1 + 5 + 3 + 1 + 1)  # everybody, tenant, users, features, model, provider
        said = {"feature": "chat", "tenant": "acme"}
        world.record(
            *(call_of(700_000 + n, "2", n * 2 + 1, user=f"u{n % 5}", session=f"x{n}", **said) for n in range(14))
        )
        assert intervals.run("hour", now)["open"] == 1
        (found,) = world.insight.anomalies.open()
        anomaly = found.anomaly
        assert (anomaly.kind, anomaly.metric, anomaly.scope, anomaly.step) == (
            "spike",
            "spend",
            {"feature": "chat"},
            "hour",
        )
        assert anomaly.start == now // HOUR * HOUR
        assert anomaly.high is not None
        assert anomaly.expected < anomaly.high < anomaly.actual
        assert anomaly.excess_nano_usd == round(anomaly.actual - anomaly.expected)
        users = [one for one in anomaly.contributors if one.dimension == "user"]
        assert {one.value for one in users} == {"u0", "u1", "u2", "u3", "u4"}
        assert sum(one.excess_nano_usd for one in users) == anomaly.excess_nano_usd
        assert any(title.startswith("hourly spend for tenant acme at") for title in found.facts["also"])
        assert any(title.startswith("hourly spend for user u") for title in found.facts["also"]), "parts of it"
        # Two hours without any call later it is over: that there are none is another matter.
        intervals.run("hour", now + 3 * HOUR)
        assert {kept.anomaly.kind for kept in world.insight.anomalies.open()} == {"drop"}
        over = world.insight.anomalies.anomaly(found.id)
        assert over is not None
        assert over.ended_at == now + 3 * HOUR


def test_what_was_over_before_anybody_looked_is_kept_and_nobody_is_told(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks(14))
        hours_ago = 30 * 60
        world.record(*(call_of(700_000 + n, "2", hours_ago + n, feature="chat", tenant="acme") for n in range(14)))
        intervals = Intervals(
            world.ledger, world.insight.history, world.insight.anomalies, lambda: world.limiting.policy
        )
        now = world.clock.nanoseconds()
        for _ in range(2):
            assert intervals.run("hour", now)["open"] == 0
            past = [kept for kept in world.insight.anomalies.anomalies() if kept.anomaly.metric == "spend"]
            assert [kept.anomaly.scope for kept in past] == [{"feature": "chat"}]
        began = NOW - timedelta(minutes=hours_ago + 60)
        assert past[0].anomaly.start >= began.timestamp() * SECOND
        (part,) = past[0].anomaly.contributors
        assert part.excess_nano_usd == part.more_calls == 28 * SECOND, "it says why, too"


def test_what_corrections_made_negative_is_attributed_all_the_same() -> None:
    usual = {"u1": Use(10, 100, 5 * SECOND), "u2": Use(10, 100, -9 * SECOND)}
    actual = {"u1": Use(100, 1000, 50 * SECOND)}
    spike = Anomaly(
        "spike", "spend", {}, "hour", 0, HOUR, 50e9, 10e9, 5e9, 20e9, 4.0, 40 * SECOND, "warning"
    )  # fmt: skip
    assert _scaled(usual, actual, spike) == usual, "there is nothing to share 10 dollars out by"
    assert sum(each.nano_usd for each in _scaled({"u1": usual["u1"]}, actual, spike).values()) == 10 * SECOND


def test_the_policy_and_labels_say_how_sensitive_it_is() -> None:
    usual = sensitivity_of(Detection(), "spend")
    stricter = sensitivity_of(Detection(deviations=Decimal(6), floor_nano_usd=3 * SECOND), "spend", factor=1.5)
    assert (stricter.day, stricter.hour, stricter.least["spend"]) == (9.0, 9.0, 3e9)
    assert sensitivity_of(Detection(floor_nano_usd=3 * SECOND), "latency") == usual
    assert sensitivity_of(Detection(), "spend", 2.0).day == usual.day * 2


def test_a_detector_that_is_off_finds_nothing(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks(14), *(call_of(700_000 + n, "2", n * 2 + 1, feature="chat") for n in range(14)))
        off = Policy(detection=(Detection(detectors=("hourly",), enabled=False),))
        intervals = Intervals(world.ledger, world.insight.history, world.insight.anomalies, lambda: off)
        assert intervals.run("hour", world.clock.nanoseconds())["open"] == 0
        only = Policy(detection=(Detection(enabled=False), Detection(scopes=("total",), metrics=("spend",))))
        total = Intervals(world.ledger, world.insight.history, world.insight.anomalies, lambda: only)
        assert total.run("hour", world.clock.nanoseconds())["open"] == 1
        assert [kept.anomaly.scope for kept in world.insight.anomalies.open()] == [{}]


def test_it_holds_while_its_interval_is_the_last_one_that_is_over() -> None:
    day = 24 * HOUR
    yesterday = Anomaly("spike", "spend", {}, "day", 9 * day, 10 * day, 2, 1, 0, 1.5, 5, 1, "warning")
    assert holds(yesterday, "day", 10 * day)
    assert holds(yesterday, "day", 11 * day - 1)
    assert holds(yesterday, "day", 11 * day + LATE - 1), "today's late calls are waited for"
    assert not holds(yesterday, "day", 11 * day + LATE)
    hour = yesterday._replace(step="hour", start=9 * HOUR, end=10 * HOUR)
    assert holds(hour, "hour", 11 * HOUR)
    assert not holds(hour, "hour", 11 * HOUR + LATE)


def test_a_loop_is_one_alert_though_its_hour_and_day_are_unusual_too(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks(14), *loop(begins=8, until=0))
        Desk(world).turn()
        kept = world.insight.anomalies.open()
        assert {each.source for each in kept} == {"runaway", "hour", "day"}
        assert [each.anomaly.kind for each in kept if is_told(each)] == ["runaway"]
        alerts = [alert for alert in world.alerts.alerts() if alert.finding.kind == "anomaly"]
        assert [alert.finding.subject for alert in alerts] == ["runaway spend"]
        (hour,) = [each for each in kept if each.source == "hour" and each.anomaly.metric == "spend"]
        assert hour.facts["part_of"].startswith("runaway spend for session loop-1 at $")
