"""Calls that others have instrumented, in the ledger: each once, as it was served, in whatever order it came.

What they emit is in `foreign/emitted/`: written by the real instrumentations, of answers of the simulator.
`test_foreign_live.py` runs them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clocks import SecondsClock
from sidecar.foreign import stage
from sidecar.foreign.agreement import disagreements
from tollkeeper.model import Call, Usage
from tollkeeper.sidecar.foreign import REVIEWS, Foreign
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, Ledger
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.telemetry.emission import Emission

EMITTERS = tuple(stage.HOMES)
AFTER_ALL_REVIEWS = REVIEWS[-1] + 1
EVER = (0, 2**63 - 1)


@pytest.fixture
def clock() -> SecondsClock:
    return SecondsClock(1_795_000_000.0)


def opened(url: str) -> Iterator[Ledger]:
    database = Database(url)
    database.migrate()
    ledger = SqlLedger(database)
    yield ledger
    ledger.close()
    database.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    yield from opened(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def either_ledger(database_url: str) -> Iterator[Ledger]:
    yield from opened(database_url)


def take(ledger: Ledger, foreign: Foreign, emissions: Sequence[Emission], calls: Sequence[Call] = ()) -> None:
    """As the pipeline does."""
    entries, retractions = foreign.settle(emissions, calls)
    own = [Entry(call, b"0123456789abcdef") for call in calls]
    recorded = ledger.record([*own, *entries], retractions)
    assert not recorded.rejected and not recorded.conflicts


def review(ledger: Ledger, foreign: Foreign, clock: SecondsClock) -> None:
    clock.now += AFTER_ALL_REVIEWS
    while foreign.review(ledger.retract):
        pass


def counted(ledger: Ledger) -> list[Call]:
    return [kept.call for kept in ledger.select_calls(*EVER)]


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_is_recorded_is_what_was_served(emitter: str, ledger: Ledger, clock: SecondsClock) -> None:
    staged = stage.read(emitter)
    foreign = Foreign(ledger, clock)
    take(ledger, foreign, staged.emissions)
    assert disagreements(emitter, staged, counted(ledger)) == []
    # An exporter that missed the answer sends it all again.
    take(ledger, foreign, staged.emissions)
    take(ledger, Foreign(ledger, clock), staged.emissions)
    assert disagreements(emitter, staged, counted(ledger)) == []


@pytest.mark.parametrize("emitter", EMITTERS)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_does_not_matter_nor_which_sidecar_it_comes_to(
    emitter: str, seed: int, ledger: Ledger, clock: SecondsClock
) -> None:
    staged = stage.read(emitter)
    chance = random.Random(seed)
    emissions = list(staged.emissions)
    chance.shuffle(emissions)
    sidecars = [Foreign(ledger, clock) for _ in range(2)]
    while emissions:
        size = chance.randint(1, 12)
        take(ledger, chance.choice(sidecars), emissions[:size])
        del emissions[:size]
    for foreign in sidecars:
        review(ledger, foreign, clock)
    assert disagreements(emitter, staged, counted(ledger)) == []


def test_two_sidecars_that_write_at_the_same_moment_see_it_at_the_review(
    either_ledger: Ledger, clock: SecondsClock
) -> None:
    staged = stage.read("doubled")
    sidecars = [Foreign(either_ledger, clock) for _ in range(2)]
    halves = [
        [one for one in staged.emissions if one.scope.startswith("openinference")],
        [one for one in staged.emissions if not one.scope.startswith("openinference")],
    ]
    # Neither has written when the other one looks.
    settled = [foreign.settle(half) for foreign, half in zip(sidecars, halves, strict=True)]
    for entries, retractions in settled:
        either_ledger.record(entries, retractions)
    assert len(counted(either_ledger)) == 2 * len(staged.served)
    for foreign in sidecars:
        review(either_ledger, foreign, clock)
    assert disagreements("doubled", staged, counted(either_ledger)) == []


def span(span_id: str, parent: str = "", **more: object) -> Emission:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        **more,
    }
    ids = ("a" * 32, span_id, parent)
    return Emission("span", "chat", "some.scope", attributes, {}, None, *ids, 10**18, 10**18 + 9, 3)


def own_call(**more: object) -> Call:
    call = Call("01a1fea4-0000-7000-8000-000000000001", "openai", "chat", 10**18 + 1, request_model="gpt-4o-mini")
    call.trace_id, call.span_id, call.response_id = "a" * 32, "0" * 15 + "5", "chatcmpl-1"
    call.usage, call.usage_source, call.duration = Usage(100, 20), "provider", 5e-9
    for name, value in more.items():
        setattr(call, name, value)
    return call


@pytest.mark.parametrize("own_first", [True, False, None], ids=["own first", "own last", "together"])
@pytest.mark.parametrize(
    ("span_id", "parent", "response_id"),
    [("0" * 15 + "4", "", "chatcmpl-1"), ("0" * 15 + "6", "0" * 15 + "5", ""), ("0" * 15 + "4", "", "")],
    ids=["of the same answer", "inside ours", "around ours, as far as time tells"],
)
def test_our_own_record_wins(
    own_first: bool | None, span_id: str, parent: str, response_id: str, either_ledger: Ledger, clock: SecondsClock
) -> None:
    foreign = Foreign(either_ledger, clock)
    theirs = [span(span_id, parent, **{"gen_ai.response.id": response_id})]
    ours = [own_call()]
    if own_first is None:
        take(either_ledger, foreign, theirs, ours)
    else:
        for batch in (ours, theirs) if own_first else (theirs, ours):
            take(either_ledger, foreign, *(([], batch) if batch is ours else (batch, [])))
    assert [call.id for call in counted(either_ledger)] == [ours[0].id]


def test_our_own_record_wins_at_another_sidecar_too(ledger: Ledger, clock: SecondsClock) -> None:
    here, there = Foreign(ledger, clock), Foreign(ledger, clock)
    take(ledger, here, [span("1" * 16)])
    take(ledger, there, [], [own_call()])
    assert len(counted(ledger)) == 2
    review(ledger, here, clock)
    assert [call.id for call in counted(ledger)] == [own_call().id]


def test_another_call_of_the_same_trace_is_another_call(ledger: Ledger, clock: SecondsClock) -> None:
    other = span("1" * 16, **{"gen_ai.response.id": "chatcmpl-2", "gen_ai.usage.input_tokens": 101})
    take(ledger, Foreign(ledger, clock), [other], [own_call()])
    assert len(counted(ledger)) == 2


def test_the_inner_call_takes_over_who_the_outer_one_was_for(ledger: Ledger, clock: SecondsClock) -> None:
    outer = span("1" * 16, **{"user.id": "u-17", "session.id": "s-1", "tollkeeper.tag.feature": "match"})
    inner = span("2" * 16, "1" * 16, **{"session.id": "s-2"})._replace(started_at=10**18 + 1, ended_at=10**18 + 5)
    take(ledger, Foreign(ledger, clock), [inner, outer])
    (call,) = counted(ledger)
    assert call.span_id == "2" * 16
    assert dict(call.tags) == {"user": "u-17", "session": "s-2", "feature": "match"}


def test_spans_between_two_calls_tell_that_one_is_in_the_other(ledger: Ledger, clock: SecondsClock) -> None:
    outer = span("1" * 16, **{"gen_ai.response.id": ""})
    between = Emission("span", "chain", "s", {}, {}, None, "a" * 32, "2" * 16, "1" * 16, 10**18, 10**18 + 9)
    inner = span("3" * 16, "2" * 16)._replace(started_at=10**18 + 1, ended_at=10**18 + 5)
    foreign = Foreign(ledger, clock)
    take(ledger, foreign, [inner])
    take(ledger, foreign, [outer])
    assert len(counted(ledger)) == 2, "one emitter, and no sign yet that one call is in the other"
    take(ledger, foreign, [between])
    assert [call.span_id for call in counted(ledger)] == ["3" * 16]


def test_a_call_that_says_no_time_is_of_now(ledger: Ledger, clock: SecondsClock) -> None:
    take(ledger, Foreign(ledger, clock), [span("1" * 16)._replace(started_at=0, ended_at=0)])
    assert [call.started_at for call in counted(ledger)] == [int(clock.now * 1e9)]


def test_without_a_trace_it_is_known_by_its_answer(ledger: Ledger, clock: SecondsClock) -> None:
    event = span("")._replace(kind="event", name="gen_ai.client.inference.operation.details", trace_id="", span_id="")
    foreign = Foreign(ledger, clock)
    take(ledger, foreign, [event, event])
    take(ledger, foreign, [event])
    assert len(counted(ledger)) == 1


def test_old_traces_are_forgotten(ledger: Ledger, clock: SecondsClock) -> None:
    foreign = Foreign(ledger, clock, traces=10)
    for number in range(50):
        take(ledger, foreign, [span("1" * 16)._replace(trace_id=f"{number + 1:032x}")])
    assert len(foreign._traces) == 10
    assert len(counted(ledger)) == 50
