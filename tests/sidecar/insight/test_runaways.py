"""A loop that runs away is found within a minute, by its cause, and people are told of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.sinks import HttpSink, http_sink
from sidecar.insight.ledgers import Desk, loop, weeks, world_of


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


def test_a_loop_is_found_by_its_cause_and_told(database_url: str, web: HttpSink) -> None:
    with world_of(database_url, web) as world:
        world.record(*weeks())
        desk = Desk(world)
        desk.turn()
        assert world.insight.anomalies.open() == []
        # Two minutes of it: $6, of which there were $0.80 in such an hour.
        world.record(*loop(begins=2, until=0))
        desk.turn(30)
        (found,) = world.insight.anomalies.open()
        assert (found.anomaly.kind, found.anomaly.metric, found.anomaly.scope) == (
            "runaway",
            "spend",
            {"session": "loop-1"},
        )
        assert found.anomaly.severity in ("warning", "critical")
        assert (found.facts["calls"], found.facts["nano_usd"]) == (120, 6_000_000_000)
        assert (found.facts["calls_per_hour"], found.facts["nano_usd_per_hour"]) == (1440, 72_000_000_000)
        assert found.facts["change"] == "more_calls"
        named = {each["dimension"]: each["value"] for each in found.facts["cause"]}
        assert named == {"session": "loop-1", "user": "u3", "feature": "agent", "tenant": "acme", "model": "gpt-4o",
                         "provider": "openai"}  # fmt: skip
        began = world.clock.nanoseconds() - found.anomaly.start
        assert 2 * 60 * 10**9 <= began <= 3.6 * 60 * 10**9
        (told,) = [request.json for request in web.requests]
        print(told["title"])
        print(told["message"])
        assert told["alert_type"] == "anomaly"
