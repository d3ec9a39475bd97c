"""Alerting as sidecars do it, over real limits and a real sink: told once, by whichever, and never forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.sinks import HttpSink, http_sink
from sidecar.api.world import NOW, World, make_call
from tollkeeper.alerting.channel import Channel
from tollkeeper.model.alert import Notification
from tollkeeper.policy.binding import Binder
from tollkeeper.policy.document import read_toml
from tollkeeper.sidecar import alerting
from tollkeeper.sidecar.alerting import AT_ONCE, LOOK_SECONDS, PUSH_SECONDS, Alerting
from tollkeeper.sidecar.digests import Digests, span_due
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.notify.contract import Delivery, Message, Notifier
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.storage.alerts.outbox import CLAIM, FIRST_WAIT, Outbox
from tollkeeper.storage.counters import Hold

POLICY = '[[limit]]\nname = "daily"\nlimit = "$0.01 / day per tenant"\n'
"""A call is $0.0035: two are 70 %, three are over it."""
SECOND = 10**9


class Process:
    """One sidecar of several over a database. Time is that of its world."""

    def __init__(self, world: World, name: str, notifier: Callable[[Channel], Notifier] = notifier_of) -> None:
        self.world = world
        clock = world.clock.nanoseconds
        self.outbox = Outbox(world.database, name, clock)
        self.uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, clock)
        self.alerting: Alerting
        self.watch = watch = LimitWatch(lambda: self.alerting.wake())
        findings = Findings(self.uses, world.limiting, world.agreement, world.ledger, watch, clock)
        self.alerting = Alerting(
            findings, world.alerts, self.outbox, world.channels, notifier, "https://toll.example",
            lambda: clock() / SECOND,
        )  # fmt: skip
        self.digests = Digests(world.ledger, self.uses, world.alerts, world.channels, None, clock)

    def tick(self) -> None:
        """A turn of all that the clock runs, one after the other."""
        self.alerting.watch()
        self.alerting.deliver()
        self.alerting.remind()


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


@contextmanager
def two(url: str, web: HttpSink) -> Iterator[tuple[World, World]]:
    """Two sidecars' views of one database, with a limit, and a channel."""
    first = World(url)
    second = World(url, clock=first.clock)
    first.policies.set(read_toml(POLICY, "policy"), author="tests", reason="a test")
    first.channels.store.set(Channel("ops", "webhook", web.url), author="tests", reason="a test")
    yield first, second
    for world in (first, second):
        world.close()


@pytest.fixture
def worlds(database_url: str, web: HttpSink) -> Iterator[tuple[World, World]]:
    with two(database_url, web) as made:
        yield made


@pytest.fixture
def first(tmp_path: Path, web: HttpSink) -> Iterator[World]:
    """For what does not depend on the database."""
    with two(f"sqlite:///{tmp_path / 'ledger.db'}", web) as (made, _):
        yield made


def events(web: HttpSink) -> list[str]:
    return [request.json["event"] for request in web.requests]


def test_two_sidecars_tell_once_each_time(worlds: tuple[World, World], web: HttpSink) -> None:
    first, second = worlds
    processes = [Process(first, "one"), Process(second, "two")]

    def go() -> None:
        first.clock.now += timedelta(seconds=LOOK_SECONDS)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(process.tick) for process in processes * 3]:
                done.result()

    go()
    assert events(web) == []
    first.record(make_call(1), make_call(2))
    go()
    first.record(make_call(3))
    go()
    go()
    first.clock.now += timedelta(days=1)
    go()
    assert events(web) == ["fired", "worsened", "resolved"]
    assert len({request.headers["Idempotency-Key"] for request in web.requests}) == 3
    worsened = web.requests[1].json
    assert (worsened["level"], worsened["severity"], worsened["scope"]) == (100, "critical", {"tenant": "acme"})
    assert worsened["link"] == f"https://toll.example/alerts/{worsened['alert_id']}"
    assert "- user u-1: $0.0105 (100 %)" in worsened["message"]
    assert {entry.state for entry in first.outbox.log()} == {"sent"}


class Killed(BaseException):
    """The process ends here: nothing more is done in it."""


class Dying:
    """Sends, and is gone before it can say so."""

    def __init__(self, inner: Notifier) -> None:
        self._inner = inner

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        self._inner.send(notification, message)
        raise Killed


