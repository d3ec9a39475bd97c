"""A span and the event of the same call never come in one request: whichever comes first, what was used is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollkeeper.model import Call
from tollkeeper.sidecar.foreign import REVIEWS, Foreign
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, Retraction
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.telemetry.emission import Emission

EVENT = "gen_ai.client.inference.operation.details"
AT = 1_795_000_000 * 10**9
LASTED = 2 * 10**9
traces = count(1)


@dataclass
class World:
    """Sidecars that share a ledger. `moment` is of their clock, in seconds."""

    ledger: SqlLedger
    moment: float = AT / 1e9

    def __post_init__(self) -> None:
        self.sidecars = [Foreign(self.ledger, lambda: self.moment) for _ in range(2)]

    def take(self, *emissions: Emission, at: int = 0) -> None:
        self.record(*self.sidecars[at].settle(emissions))

    def record(self, entries: list[Entry], retractions: list[Retraction]) -> None:
        assert not self.ledger.record(entries, retractions).rejected

    def review(self) -> None:
        self.moment += REVIEWS[-1] + 1
        for foreign in self.sidecars:
            while foreign.review(self.ledger.retract):
                pass

    def counted(self, trace_id: str) -> list[Call]:
        return [kept.call for kept in self.ledger.select_calls(0, 2**63 - 1) if kept.call.trace_id == trace_id]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    database.migrate()
    ledger = SqlLedger(database)
    yield World(ledger)
    ledger.close()
    database.close()


def span(trace_id: str, *, used: bool = False, response_id: str = "chatcmpl-1", **more: object) -> Emission:
    attributes = said(used, response_id) | more
    ids = (trace_id, "1" * 16, "2" * 16)
    return Emission("span", "chat", "some.scope", attributes, {}, None, *ids, AT, AT + LASTED, 3)


def event(trace_id: str, *, used: bool = True, response_id: str = "chatcmpl-1") -> Emission:
    attributes = said(used, response_id)
    return Emission(
        "event", EVENT, "some.scope", attributes, {}, None, trace_id, "1" * 16, "", AT + LASTED, AT + LASTED
    )


def said(used: bool, response_id: str) -> dict[str, object]:
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
    }
    if response_id:
        attributes["gen_ai.response.id"] = response_id
    if used:
        attributes |= {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000}
    return attributes


def used(calls: list[Call]) -> list[tuple[int | None, int | None]]:
    return [(call.usage.input_tokens, call.usage.output_tokens) for call in calls]


@pytest.mark.parametrize("response_id", ["chatcmpl-1", ""], ids=["the same answer", "a span that names no answer"])
def test_an_event_after_its_span_tells_what_was_used(response_id: str, world: World) -> None:
    trace_id = f"{next(traces):032x}"
    world.take(span(trace_id, response_id=response_id, **{"user.id": "u-17"}))
    assert used(world.counted(trace_id)) == [(None, None)]
    world.take(event(trace_id), at=1)
    (call,) = world.counted(trace_id)
    assert used([call]) == [(1000, 1000)]
    assert (call.started_at, call.duration, call.tags["user"]) == (AT, 2.0, "u-17"), "which only the span knows"
    assert (call.response_id, call.usage_source) == ("chatcmpl-1", "provider")


def test_two_sidecars_that_take_the_span_and_the_event_at_the_same_moment(world: World) -> None:
    for order in permutations((0, 1)):
        trace_id = f"{next(traces):032x}"
        settled = [world.sidecars[0].settle([span(trace_id)]), world.sidecars[1].settle([event(trace_id)])]
        for at in order:
            world.record(*settled[at])
        world.review()
        assert used(world.counted(trace_id)) == [(1000, 1000)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_order_ends_in_the_same_totals(world: World, data: st.DataObject) -> None:
    trace_id = f"{next(traces):032x}"
    span_uses, event_uses = data.draw(st.booleans()), data.draw(st.booleans())
    seen = [
        span(trace_id, used=span_uses, response_id=data.draw(st.sampled_from(["chatcmpl-1", ""]))),
        event(trace_id, used=event_uses, response_id=data.draw(st.sampled_from(["chatcmpl-1", ""]))),
    ]
    arrivals = data.draw(st.permutations(seen + data.draw(st.lists(st.sampled_from(seen), max_size=4))))
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        world.take(*arrivals[:size], at=data.draw(st.integers(0, 1)))
        del arrivals[:size]
    expected = (1000, 1000) if span_uses or event_uses else (None, None)
    assert used(world.counted(trace_id)) == [expected]
    world.review()
    assert used(world.counted(trace_id)) == [expected]
