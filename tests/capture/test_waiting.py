"""Calls that wait for room: until there is some, no longer than they may, and every tenant in its turn."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tollkeeper.capture.drive import Pause
from tollkeeper.capture.waiting import Waiting, waits
from tollkeeper.model import Bound, Call, Denial, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.storage.admission import Admission, Ticket
from tollkeeper.storage.counters.memory import MemoryCounters

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
ONE = Bound(1, 1, 1)


class Clock:
    """Moves on as waiting calls pause."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> int:
        return START + int(self.seconds * SECOND)


class Office:
    def __init__(self, *limits: Limit) -> None:
        self.clock = Clock()
        self.admission = Admission(Policy("p", limits), MemoryCounters(self.clock.now), "test")
        self.waiting = Waiting(self.admission, self.clock)
        self.tickets: dict[str, Ticket] = {}

    def ask(self, id: str, tenant: str = "") -> Generator[Pause, None, Ticket | Denial]:
        """As the gate asks."""
        bindings = self.admission.bindings(
            Call(id, "openai", "chat", START, request_model="m", tags={"tenant": tenant})
        )
        behind = self.waiting.queue(bindings)
        if behind is None:
            outcome = self.admission.admit(id, bindings, ONE)
            behind = waits(outcome, bindings) if isinstance(outcome, Denial) else None
        if behind is not None:
            outcome = yield from self.waiting.wait(behind, tenant, id, bindings, ONE)
        return outcome

    def run(self, *asking: tuple[str, str], ends_after: float = 0.0) -> list[tuple[str, Ticket | Denial, float]]:
        """Let all go on until each has its answer: who, what, and when. Each call ends after so many seconds."""
        going = {id: self.ask(id, tenant) for id, tenant in asking}
        due = dict.fromkeys(going, 0.0)
        answers: list[tuple[str, Ticket | Denial, float]] = []
        ends: list[tuple[float, Ticket]] = []
        while going:
            id = min(going, key=lambda each: due[each])
            self.clock.seconds = max(self.clock.seconds, due[id])
            for at, ticket in [each for each in ends if each[0] <= self.clock.seconds]:
                self.admission.settle(ticket, ONE)
                ends.remove((at, ticket))
            try:
                due[id] = self.clock.seconds + next(going[id]).seconds
            except StopIteration as done:
                del going[id]
                answers.append((id, done.value, self.clock.seconds))
                if isinstance(done.value, Ticket) and ends_after:
                    ends.append((self.clock.seconds + ends_after, done.value))
        return answers


def test_a_call_goes_when_the_next_period_begins() -> None:
    office = Office(Limit("pace", "requests", 1, Window("minute"), wait=90))
    (first, one, _), (second, two, at) = office.run(("a", ""), ("b", ""))
    assert (first, second) == ("a", "b")
    assert isinstance(one, Ticket)
    assert isinstance(two, Ticket)
    assert 40 <= at < 40.1, "the minute had 40 seconds left"


def test_who_cannot_have_room_in_time_is_not_kept_waiting() -> None:
    office = Office(Limit("pace", "requests", 1, Window("day"), wait=30))
    (_, one, _), (_, two, at) = office.run(("a", ""), ("b", ""))
    office.admission.settle(one, ONE)  # type: ignore[arg-type]
    assert isinstance(two, Denial)
    assert 29 < at <= 31, "what the first holds might have been given back"
    (_, three, at) = office.run(("c", ""))[0]
    assert isinstance(three, Denial)
    assert at <= 31, "nothing is held any more"


def test_one_goes_as_soon_as_another_ends_and_tenants_take_turns() -> None:
    office = Office(Limit("together", "concurrency", 1, wait=60))
    asking = [("m0", "many"), ("m1", "many"), ("m2", "many"), ("m3", "many"), ("f0", "few"), ("o0", "one")]
    answers = office.run(*asking, ends_after=1.0)
    assert [id for id, _, _ in answers] == ["m0", "m1", "f0", "o0", "m2", "m3"]
    assert all(isinstance(outcome, Ticket) for _, outcome, _ in answers)
    assert answers[-1][2] == pytest.approx(5.0, abs=0.5)


def test_who_comes_later_does_not_overtake_who_waits() -> None:
    office = Office(Limit("together", "concurrency", 1, wait=60))
    held = next(iter(office.run(("first", ""))))[1]
    waiting = office.ask("second")
    next(waiting)
    office.admission.settle(held, ONE)  # type: ignore[arg-type]
    late = office.ask("third")
    next(late)
    with pytest.raises(StopIteration) as done:
        next(waiting)
    assert isinstance(done.value.value, Ticket)
    late.close()
    assert office.waiting.queue(office.admission.bindings(Call("x", "openai", "chat", START))) is None
