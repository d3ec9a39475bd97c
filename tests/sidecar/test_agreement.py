"""Counters and the ledger: compared by limit and scope, built anew where they were lost, and told where they differ."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.api.world import NOW, World, failed, make_call, unpriced
from tollkeeper.model import Bound, Call, Limit, Match, Window
from tollkeeper.model.charge import Charge
from tollkeeper.model.ladder import Emergency
from tollkeeper.policy import Policy
from tollkeeper.sidecar.agreement import COMPARED_EVERY, FRESH_FOR, Agreement
from tollkeeper.sidecar.ledger_use import LedgerUse, sums_of_calls, sums_of_rows
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.samples import limit_samples
from tollkeeper.storage.admission import Ticket
from tollkeeper.storage.audit import AuditQuery
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters
from tollkeeper.storage.ledger import UsageQuery

DAY, MONTH = Window("day"), Window("month")
A_CALL = 3_500_000
"""Nano-dollars that each costs."""
LIMITS = (
    Limit("calls", "requests", 100, DAY, per=("tenant",)),
    Limit("budget", "usd", 10**10, MONTH),
    Limit("tokens", "tokens", 10**6, MONTH, Match(("openai",)), per=("tenant", "provider")),
)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    made.close()


def put(world: World, *limits: Limit) -> None:
    world.policies.set(Policy("p", limits), author="tests", reason="a test")


def make(world: World, *calls: Call, settled: bool = True, recorded: bool = True) -> None:
    """As an app would: admitted, settled, and then recorded."""
    for call in calls:
        admission = world.limiting.admission()
        used = Bound(call.usage.input_tokens or 0, call.usage.output_tokens or 0, A_CALL if call.cost else 0)
        ticket = admission.admit(call.id, admission.bindings(call), used)
        assert isinstance(ticket, Ticket)
        if settled:
            admission.settle(ticket, used)
    if recorded:
        world.record(*calls)


def differences(world: World) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (one.limit.name, one.scope.get("tenant", "")): (one.missing, one.excess)
        for one in world.agreement.check().comparisons
        if one.missing or one.excess
    }


def spent(world: World) -> dict[tuple[str, str], int]:
    return {
        (one.limit.name, one.scope.get("tenant", "")): one.level.spent for one in world.agreement.check().comparisons
    }


def lose(world: World) -> None:
    """As a flush of Redis does."""
    world.counters = MemoryCounters(world.clock.nanoseconds)
    world.limiting = Limiting(world.policies, world.counters, "tests")
    world.agreement = Agreement(LedgerUse(world.ledger, world.resets), world.limiting, world.database, world.audit)


def test_what_went_through_the_counters_agrees(world: World) -> None:
    put(world, *LIMITS)
    make(world, *(make_call(number) for number in range(5)), failed(6), make_call(7, tags={}))
    make(world, make_call(8, provider="anthropic"))
    assert differences(world) == {}
    assert spent(world) == {
        ("calls", "acme"): 7, ("calls", ""): 1, ("budget", ""): 7 * A_CALL, ("tokens", "acme"): 5500,
        ("tokens", ""): 1100,
    }  # fmt: skip


def test_what_is_missing_is_booked_once(world: World) -> None:
    put(world, *LIMITS)
    make(world, make_call(1))
    world.record(make_call(2), make_call(3), make_call(4, tags={"tenant": "b"}))
    lacking = {
        ("calls", "acme"): (2, 0), ("calls", "b"): (1, 0), ("budget", ""): (3 * A_CALL, 0),
        ("tokens", "acme"): (2200, 0), ("tokens", "b"): (1100, 0),
    }  # fmt: skip
    assert differences(world) == lacking
    booked = world.agreement.rebuild(author="ann", reason="they were away")
    assert sum(one.amount for one in booked) == 3 + 3 * A_CALL + 3300
    assert differences(world) == {}
    assert world.agreement.rebuild(author="ann", reason="again") == []
    changes, _ = world.audit.entries()
    noted = {(change.object_id, change.after["scope"].get("tenant")) for change in changes if change.kind == "usage"}
    assert len(noted) == 5 and ("calls", "b") in noted


def test_what_is_in_excess_is_only_lowered_if_asked(world: World) -> None:
    put(world, LIMITS[1])
    make(world, make_call(1), recorded=False)
    assert differences(world) == {}, "the ledger knows no such scope: nothing to compare with"
    world.record(make_call(2))
    make(world, make_call(3), make_call(4))
    make(world, make_call(5), recorded=False)
    assert differences(world) == {("budget", ""): (0, A_CALL)}
    assert world.agreement.rebuild(author="ann", reason="x") == []
    (booked,) = world.agreement.rebuild(author="ann", reason="x", lower=True)
    assert booked.amount == -A_CALL and differences(world) == {}


def test_what_was_assumed_is_no_difference(world: World) -> None:
    """A process dies with a call under way: it is charged in full, and the ledger never hears of it."""
    put(world, LIMITS[1])
    make(world, make_call(1))
    make(world, make_call(2), settled=False, recorded=False)
    world.clock.now += timedelta(minutes=20)
    (one,) = world.agreement.check().comparisons
    assert (one.ledger, one.level.spent, one.level.assumed) == (A_CALL, 2 * A_CALL, A_CALL)
    assert (one.missing, one.excess) == (0, 0)


def test_counters_that_were_emptied_are_built_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    put(world, *LIMITS)
    make(world, *(make_call(number) for number in range(5)))
    world.agreement.tend()
    before = spent(world)
    lose(world)
    make(world, make_call(9))
    with caplog.at_level(logging.WARNING, "tollkeeper"):
        world.agreement.tend()
    assert spent(world) == {key: value * 6 // 5 for key, value in before.items()}
    assert "3 counters were empty, and are built from the ledger" in caplog.text
    world.agreement.tend()
    assert differences(world) == {}


def test_a_new_limit_knows_what_was_used_before(world: World) -> None:
    put(world, LIMITS[0])
    make(world, make_call(1), make_call(2))
    world.agreement.tend()
    put(world, *LIMITS)
    for _ in range(COMPARED_EVERY):
        world.agreement.tend()
    assert spent(world)["budget", ""] == 2 * A_CALL


def tend(world: World, comparisons: int = 1) -> None:
    for _ in range(comparisons * COMPARED_EVERY):
        world.agreement.tend()


def test_what_is_missing_twice_is_booked(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """As of an app that did not know its limits yet: the cap holds again."""
    put(world, LIMITS[1])
    make(world, make_call(1))
    tend(world)
    world.record(make_call(2))
    with caplog.at_level(logging.WARNING, "tollkeeper"):
        tend(world)
        assert spent(world)["budget", ""] == A_CALL
        tend(world, 3)
    assert [record.getMessage() for record in caplog.records] == [
        "the counters of limit 'budget' lacked $0.0035 of what the ledger has: it is booked"
    ]
    assert (spent(world)["budget", ""], world.agreement.disagreeing) == (2 * A_CALL, frozenset())
    (change,) = [each for each in world.audit.entries()[0] if each.kind == "usage"]
    assert (change.author, change.action, change.after["spent"]) == ("rebuild", "rebuild", 2 * A_CALL)


def test_what_came_only_since_the_last_comparison_is_left_alone(world: World) -> None:
    put(world, LIMITS[1])
    make(world, make_call(1))
    world.record(make_call(2))
    tend(world)
    world.record(make_call(3))
    tend(world)
    assert spent(world)["budget", ""] == 2 * A_CALL


def test_a_call_under_way_is_not_booked_twice(world: World) -> None:
    """Its record came first, and its settlement comes late: what it holds is left to it."""
    put(world, LIMITS[1])
    make(world, make_call(1))
    tend(world)
    admission, call = world.limiting.admission(), make_call(2)
    ticket = admission.admit(call.id, admission.bindings(call), Bound(1000, 100, 2 * A_CALL))
    assert isinstance(ticket, Ticket)
    world.record(call)
    tend(world, 3)
    assert spent(world)["budget", ""] == A_CALL
    admission.settle(ticket, Bound(1000, 100, A_CALL))
    tend(world, 3)
    assert (spent(world)["budget", ""], differences(world)) == (2 * A_CALL, {})


def test_what_an_app_has_kept_for_long_comes_on_top_and_shows(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It was let go while the counters were away, so nothing is held for it; and nobody can tell it from a lost one."""
    put(world, LIMITS[1])
    make(world, make_call(1))
    tend(world)
    world.record(make_call(2))
    tend(world, 2)
    caplog.clear()
    make(world, make_call(2), recorded=False)
    assert differences(world) == {("budget", ""): (0, A_CALL)}
    with caplog.at_level(logging.WARNING, "tollkeeper"):
        tend(world, 4)
    assert [record.getMessage() for record in caplog.records] == [
        "the counters of limit 'budget' do not agree with the ledger: missing $0, in excess $0.0035"
    ]
    found = {(one.name, *one.labels): one.value for one in limit_samples(world.agreement)}
    assert found["tollkeeper_sidecar_limit_excess", ("limit", "budget"), ("measure", "usd")] == 0.0035
    world.agreement.rebuild(author="ann", reason="it was booked twice", lower=True)
    assert (spent(world)["budget", ""], differences(world)) == (2 * A_CALL, {})
    assert found["tollkeeper_sidecar_limits_unchecked",] == 0


