"""Calls that go on for longer than a hold is good for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clocks import Clock
from tollkeeper.capture.long_calls import MOST_RENEWALS, LongCalls
from tollkeeper.model import Bound, Call, Denial, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.storage.admission import Admission, Ticket
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

MINUTE = 60 * 10**9
LIMITS = (Limit("at once", "concurrency", 1), Limit("tokens", "tokens", 1000, Window("day")))
MOST = Bound(100, 300, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


MADE: dict[str, Callable[[Path, Clock], Counters]] = {
    "memory": lambda folder, clock: MemoryCounters(clock),
    "sqlite": lambda folder, clock: SqliteCounters(folder / "counters.db", clock),
    "leased": lambda folder, clock: LeasedCounters(MemoryCounters(clock), clock, threaded=False),
}


@pytest.fixture(params=MADE)
def admission(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Admission]:
    counters = MADE[request.param](tmp_path, clock)
    yield Admission(Policy("p", LIMITS), counters, "tests")
    counters.close()


def call(admission: Admission, id: str) -> Ticket | Denial:
    one = Call(id=id, provider="openai", operation="chat", started_at=0, request_model="gpt-4o")
    return admission.admit(id, admission.bindings(one), MOST)


def pass_time(calls: LongCalls, clock: Clock, minutes: int) -> None:
    for _ in range(minutes):
        clock.now += MINUTE
        calls.tick()


def test_a_long_call_keeps_its_place_until_it_ends(admission: Admission, clock: Clock) -> None:
    calls, ticket = LongCalls(admission, threaded=False), call(admission, "long")
    assert isinstance(ticket, Ticket)
    calls.begin(ticket)
    pass_time(calls, clock, 61)
    denied = call(admission, "other")
    assert isinstance(denied, Denial) and denied.status.limit.name == "at once"
    tokens = admission.statuses({})[1]
    assert (tokens.used, tokens.held) == (400, 400), "held once, and not charged"
    admission.settle(calls.end(ticket), Bound(100, 50, 0))
    assert [(status.used, status.held) for status in admission.statuses({})] == [(0, 0), (150, 0)]
    assert isinstance(call(admission, "next"), Ticket)


def test_what_nobody_ends_is_given_up(admission: Admission, clock: Clock) -> None:
    calls, ticket = LongCalls(admission, threaded=False), call(admission, "long")
    assert isinstance(ticket, Ticket)
    calls.begin(ticket)
    pass_time(calls, clock, 15 * (MOST_RENEWALS + 2))
    assert isinstance(call(admission, "other"), Ticket)


def test_a_call_that_ends_while_its_hold_is_renewed(clock: Clock) -> None:
    """The thread has asked already: what it was given is given back."""
    calls: LongCalls

    class Ending(MemoryCounters):
        def reserve(self, hold):  # type: ignore[no-untyped-def]
            answer = super().reserve(hold)
            if hold.id.startswith("long+"):
                admission.settle(calls.end(ticket), Bound(100, 50, 0))
            return answer

    admission = Admission(Policy("p", LIMITS), Ending(clock), "tests")
    calls, ticket = LongCalls(admission, threaded=False), call(admission, "long")
    assert isinstance(ticket, Ticket)
    calls.begin(ticket)
    pass_time(calls, clock, 14)
    assert [(status.used, status.held) for status in admission.statuses({})] == [(0, 0), (150, 0)]
    assert admission.counters.holds() == ()


def test_only_calls_with_a_place_are_looked_after(clock: Clock) -> None:
    admission = Admission(Policy("p", LIMITS[1:]), MemoryCounters(clock), "tests")
    calls, ticket = LongCalls(admission, threaded=False), call(admission, "long")
    assert isinstance(ticket, Ticket)
    calls.begin(ticket)
    pass_time(calls, clock, 16)
    assert admission.counters.holds() == ()
    assert calls.end(ticket) is ticket