def test_who_ends_in_the_middle_of_a_delivery_is_taken_over_from(worlds: tuple[World, World], web: HttpSink) -> None:
    first, second = worlds
    dies = Process(first, "dies", lambda channel: Dying(notifier_of(channel)))
    other = Process(second, "other")
    first.record(make_call(1), make_call(2))
    with pytest.raises(Killed):
        dies.tick()
    other.tick()
    assert events(web) == ["fired"]
    first.clock.now += timedelta(microseconds=CLAIM // 1000)
    other.tick()
    assert events(web) == ["fired", "fired"]
    assert len({request.headers["Idempotency-Key"] for request in web.requests}) == 1, "whoever is told can tell"
    (entry,) = first.outbox.log()
    assert (entry.state, entry.attempts) == ("sent", 2)


def test_no_threshold_swallows_the_next_while_the_channel_is_away(first: World, web: HttpSink) -> None:
    process = Process(first, "one")
    web.status = 503
    first.record(make_call(1), make_call(2))
    process.tick()
    first.record(make_call(3))
    process.alerting.wake()
    process.tick()
    assert [(entry.state, entry.detail) for entry in first.outbox.log()] == [
        ("waiting", "answered 503 Service Unavailable")
    ] * 2
    web.status = 200
    first.clock.now += timedelta(microseconds=2 * FIRST_WAIT // 1000)
    process.tick()
    assert sorted(request.json["level"] for request in web.requests[-2:]) == [50, 100]
    assert {entry.state for entry in first.outbox.log()} == {"sent"}


def test_whose_every_call_is_denied_is_told_of(first: World, web: HttpSink) -> None:
    process = Process(first, "one")
    (binding,) = Binder(first.limiting.policy.limits).of_scope({"tenant": 'a "b" [c]'})
    charge = binding.charge(2 * 10**7, first.clock.nanoseconds())
    hold = Hold("call", "app", charge.until, (charge,))
    process.tick()
    process.watch.answered(hold, first.counters.reserve(hold))
    process.tick()
    assert [(request.json["level"], request.json["scope"]) for request in web.requests] == [
        (100, {"tenant": 'a "b" [c]'})
    ]
    assert "1 up to now" in web.last.json["message"]


def test_calls_that_were_denied_stay_so_after_a_restart_until_the_limit_is_raised(first: World, web: HttpSink) -> None:
    before = Process(first, "one")
    (binding,) = Binder(first.limiting.policy.limits).of_scope({"tenant": "acme"})
    charge = binding.charge(2 * 10**7, first.clock.nanoseconds())
    hold = Hold("call", "app", charge.until, (charge,))
    before.tick()
    before.watch.answered(hold, first.counters.reserve(hold))
    before.tick()
    after = Process(first, "one, again")
    for _ in range(10):
        first.clock.now += timedelta(seconds=LOOK_SECONDS)
        after.tick()
    assert events(web) == ["fired"]
    first.policies.set(read_toml(POLICY.replace("0.01", "1000"), "policy"), author="tests", reason="more")
    for _ in range(10):
        first.clock.now += timedelta(seconds=LOOK_SECONDS)
        after.tick()
    assert events(web) == ["fired", "resolved"]
    assert "was changed, and is not at a threshold now" in web.last.json["message"]


def test_a_channel_that_is_gone_is_not_waited_for(first: World, web: HttpSink) -> None:
    process = Process(first, "one")
    first.record(make_call(1), make_call(2))
    process.alerting.look()
    first.channels.store.remove("ops", author="tests", reason="gone")
    process.alerting.deliver()
    (entry,) = first.outbox.log()
    assert (entry.state, entry.detail, web.requests) == ("dead", "there is no such channel any more", [])


def test_digests_are_sent_once_a_day_and_once_a_week(worlds: tuple[World, World], web: HttpSink) -> None:
    first, second = worlds
    ops = Channel("ops", "webhook", web.url, digest="daily")
    for channel in (ops, replace(ops, name="finance", digest="weekly")):
        first.channels.store.set(channel, author="tests", reason="a test")
    processes = [Process(first, "one"), Process(second, "two")]
    first.record(make_call(1), make_call(2, at=NOW - timedelta(days=1)), make_call(3))
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    first.clock.now = midnight + timedelta(hours=7, minutes=59)
    for hours in (0, 1, 1, 24):
        first.clock.now += timedelta(hours=hours)
        for process in processes:
            process.digests.tick()
    assert [entry.notification.channel for entry in first.outbox.log()] == ["ops", "ops"]
    processes[1].alerting.deliver()
    first.clock.now = midnight + timedelta(days=5, hours=8)
    for process in processes:
        process.digests.tick()
    processes[0].alerting.deliver()
    told = [request.json for request in web.requests]
    assert sorted(one["title"] for one in told) == [
        "Daily digest, 2026-03-31: $0.007 (+100 %)",
        "Daily digest, 2026-04-01: $0.00 (-100 %)",
        "Daily digest, 2026-04-05: $0.00",
        "Weekly digest, 2026-03-30 to 2026-04-05: $0.0105",
    ]
    assert {one["alert_type"] for one in told} == {"digest"}
    (tuesday,) = [one["message"] for one in told if "03-31: " in one["title"]]
    assert "By tenant:\n- acme: $0.007 (+100 %)" in tuesday
    assert first.outbox.log()[0].notification.alert.finding.kind == "digest"


def test_when_digests_are_due() -> None:
    day = 86_400 * SECOND
    monday = 20_717 * day  # 2026-09-21
    eight = 8 * 3600 * SECOND
    assert span_due("daily", monday + eight) == (monday - day, monday)
    assert span_due("daily", monday + eight - 1) is None
    assert span_due("weekly", monday + eight) == (monday - 7 * day, monday)
    assert span_due("weekly", monday + eight - 1) is None
    assert span_due("weekly", monday + day - 1) == (monday - 7 * day, monday), "on that day, it can be made up for"
    assert span_due("weekly", monday + day + eight) is None


class Hanging:
    """Keeps everybody waiting, and notes for how many at once."""

    def __init__(self, gate: threading.Event) -> None:
        self.gate, self.asked = gate, 0

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        self.asked += 1
        self.gate.wait(30)
        return Delivery("failed", "no answer within 10 s")


def test_a_channel_that_hangs_holds_up_neither_looks_nor_the_other_channels(
    worlds: tuple[World, World], web: HttpSink
) -> None:
    first, _ = worlds
    first.channels.store.set(Channel("hangs", "webhook", "http://127.0.0.1:9"), author="tests", reason="a test")
    gate = threading.Event()
    hangs = Hanging(gate)
    process = Process(first, "one", lambda channel: hangs if channel.name == "hangs" else notifier_of(channel))
    first.record(*(make_call(number, tags={"tenant": f"t-{number // 2}"}) for number in range(40)))
    process.alerting.watch()
    delivering = threading.Thread(target=process.alerting.deliver)
    delivering.start()
    first.record(make_call(100), make_call(101))
    process.alerting.wake()
    process.alerting.watch()
    assert first.outbox.waiting()["hangs"].number == 21, "the look was not held up"
    gate.set()
    delivering.join(30)
    assert {request.json["scope"]["tenant"] for request in web.requests} == {"acme", *(f"t-{n}" for n in range(20))}
    assert hangs.asked <= AT_ONCE, "what failed once in a turn is left to the next one"


def test_an_alertmanager_hears_again_and_again_only_of_what_its_channel_asks_for(
    worlds: tuple[World, World], web: HttpSink
) -> None:
    first, _ = worlds
    channel = Channel("cluster", "alertmanager", web.url, only={"tenant": ("globex",)}, via="alertmanager")
    first.channels.store.set(channel, author="tests", reason="a test")
    first.channels.store.remove("ops", author="tests", reason="a test")
    process = Process(first, "one")
    numbers = range(4)
    first.record(*(make_call(number, tags={"tenant": ("acme", "globex")[number % 2]}) for number in numbers))
    process.tick()
    first.clock.now += timedelta(seconds=PUSH_SECONDS)
    process.tick()
    assert [[alert["labels"]["tenant"] for alert in request.json] for request in web.requests] == [["globex"]] * 3


def test_a_message_that_cannot_be_made_stops_no_other_and_is_given_up_like_any(
    worlds: tuple[World, World], web: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = worlds
    process = Process(first, "one")

    def failing(notification: Notification, channel: Channel) -> Message:
        if notification.alert.finding.scope["tenant"] == "odd":
            raise KeyError("secret")
        return message_of(notification, channel)

    monkeypatch.setattr(alerting, "message_of", failing)
    tenants = ("odd", "acme")
    first.record(*(make_call(number, tags={"tenant": tenants[number % 2]}) for number in range(4)))
    process.tick()
    assert [request.json["scope"]["tenant"] for request in web.requests] == ["acme"]
    assert {(entry.state, entry.detail) for entry in first.outbox.log()} == {
        ("sent", "answered 200 OK"),
        ("waiting", "the message could not be made: KeyError"),
    }