def test_what_is_always_on_its_way_is_no_disagreement(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """At each comparison some call was settled that the ledger has not yet; it is another one each time."""
    put(world, LIMITS[1])
    make(world, make_call(1))
    with caplog.at_level(logging.WARNING, "tollkeeper"):
        for number in range(2, 6):
            make(world, make_call(number), recorded=False)
            assert differences(world) == {("budget", ""): (0, A_CALL)}
            tend(world)
            world.record(make_call(number))
    assert (caplog.records, world.agreement.disagreeing) == ([], frozenset())
    make(world, make_call(6), recorded=False)
    tend(world, 2)
    assert world.agreement.disagreeing == {"budget"}, "it never came"


def test_models_sessions_and_free_tags_come_from_the_calls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        world,
        Limit("model", "requests", 9, DAY, Match(model=("gpt-4o",)), per=("session",)),
        Limit("stage", "requests", 9, DAY, Match(tags={"stage": ("test",)}), per=("model",)),
    )
    tags = {"session": "s", "stage": "test"}
    make(world, make_call(1, tags=tags, response_model="gpt-4o-2024-11-20"), make_call(2))
    assert {one.limit.name: (one.scope, one.ledger) for one in world.agreement.check().comparisons if any(
        one.scope.values())} == {"model": ({"session": "s"}, 1), "stage": ({"model": "gpt-4o"}, 1)}  # fmt: skip
    assert differences(world) == {}
    monkeypatch.setattr("tollkeeper.sidecar.ledger_use.MOST_CALLS", 1)
    assert set(world.agreement.check().unchecked) == {"model", "stage"}


