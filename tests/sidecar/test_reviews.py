"""Traces that are looked at again: each once, all that are due, and those that could not be, later."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from clocks import SecondsClock
from tollkeeper.sidecar.foreign import REVIEWS, Foreign
from tollkeeper.sidecar.reviews import AT_ONCE, Reviews
from tollkeeper.storage.ledger import LedgerUnavailable, Retraction, Traced


@pytest.fixture
def clock() -> SecondsClock:
    return SecondsClock()


@pytest.fixture
def reviews(clock: SecondsClock) -> Reviews:
    return Reviews((30.0, 600.0), clock)


def test_a_trace_waits_once_however_often_something_is_recorded_of_it(reviews: Reviews, clock: SecondsClock) -> None:
    for _ in range(1_000):
        reviews.add("a")
    assert len(reviews) == 2
    clock.now += 29
    assert reviews.due() == []
    clock.now += 1
    assert reviews.due() == ["a"]


def test_what_was_recorded_while_it_waited_has_its_turn_too(reviews: Reviews, clock: SecondsClock) -> None:
    reviews.add("a")
    clock.now += 29
    reviews.add("a")
    for _ in range(2):
        clock.now += 30
        assert reviews.due() == ["a"]
        reviews.done(["a"])
    clock.now += 30
    assert reviews.due() == []
    for _ in range(2):
        clock.now += 600
        assert reviews.due() == ["a"]
        reviews.done(["a"])
    assert len(reviews) == 0


def test_all_that_are_due_are_done_in_pieces(reviews: Reviews, clock: SecondsClock) -> None:
    for number in range(2 * AT_ONCE + 1):
        reviews.add(str(number))
    clock.now += 601
    sizes = []
    while due := reviews.due():
        sizes.append(len(due))
        reviews.done(due)
    assert sizes == [AT_ONCE, AT_ONCE, 1]
    assert len(reviews) == 0, "those of the later queue were looked at with the others"


def test_the_oldest_are_forgotten(clock: SecondsClock, caplog: pytest.LogCaptureFixture) -> None:
    reviews = Reviews((30.0,), clock, most=10)
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            reviews.add(str(number))
    assert (len(reviews), reviews.forgotten, len(caplog.records)) == (10, 40, 1)
    clock.now += 31
    assert reviews.due() == [str(number) for number in range(40, 50)]


class Doubled:
    """A ledger in which each trace has one call twice, and which cannot be read or written to for a while."""

    def __init__(self) -> None:
        self.cannot_read = self.cannot_write = False
        self.retracted: set[str] = set()
        self.statements: list[int] = []

    def find_in_trace(self, trace_ids: Sequence[str]) -> list[Traced]:
        self.statements.append(len(trace_ids))
        if self.cannot_read:
            raise LedgerUnavailable("away")
        return [self.call(trace_id, span_id) for trace_id in trace_ids for span_id in "12"]

    def call(self, trace_id: str, span_id: str) -> Traced:
        id = f"{trace_id}/{span_id}"
        rest = ("openai", "chat", "m", "m", "r", 10, 5, None, None, id in self.retracted)
        return Traced(id, 1, "someone", trace_id, span_id, None, int(span_id), 1.0, *rest)

    def retract(self, retractions: Sequence[Retraction]) -> int:
        if self.cannot_write:
            raise LedgerUnavailable("away")
        self.retracted.update(each.id for each in retractions)
        return len(retractions)


@pytest.mark.parametrize("what", ["cannot_read", "cannot_write"])
def test_a_review_that_fails_is_made_up_for(what: str, clock: SecondsClock) -> None:
    ledger = Doubled()
    foreign = Foreign(ledger, clock)  # type: ignore[arg-type]
    foreign._reviews.add("a")
    for _ in range(3):
        clock.now += REVIEWS[0] + 1
        setattr(ledger, what, True)
        with pytest.raises(LedgerUnavailable):
            foreign.review(ledger.retract)
        setattr(ledger, what, False)
        assert ledger.retracted == set()
    clock.now += REVIEWS[0] + 1
    assert foreign.review(ledger.retract)
    assert ledger.retracted == {"a/1"}
    assert not foreign.review(ledger.retract)


def test_one_turn_compares_everything_that_is_due_and_one_statement_is_small(clock: SecondsClock) -> None:
    ledger = Doubled()
    foreign = Foreign(ledger, clock)  # type: ignore[arg-type]
    for number in range(5_000):
        foreign._reviews.add(str(number))
    clock.now += REVIEWS[0] + 1
    while foreign.review(ledger.retract):
        pass
    assert ledger.statements == [AT_ONCE] * 5
    assert len(ledger.retracted) == 5_000
