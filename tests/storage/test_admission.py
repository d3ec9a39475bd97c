"""A policy and counters together: what is admitted, why not, and what is booked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from clocks import Clock
from tollkeeper.model import Bound, Call, Denial, Limit, Window
from tollkeeper.model.charge import Charge, Level
from tollkeeper.policy import Policy
from tollkeeper.storage.admission import UNKNOWN, Admission, Ticket
from tollkeeper.storage.counters import CountersUnavailable, Held, Hold, Refused
from tollkeeper.storage.counters.memory import MemoryCounters

SECOND = 1_000_000_000
NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND
DAY = Window("day")
CALL = Call("id", "openai", "chat", NOON, request_model="gpt-4o", tags={"tenant": "acme"})


class Away:
    """Counters that cannot be reached."""

    def now(self) -> int:
        return NOON

    def reserve(self, hold: Hold) -> Held | Refused:
        raise CountersUnavailable("nobody there")

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        raise CountersUnavailable("nobody there")

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        raise CountersUnavailable("nobody there")

    def holds(self) -> Sequence[Hold]:
        raise CountersUnavailable("nobody there")

    def close(self) -> None: ...


def admission(*limits: Limit, clock: Clock | None = None) -> Admission:
    return Admission(Policy("p", limits), MemoryCounters(clock or Clock(NOON)), "test")


def admit(gate: Admission, id: str, bound: Bound) -> Ticket | Denial:
    return gate.admit(id, gate.bindings(CALL), bound)


def admitted(gate: Admission, id: str, bound: Bound) -> Ticket:
    ticket = admit(gate, id, bound)
    assert isinstance(ticket, Ticket), ticket
    return ticket


def denied(gate: Admission, id: str, bound: Bound) -> Denial:
    denial = admit(gate, id, bound)
    assert isinstance(denial, Denial), denial
    return denial


def test_all_limits_have_room_or_none_is_touched() -> None:
    gate = admission(Limit("requests", "requests", 1, DAY), Limit("usd", "usd", 100, DAY))
    admitted(gate, "a", Bound(10, 10, 60))
    denial = denied(gate, "b", Bound(10, 10, 10))
    assert (denial.status.limit.name, denial.status.used, denial.status.held) == ("requests", 1, 1)
    assert denial.retry_after == 12 * 3600
    assert [(status.limit.name, status.used) for status in gate.statuses({})] == [("requests", 1), ("usd", 60)]


def test_a_soft_limit_holds_what_is_likely_and_a_hard_one_the_most() -> None:
    limits = (
        Limit("hard", "tokens", 1000, DAY), Limit("soft", "tokens", 1000, DAY, mode="soft"),
        Limit("hard usd", "usd", 10**9, DAY), Limit("soft usd", "usd", 10**9, DAY, mode="soft"),
        Limit("soft input", "input_tokens", 10**9, DAY, mode="soft"), Limit("soft n", "requests", 9, DAY, mode="soft"),
    )  # fmt: skip
    gate = admission(*limits)

    def held() -> dict[str, int]:
        return {status.limit.name: status.used for status in gate.statuses({})}

    ticket = admitted(gate, "a", Bound(10, 400, 900, likely_output=30, likely_usd=70))
    assert held() == {"hard": 410, "soft": 40, "hard usd": 900, "soft usd": 70, "soft input": 10, "soft n": 1}
    gate.settle(ticket, Bound(9, 50, 99))
    assert held() == {"hard": 59, "soft": 59, "hard usd": 99, "soft usd": 99, "soft input": 9, "soft n": 1}
    unknown = admitted(gate, "b", Bound(10, 400, 900, likely_output=30, likely_usd=70))
    gate.settle(unknown, UNKNOWN, assumed=True)
    assert held()["soft"] == held()["hard"] == 59 + 410, "what nobody knows is booked at the most"
    assert held()["soft usd"] == 99 + 900


def test_a_soft_limit_alone_has_an_estimate_where_there_is_no_bound() -> None:
    gate = admission(Limit("soft", "tokens", 1000, DAY, mode="soft"))
    ticket = admitted(gate, "a", Bound(10, None, None, likely_output=30))
    assert [status.held for status in gate.statuses({})] == [40]
    gate.settle(ticket, UNKNOWN)
    assert [status.used for status in gate.statuses({})] == [40]


def test_what_a_call_used_is_booked_and_more_than_there_was_room_for_too() -> None:
    gate = admission(Limit("usd", "usd", 100, DAY, at=(50, 100)))
    near = gate.settle(admitted(gate, "a", Bound(10, 10, 60)), Bound(10, 10, 149))
    assert [(status.used, status.remaining, round(status.percent)) for status in near] == [(149, 0, 149)]
    assert denied(gate, "b", Bound(0, 0, 1)).reason == "used_up"


def test_a_free_call_goes_though_the_budget_is_used_up() -> None:
    gate = admission(Limit("usd", "usd", 100, DAY))
    gate.settle(admitted(gate, "a", Bound(10, 10, 100)), Bound(10, 10, 100))
    admitted(gate, "b", Bound(10, 10, 0))


def test_a_call_that_is_too_large_by_itself_is_told_so() -> None:
    gate = admission(Limit("each", "usd", 50, None), Limit("day", "tokens", 100, DAY))
    denial = denied(gate, "a", Bound(1, 1, 51))
    assert (denial.reason, denial.estimate, denial.retry_after) == ("call_too_large", 51, None)
    assert denied(gate, "b", Bound(99, 2, 50)).reason == "call_too_large"


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        (Bound(10, None, None, "it names no most output tokens"), "unbounded"),
        (Bound(10, 10, None, "no list has it", unpriced=True), "unpriced"),
    ],
)
@pytest.mark.parametrize("window", [None, DAY])
def test_what_nobody_can_tell_a_hard_limit_refuses_and_a_soft_one_lets_go(
    bound: Bound, reason: str, window: Window | None
) -> None:
    denial = denied(admission(Limit("usd", "usd", 100, window)), "a", bound)
    assert (denial.reason, denial.detail) == (reason, bound.why)
    gate = admission(Limit("usd", "usd", 100, window, mode="soft"))
    gate.settle(admitted(gate, "a", bound), Bound(10, 20, 30))
    assert [status.used for status in gate.statuses({}) if window] == ([30] if window else [])


def test_what_is_not_known_of_a_call_that_went_is_booked_at_the_most() -> None:
    gate = admission(Limit("usd", "usd", 1000, DAY), Limit("out", "output_tokens", 1000, DAY))
    gate.settle(admitted(gate, "a", Bound(10, 50, 60)), UNKNOWN, assumed=True)
    gate.settle(admitted(gate, "b", Bound(10, 50, 60)), Bound(10, 20, 25), assumed=True)
    gate.settle(admitted(gate, "c", Bound(10, 50, 60)), Bound(10, 70, 85), assumed=True)
    assert [status.used for status in gate.statuses({})] == [60 + 60 + 85, 50 + 50 + 70]


def test_a_call_is_settled_in_the_period_that_it_was_admitted_in() -> None:
    clock = Clock(NOON)
    gate = admission(Limit("usd", "usd", 100, DAY), clock=clock)
    late = admitted(gate, "a", Bound(1, 1, 60))
    clock.now += 12 * 3600 * SECOND
    next_day = admitted(gate, "b", Bound(1, 1, 60))
    gate.settle(late, Bound(1, 1, 60))
    gate.settle(next_day, Bound(1, 1, 7))
    assert [status.used for status in gate.statuses({})] == [7]


def test_what_never_was_asked_about_is_booked_once() -> None:
    gate = admission(Limit("usd", "usd", 100, DAY), Limit("each", "usd", 10))
    bindings = gate.bindings(CALL)
    assert [status.limit.name for status in gate.book("a", bindings, Bound(1, 1, 60))] == ["each", "usd"]
    gate.book("a", bindings, Bound(1, 1, 60))
    assert [status.used for status in gate.statuses({})][0] == 60


@pytest.mark.parametrize("what", ["allow", "local", "deny"])
@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_where_nobody_can_be_asked_the_limit_says_what_to_do(what: str, mode: str) -> None:
    limit = Limit("usd", "usd", 100, DAY, mode=mode, on_unavailable=what)  # type: ignore[arg-type]
    outcome = admit(Admission(Policy("p", (limit,)), Away(), "test"), "a", Bound(1, 1, 1))
    if mode == "soft" or what == "allow":
        assert isinstance(outcome, Ticket)
    else:
        assert isinstance(outcome, Denial)
        assert (outcome.reason, outcome.retry_after, outcome.detail) == ("unavailable", 1.0, "nobody there")


def test_limits_are_shown_for_a_scope_and_for_all() -> None:
    gate = admission(
        Limit("all", "requests", 9, DAY),
        Limit("each", "requests", 5, DAY, per=("tenant",)),
        Limit("user", "requests", 3, DAY, per=("tenant", "user")),
    )
    admitted(gate, "a", Bound(1, 1, 1))
    assert [(status.limit.name, status.used) for status in gate.statuses({})] == [("all", 1)]
    assert [status.used for status in gate.statuses({"tenant": "acme"})] == [1, 1]
    assert [status.used for status in gate.statuses({"tenant": "other"})] == [1, 0]
    assert len(gate.statuses({"tenant": "acme", "user": "u"})) == 3