def test_both_ways_have_the_same_sums(world: World) -> None:
    world.record(
        make_call(1), failed(2), unpriced(3, tags={"tenant": "b", "feature": "f"}),
        make_call(4, provider="ollama"), make_call(5, operation="embeddings", tags={}),
    )  # fmt: skip
    limits = [
        Limit(measure, measure, 1, DAY, Match(operation=("chat",)), ("tenant", "feature"), exempt=(Match(("ollama",)),))
        for measure in ("requests", "tokens", "input_tokens", "output_tokens", "usd")
    ]
    dimensions = ("provider", "operation", "tenant", "feature")
    rows = world.ledger.usage(UsageQuery(0, 2**62, dimensions))
    for limit in limits:
        sums = sums_of_rows(limit, dimensions, ((row.group, row.totals) for row in rows))
        assert sums == sums_of_calls(limit, world.ledger.select_calls(0, 2**62)), limit.name
    assert sums == {("acme", ""): A_CALL, ("b", "f"): 0}


def test_a_reset_is_no_difference(world: World) -> None:
    limit = Limit("quota a", "tokens", 10**6, MONTH, Match(tags={"config": ("a",)}), ("config",))
    put(world, limit)
    make(world, make_call(1, tags={"config": "a"}))
    assert world.client("admin").delete("/api/v1/quotas/a").status_code == 200
    make(world, make_call(2, tags={"config": "a"}))
    (one,) = world.agreement.check().comparisons
    assert (one.ledger, one.level.spent, one.missing, one.excess) == (1100, 1100, 0, 0)


def test_short_and_rolling_windows_are_not_compared(world: World) -> None:
    put(
        world,
        Limit("minute", "requests", 9, Window("minute")),
        Limit("pace", "requests", 9, Window("hour", rolling=True)),
        Limit("slots", "concurrency", 9),
        Limit("cap", "usd", 10**9),
    )
    make(world, make_call(1, at=NOW))
    assert world.agreement.check().comparisons == []


def test_counters_in_a_file_are_built_too(world: World, tmp_path: Path) -> None:
    counters = SqliteCounters(tmp_path / "counters.db", world.clock.nanoseconds)
    limiting = Limiting(world.policies, counters, "tests")
    agreement = Agreement(LedgerUse(world.ledger, world.resets), limiting, world.database, world.audit)
    put(world, *LIMITS)
    world.record(make_call(1), make_call(2))
    agreement.tend()
    assert {one.missing for one in agreement.check().comparisons} == {0}
    (budget,) = [one for one in agreement.check().comparisons if one.limit.name == "budget"]
    assert budget.level.spent == 2 * A_CALL
    counters.close()


IN_EMERGENCY = Policy("p", LIMITS, emergency=Emergency(shed=("low",)))


def begun_and_ended(world: World) -> list[tuple[str, str]]:
    """The audit trail's, oldest first."""
    entries, _ = world.audit.entries(AuditQuery(kind="emergency"))
    return [(entry.author, entry.action) for entry in reversed(entries)]


