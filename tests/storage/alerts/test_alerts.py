"""Alerts and the outbox in SQLite and PostgreSQL: nobody is told twice, and nobody is forgotten."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from clocks import Clock
from tollkeeper.alerting.channel import Channel
from tollkeeper.model.finding import Finding, severity_at
from tollkeeper.storage.alerts.channels import ChannelStore
from tollkeeper.storage.alerts.outbox import CLAIM, FIRST_WAIT, GIVE_UP, Failing, Outbox
from tollkeeper.storage.alerts.silences import Silences
from tollkeeper.storage.alerts.store import DEAD_FOR, KEPT_FOR, AlertQuery, AlertStore
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database

SECOND, DAY = 10**9, 86_400 * 10**9
OPS = Channel("ops", "webhook", "http://ops.example")
FINANCE = Channel("finance", "webhook", "http://finance.example", at_least="critical")


@pytest.fixture
def clock() -> Clock:
    return Clock(DAY)


def finding(level: int, tenant: str = "acme") -> Finding:
    facts = {"percent": float(level), "measure": "usd", "amount": 10**10}
    return Finding("limit", "day", {"tenant": tenant}, severity_at(level), level, DAY, 2 * DAY, facts)


def test_an_alert_from_its_first_threshold_to_its_end(database: Database, clock: Clock) -> None:
    store, outbox = AlertStore(database, clock), Outbox(database, "one", clock)
    for level, tells in ((50, ["ops fired"]), (50, []), (95, ["ops worsened", "finance fired"])):
        clock.now += SECOND
        noted = store.look([finding(level)], [OPS, FINANCE])
        assert sorted(f"{channel.name} {event}" for _, channel, event in noted) == sorted(tells)
    (alert,) = store.alerts(AlertQuery(firing=True))
    assert (alert.finding.level, alert.finding.scope) == (95, {"tenant": "acme"})
    assert store.firing() == {("limit", "critical"): 1}
    clock.now = 2 * DAY
    assert {event for _, _, event in store.look([], [OPS, FINANCE])} == {"resolved"}
    assert store.look([], [OPS, FINANCE]) == []
    assert store.alerts(AlertQuery(firing=True)) == []
    spans = ((0, DAY), (0, 2 * DAY), (DAY + 3 * SECOND, 2 * DAY), (2 * DAY, 3 * DAY), (2 * DAY + 1, 3 * DAY))
    assert [len(store.alerts(AlertQuery(*span))) for span in spans] == [0, 1, 1, 1, 0]
    told = [(one.channel, one.event, one.alert.finding.level) for one in outbox.claim()]
    assert sorted(told) == [
        ("finance", "fired", 95), ("finance", "resolved", 95),
        ("ops", "fired", 50), ("ops", "resolved", 95), ("ops", "worsened", 95),
    ]  # fmt: skip


def test_many_sidecars_that_look_at_once_tell_once(database: Database, clock: Clock) -> None:
    stores = [AlertStore(database, clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        noted = list(pool.map(lambda store: store.look([finding(80), finding(80, "globex")], [OPS]), stores))
    assert Counter(alert.finding.scope["tenant"] for each in noted for alert, _, _ in each) == {"acme": 1, "globex": 1}


def test_each_notification_is_claimed_by_one(database: Database, clock: Clock) -> None:
    AlertStore(database, clock).look([finding(80, f"t{number}") for number in range(30)], [OPS])
    boxes = [Outbox(database, f"sidecar {number}", clock) for number in range(4)]

    def drain(box: Outbox) -> list[str]:
        found: list[str] = []
        while claimed := box.claim(3):
            found += [one.id for one in claimed]
        return found

    with ThreadPoolExecutor(4) as pool:
        claimed = [id for each in pool.map(drain, boxes) for id in each]
    assert len(claimed) == len(set(claimed)) == 30


def test_who_dies_while_delivering_is_taken_over_from(database: Database, clock: Clock) -> None:
    AlertStore(database, clock).look([finding(80)], [OPS])
    (first,) = Outbox(database, "dies", clock).claim()
    other = Outbox(database, "other", clock)
    clock.now += CLAIM - 1
    assert other.claim() == []
    clock.now += 1
    (again,) = other.claim()
    assert again.id == first.id
    Outbox(database, "dies", clock).finish(first.id, "sent", "too late to say so")
    other.finish(again.id, "sent", "204")
    (entry,) = other.log()
    assert (entry.state, entry.attempts, entry.detail) == ("sent", 2, "204")


def test_what_fails_is_tried_again_and_then_given_up(database: Database, clock: Clock) -> None:
    AlertStore(database, clock).look([finding(80)], [OPS])
    outbox = Outbox(database, "one", clock)
    tries, began = 0, clock.now
    waits = []
    while clock.now - began <= GIVE_UP + DAY:
        claimed = outbox.claim()
        if claimed:
            tries += 1
            waits.append(clock.now)
            outbox.finish(claimed[0].id, "failed", "503")
        (entry,) = outbox.log()
        if entry.state == "dead":
            break
        assert entry.next_at is not None
        clock.now = max(entry.next_at, clock.now + 1)
    assert waits[1] - waits[0] == FIRST_WAIT
    assert waits[2] - waits[1] == 2 * FIRST_WAIT
    assert outbox.log()[0].state == "dead"
    assert 50 < tries < 150
    assert outbox.totals() == {("ops", "dead"): 1}
    assert outbox.again(outbox.log()[0].notification.id)
    assert len(outbox.claim()) == 1


def test_what_is_refused_is_dead_at_once(database: Database, clock: Clock) -> None:
    AlertStore(database, clock).look([finding(80)], [OPS])
    outbox = Outbox(database, "one", clock)
    assert outbox.waiting()["ops"].number == 1
    outbox.finish(outbox.claim()[0].id, "refused", "404")
    assert outbox.log(state="dead")[0].detail == "404"
    assert outbox.waiting() == {}
    assert not outbox.again("no such thing")


def test_who_was_not_reached_is_told_of_what_still_fires(database: Database, clock: Clock) -> None:
    store, outbox = AlertStore(database, clock), Outbox(database, "one", clock)
    store.look([finding(80)], [OPS])
    (one,) = outbox.claim()
    outbox.finish(one.id, "refused", "no such token")
    clock.now += DEAD_FOR - SECOND
    assert store.look([finding(80)], [OPS]) == [], "not again and again"
    clock.now += SECOND
    assert [event for _, _, event in store.look([finding(80)], [OPS])] == ["fired"]
    (again,) = outbox.claim()
    outbox.finish(again.id, "sent", "200")
    clock.now += DEAD_FOR
    assert store.look([finding(80)], [OPS]) == []


def test_what_ended_long_ago_is_forgotten(database: Database, clock: Clock) -> None:
    store, outbox = AlertStore(database, clock), Outbox(database, "one", clock)

    def tell() -> None:
        for each in outbox.claim():
            outbox.finish(each.id, "sent", "200")

    store.look([finding(80, "globex")], [OPS])
    store.look([finding(80), finding(80, "globex")], [OPS])
    clock.now = 2 * DAY
    store.look([finding(80, "globex")], [OPS])
    tell()
    told = outbox.totals()
    clock.now += KEPT_FOR
    store.look([finding(80, "globex")], [OPS])
    tell()
    assert store.prune() == 0 and outbox.totals() == told
    clock.now += 1
    assert store.prune() == 1
    assert [alert.finding.scope for alert in store.alerts()] == [{"tenant": "globex"}]
    assert {one.notification.alert.finding.scope["tenant"] for one in outbox.log()} == {"globex"}
    assert store.look([finding(80, "globex")], [OPS]) == [], "who was told of it a year ago is not told again"
    assert store.prune() == 0 and outbox.totals() == told, "a metric does not count backwards"


def test_a_silence_holds_back_until_it_ends(database: Database, clock: Clock) -> None:
    store, silences = AlertStore(database, clock), Silences(database, clock)
    silence = silences.add({"limit": ("day",)}, clock.now + 60 * SECOND, author="ada", comment="planned")
    assert store.look([finding(95)], [OPS]) == []
    assert store.pushed() == []
    assert silences.end(silence.id, author="ada") is not None
    assert silences.end(silence.id, author="ada") is None
    assert silences.all() == []
    assert [event for _, _, event in store.look([finding(95)], [OPS])] == ["fired"]
    with pytest.raises(ValueError, match="ends after"):
        silences.add({}, clock.now, author="ada", comment="")
    trail, _ = AuditTrail(database, clock).entries()
    assert [entry.action for entry in trail] == ["unsilence", "silence"]


def test_kinds_that_cannot_be_looked_for_stay_as_they_are(database: Database, clock: Clock) -> None:
    store = AlertStore(database, clock)
    store.look([finding(80)], [])
    clock.now += 60 * SECOND
    store.look([], [], frozenset({("limit", None)}))
    store.look([], [], frozenset({("limit", "day")}))
    assert len(store.alerts(AlertQuery(firing=True))) == 1
    store.look([], [], frozenset({("limit", "another"), ("emergency", None)}))
    assert store.alerts(AlertQuery(firing=True)) == []


def test_an_acknowledgement_is_audited(database: Database, clock: Clock) -> None:
    store = AlertStore(database, clock)
    store.look([finding(95)], [OPS])
    (alert,) = store.alerts()
    seen = store.acknowledge(alert.id, author="ada", reason="on it")
    assert seen is not None
    assert (seen.acknowledged_by, seen.acknowledged_level) == ("ada", 95)
    assert store.alert(alert.id) == seen
    assert store.acknowledge("no such alert", author="ada") is None
    clock.now += 7200 * SECOND
    assert store.look([finding(95)], [OPS]) == [], "not repeated"


def test_channels_are_kept_with_their_secrets_and_audited_without(database: Database, clock: Clock) -> None:
    store = ChannelStore(database, clock)
    hook = Channel("hook", "webhook", "https://hook.example/T0/secret-part", "env:HOOK_KEY")
    assert store.set(hook, author="ada", reason="first")
    assert not store.set(hook, author="ada", reason="again")
    assert store.all() == [hook]
    assert store.remove("hook", author="ada", reason="gone")
    assert not store.remove("hook", author="ada", reason="gone")
    trail, _ = AuditTrail(database, clock).entries()
    assert [entry.action for entry in trail] == ["remove", "change", "create"]
    assert "secret-part" not in repr(trail)


def test_a_channel_fails_from_its_first_failure_until_something_arrives_or_it_is_changed(
    database: Database, clock: Clock
) -> None:
    store, outbox = AlertStore(database, clock), Outbox(database, "one", clock)
    store.look([finding(50), finding(80, "globex")], [OPS])
    first, second = outbox.claim()
    assert outbox.failing() == {}
    clock.now += SECOND
    outbox.finish(first.id, "failed", "could not be reached")
    assert outbox.failing() == {"ops": Failing(DAY, 1, "could not be reached")}
    clock.now += SECOND
    outbox.finish(second.id, "refused", "answered 404 Not Found")
    assert outbox.failing() == {"ops": Failing(DAY, 2, "answered 404 Not Found")}
    ChannelStore(database, clock).set(OPS, author="ada", reason="another address")
    assert outbox.failing() == {}
    clock.now += FIRST_WAIT
    (again,) = outbox.claim()
    assert outbox.failing() == {}
    outbox.finish(again.id, "failed", "answered 500")
    assert outbox.failing()["ops"].number == 1
    clock.now += 2 * FIRST_WAIT
    (again,) = outbox.claim()
    outbox.finish(again.id, "sent", "answered 200 OK")
    assert outbox.failing() == {}
