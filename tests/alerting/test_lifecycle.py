"""How alerts begin, go on and end, and when each channel is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.lifecycle import GONE, QUIET, Told, event_for, follow
from tollkeeper.alerting.muting import Silence, muted
from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import Finding, FindingKind, severity_at

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
OPS = Channel("ops", "webhook", "http://ops.example")


def finding(level: int, percent: float | None = None, start: int = DAY, end: int = 2 * DAY) -> Finding:
    facts = {"percent": float(level) if percent is None else percent}
    return Finding("limit", "day", {"tenant": "acme"}, severity_at(level), level, start, end, facts)


def told(alert: Alert, event: str, at: int) -> Told:
    return Told(event, alert.finding.level, alert.finding.severity, at)  # type: ignore[arg-type]


def test_it_fires_once_and_again_only_when_it_is_worse() -> None:
    now = DAY + HOUR
    (alert,) = follow([], [finding(50)], now)
    assert event_for(alert, None, OPS, False, now) == "fired"
    before = told(alert, "fired", now)
    (same,) = follow([alert], [finding(50, 60.0)], now + SECOND)
    assert same.id == alert.id
    assert event_for(same, before, OPS, False, now + SECOND) is None
    (worse,) = follow([same], [finding(95)], now + 2 * SECOND)
    assert event_for(worse, before, OPS, False, now + 2 * SECOND) == "worsened", "within the hour all the same"


def test_what_is_critical_is_repeated_once_an_hour_and_what_is_milder_never() -> None:
    now = DAY
    (critical,) = follow([], [finding(95)], now)
    (milder,) = follow([], [finding(80)], now)
    assert event_for(critical, told(critical, "fired", now), OPS, False, now + HOUR - 1) is None
    assert event_for(critical, told(critical, "fired", now), OPS, False, now + HOUR) == "repeated"
    assert event_for(critical, told(critical, "fired", now), replace(OPS, repeat=0), False, now + DAY) is None
    assert event_for(milder, told(milder, "fired", now), OPS, False, now + DAY) is None


def test_the_end_of_the_period_ends_it_and_what_was_told_is_taken_back() -> None:
    (alert,) = follow([], [finding(100)], 2 * DAY - SECOND)
    (ended,) = follow([alert], [], 2 * DAY)
    assert ended.ended_at == 2 * DAY
    assert event_for(ended, told(alert, "fired", DAY), OPS, False, 2 * DAY) == "resolved"
    assert event_for(ended, told(alert, "resolved", DAY), OPS, False, 2 * DAY) is None
    assert event_for(ended, None, OPS, False, 2 * DAY) is None, "nobody was told that it fires"
    assert event_for(ended, told(alert, "fired", DAY), replace(OPS, resolved=False), False, 2 * DAY) is None


def test_the_next_period_is_another_alert() -> None:
    (alert,) = follow([], [finding(100)], 2 * DAY - SECOND)
    ended, fresh = follow([alert], [finding(50, start=2 * DAY, end=3 * DAY)], 2 * DAY + HOUR)
    assert (ended.is_firing, fresh.is_firing) == (False, True)
    assert fresh.id != alert.id


def test_one_look_without_it_does_not_end_it() -> None:
    (alert,) = follow([], [finding(80)], DAY)
    assert follow([alert], [], DAY + GONE - 1) == [alert]
    assert not follow([alert], [], DAY + GONE)[0].is_firing
    (short,) = follow([], [finding(100, start=0, end=0)], DAY)
    assert follow([short], [], DAY + QUIET - 1)[0].is_firing
    assert not follow([short], [], DAY + QUIET)[0].is_firing


def test_a_level_is_held_until_it_is_well_below() -> None:
    (alert,) = follow([], [finding(95)], DAY)
    (near,) = follow([alert], [finding(90, 92.0)], DAY + 1)
    assert near.finding.level == 95
    (below,) = follow([near], [finding(80, 89.0)], DAY + 2)
    assert below.finding.level == 80
    assert below.finding.severity == "warning"


def test_the_lowest_level_is_held_too_and_what_is_well_below_it_is_over() -> None:
    (alert,) = follow([], [finding(50)], DAY)
    (near,) = follow([alert], [finding(0, 46.0)], DAY + HOUR)
    assert (near.is_firing, near.finding.level, near.seen_at) == (True, 50, DAY + HOUR)
    (below,) = follow([near], [finding(0, 44.0)], DAY + HOUR + GONE)
    assert not below.is_firing
    assert follow([], [finding(0, 46.0)], DAY) == [], "nothing begins below all thresholds"


def used(level: int, denied: int, amount: int = 100, percent: int = 35, **facts: Any) -> Finding:
    said = {"percent": float(percent), "used": percent, "amount": amount, "mode": "hard", "denied": denied, **facts}
    return finding(level)._replace(facts=said)


def test_that_calls_were_denied_holds_for_the_period_whoever_looks() -> None:
    """Only the process that has denied them knows; another one sees 35 %, and so does itself after a restart."""
    (alert,) = follow([], [used(100, 3)], DAY)
    for number, (level, denied) in enumerate([(0, 0), (100, 3), (0, 0), (0, 1), (100, 4), (0, 0)], 1):
        (alert,) = follow([alert], [used(level, denied)], DAY + number * HOUR)
        assert (alert.is_firing, alert.finding.level, alert.finding.severity) == (True, 100, "critical")
        assert alert.finding.facts["denied"] == (3 if number < 5 else 4)
    (over,) = follow([alert], [used(0, 0)._replace(period_start=2 * DAY, period_end=3 * DAY)], 2 * DAY)
    assert over.ended_at == 2 * DAY
    assert over.finding.facts["over"] == "period"


def test_calls_that_were_denied_are_no_news_of_another_amount_or_of_a_limit_that_is_gone() -> None:
    (alert,) = follow([], [used(100, 3)], DAY)
    for found in ([used(0, 0, amount=1000)], [used(0, 0, mode="soft")], []):
        (over,) = follow([alert], found, DAY + GONE)
        assert over.ended_at == DAY + GONE
        assert over.finding.level == 100
        assert over.finding.facts.get("over") == ("changed" if found else None)


def test_it_is_known_why_it_is_over() -> None:
    (alert,) = follow([], [used(50, 0, percent=50)], DAY)
    for found, why in ((used(0, 0, percent=44), "fallen"), (used(0, 0, amount=1000, percent=5), "changed")):
        (over,) = follow([alert], [found], DAY + GONE)
        assert over.finding.facts == {**found.facts, "over": why}


def test_whoever_has_acknowledged_it_is_told_only_when_it_is_worse() -> None:
    (alert,) = follow([], [finding(95)], DAY)
    seen = alert._replace(acknowledged_by="ada", acknowledged_at=DAY, acknowledged_level=95)
    assert event_for(seen, told(alert, "fired", DAY), OPS, False, DAY + HOUR) is None
    (worse,) = follow([seen], [finding(100)], DAY + HOUR)
    assert event_for(worse, told(alert, "fired", DAY), OPS, False, DAY + HOUR) == "worsened"


def test_what_is_muted_is_told_when_it_is_not_muted_any_more() -> None:
    (alert,) = follow([], [finding(80)], DAY)
    silence = Silence(1, {"tenant": ("ac*",)}, DAY, DAY + HOUR, "ada", "planned")
    assert muted([alert], [silence], DAY) == {alert.id}
    assert event_for(alert, None, OPS, True, DAY) is None
    assert muted([alert], [silence], DAY + HOUR) == set()
    assert event_for(alert, None, OPS, False, DAY + HOUR) == "fired"
    assert muted([alert], [silence._replace(match={"tenant": ("other",)})], DAY) == set()


def test_an_emergency_mutes_milder_limits() -> None:
    (mild,) = follow([], [finding(90)], DAY)
    (critical,) = follow([], [finding(95)], DAY)
    (emergency,) = follow([], [Finding("emergency", "", {}, "emergency")], DAY)
    assert muted([mild, emergency], [], DAY) == {mild.id}
    assert muted([critical, emergency], [], DAY) == set()
    assert muted([mild, emergency._replace(ended_at=DAY)], [], DAY) == set()


def test_that_an_emergency_was_ended_is_known_at_once() -> None:
    kinds: tuple[tuple[FindingKind, int], ...] = (("emergency", GONE), ("unpriced_model", QUIET))
    for kind, quiet in kinds:
        alerts = follow([], [Finding(kind, "", {}, "emergency")], DAY)
        (goes_on,) = follow(alerts, [], DAY + quiet - 1)
        assert goes_on.is_firing
        (over,) = follow(alerts, [], DAY + quiet)
        assert over.ended_at == DAY + quiet


@given(levels=st.lists(st.sampled_from([0, 50, 80, 90, 95, 100]), min_size=1, max_size=40), step=st.integers(1, 120))
def test_whatever_happens_each_level_is_told_once_an_episode_and_each_end_once(levels: list[int], step: int) -> None:
    """Neither spam nor silence: the highest level that came is told, none twice but by the hour, and each end once."""
    open_alerts: list[Alert] = []
    heard: dict[str, list[tuple[str, int, int]]] = {}
    known: dict[str, Told] = {}
    now = DAY
    for level in [*levels, 0, 0]:
        now += step * SECOND if level else GONE
        followed = follow(open_alerts, [finding(level)] if level else [], now)
        for alert in followed:
            event = event_for(alert, known.get(alert.id), OPS, False, now)
            if event is not None:
                heard.setdefault(alert.id, []).append((event, alert.finding.level, now))
                before = known.get(alert.id)
                highest = max(alert.finding.level, before.level if before else 0)
                known[alert.id] = Told(event, highest, alert.finding.severity, now)
        open_alerts = [alert for alert in followed if alert.is_firing]
    assert not open_alerts
    for events in heard.values():
        names = [event for event, _, _ in events]
        assert names[0] == "fired"
        assert names[-1] == "resolved"
        assert names.count("fired") == names.count("resolved") == 1
        risen = [level for event, level, _ in events if event in ("fired", "worsened")]
        assert risen == sorted(set(risen)), "each level once, and upwards"
        repeats = [at for event, _, at in events if event != "resolved"]
        assert all(
            later - earlier >= HOUR
            for (earlier, later, (event, _, _)) in zip(repeats, repeats[1:], events[1:], strict=False)
            if event == "repeated"
        )
    highest = max(levels)
    assert not highest or any(level == highest for events in heard.values() for _, level, _ in events)