@pytest.mark.parametrize("by", ["a person", "a ladder"])
def test_an_emergency_outlives_the_counters(world: World, by: str, caplog: pytest.LogCaptureFixture) -> None:
    """Only a person ends it, not a flush."""
    world.policies.set(IN_EMERGENCY, author="tests", reason="a test")
    client = world.client("admin")
    if by == "a person":
        assert client.post("/api/v1/emergency", json={"reason": "a loop"}).json()["active"]
    else:
        assert world.limiting.admission().emergency.enter_once(Charge("budget", 0, 100, until=2**62))
    world.agreement.tend()
    lose(world)
    assert not world.limiting.admission().emergency.is_on()
    for _ in range(3):
        world.agreement.tend()
    assert world.limiting.admission().emergency.is_on()
    assert [record.levelname for record in caplog.records if "the counters have lost it" in record.getMessage()] == [
        "CRITICAL"
    ]
    begun_by = "counters" if by == "a ladder" else begun_and_ended(world)[0][0]
    assert begun_and_ended(world) == [(begun_by, "enter"), ("rebuild", "enter")]


def test_an_emergency_that_was_ended_stays_ended(world: World) -> None:
    """By whom ever: also by an app that has never told the sidecar."""
    world.policies.set(IN_EMERGENCY, author="tests", reason="a test")
    switch = world.limiting.admission().emergency
    switch.enter()
    world.agreement.tend()
    switch.leave()
    world.agreement.tend()
    lose(world)
    world.agreement.tend()
    assert not world.limiting.admission().emergency.is_on()
    assert begun_and_ended(world) == [("counters", "enter"), ("counters", "leave")]


def test_without_a_word_about_emergencies_nothing_is_looked_at(world: World) -> None:
    put(world, *LIMITS)
    world.limiting.admission().emergency.enter()
    world.agreement.tend()
    assert begun_and_ended(world) == []


@pytest.mark.parametrize("window", [Window("month", "Europe/Berlin"), Window("week")])
def test_another_time_zone_or_window_takes_along_what_was_used(world: World, window: Window) -> None:
    """Also where calls have begun to be counted by it, before the sidecar has looked at it."""
    put(world, LIMITS[1])
    make(world, make_call(1), make_call(2))
    tend(world)
    world.agreement.tend()
    put(world, replace(LIMITS[1], window=window))
    make(world, make_call(3))
    assert differences(world) == {("budget", ""): (2 * A_CALL, 0)}
    world.agreement.tend()
    assert (spent(world)["budget", ""], differences(world)) == (3 * A_CALL, {})
    world.record(make_call(4))
    for _ in range(FRESH_FOR):
        world.agreement.tend()
    assert spent(world)["budget", ""] == 4 * A_CALL, "of an app that went by the limit as it was"


def test_requests_in_excess_are_expected(world: World) -> None:
    put(world, LIMITS[0])
    make(world, make_call(1))
    make(world, make_call(2), recorded=False)
    found: Any = world.client("admin").get("/api/v1/limits/agreement").json()
    assert (found["checked"], found["expected"], found["differences"]) == (1, 1, [])
    tend(world, 3)
    assert world.agreement.disagreeing == frozenset()


def test_what_is_missing_at_a_reset_does_not_come_back(world: World) -> None:
    limit = Limit("quota a", "tokens", 10**6, MONTH, Match(tags={"config": ("a",)}), ("config",))
    put(world, limit)
    make(world, make_call(1, tags={"config": "a"}))
    world.record(make_call(2, tags={"config": "a"}))
    assert world.client("admin").delete("/api/v1/quotas/a").status_code == 200
    tend(world, 3)
    (one,) = world.agreement.check().comparisons
    assert (one.ledger, one.level.spent) == (0, 0)


def test_over_http(world: World) -> None:
    put(world, *LIMITS)
    world.record(make_call(1))
    client = world.client("admin")
    found: Any = client.get("/api/v1/limits/agreement").json()
    assert (found["checked"], len(found["differences"]), found["unchecked"]) == (3, 3, [])
    budget = next(each for each in found["differences"] if each["measure"] == "usd")
    assert (budget["ledger"], budget["spent"], budget["missing"]) == (0.0035, 0, 0.0035)
    booked = client.post("/api/v1/limits/rebuild", json={"reason": "a flush"}).json()["booked"]
    assert {each["limit"]: each["amount"] for each in booked} == {"calls": 1, "budget": 0.0035, "tokens": 1100}
    assert client.get("/api/v1/limits/agreement").json()["differences"] == []
    assert client.post("/api/v1/limits/rebuild", json={}).status_code == 422
    assert world.client("write").post("/api/v1/limits/rebuild", json={"reason": "x"}).status_code == 403
