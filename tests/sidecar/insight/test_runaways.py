"""A loop that runs away is found within a minute, by its cause, and people are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.sinks import HttpSink, http_sink
from sidecar.insight.ledgers import Desk, call_of, loop, weeks, world_of

MINUTE = 60 * 10**9


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


def test_a_loop_is_found_by_its_cause_told_and_over(database_url: str, web: HttpSink) -> None:
    with world_of(database_url, web) as world:
        world.record(*weeks())
        desk = Desk(world)
        desk.turn()
        assert world.insight.anomalies.open() == []
        # Two minutes of it: $6, of which there were $0.80 in such an hour.
        world.record(*loop(begins=2, until=0))
        desk.turn(30)
        (found,) = [kept for kept in world.insight.anomalies.open() if kept.source == "runaway"]
        anomaly, facts = found.anomaly, found.facts
        assert (anomaly.kind, anomaly.metric, anomaly.scope) == ("runaway", "spend", {"session": "loop-1"})
        assert (anomaly.actual, anomaly.excess_nano_usd, anomaly.severity) == (72e9, 6 * 10**9, "critical")
        assert (facts["calls"], facts["nano_usd"]) == (120, 6 * 10**9)
        assert (facts["calls_per_hour"], facts["nano_usd_per_hour"]) == (1440, 72 * 10**9)
        assert facts["change"] == "more_calls"
        assert [(each["dimension"], each["value"]) for each in facts["cause"]] == [
            ("session", "loop-1"), ("user", "u3"), ("feature", "agent"), ("tenant", "acme"), ("model", "gpt-4o"),
            ("provider", "openai"),
        ]  # fmt: skip
        began = world.clock.nanoseconds() - anomaly.start
        assert 2 * MINUTE <= began <= 3.6 * MINUTE
        fired = next(request.json for request in web.requests if request.json["limit"] == "runaway spend")
        assert (fired["alert_type"], fired["event"], fired["severity"]) == ("anomaly", "fired", "critical")
        assert fired["title"] == "Critical: runaway spend for session loop-1 at $72.00 an hour, usually up to $5.00"
        assert "So far: 120 calls for $6.00; at this pace 1,440 calls and $72.00 an hour" in fired["message"]
        assert "Cause: session loop-1 (100 %), user u3 (100 %), feature agent (100 %)" in fired["message"]
        assert fired["anomaly"]["excess_usd"] == 6
        for _ in range(14):
            desk.turn(60)
            (over,) = [kept for kept in world.insight.anomalies.anomalies() if kept.id == found.id]
            assert over.anomaly.actual == 72e9, "it slows down, and is told of as it was at its worst"
            assert over.facts["change"] == "more_calls"
            assert over.anomaly.excess_nano_usd == 6 * 10**9
        assert over.facts["calls_per_hour"] < 1440
        assert [kept for kept in world.insight.anomalies.open() if kept.source == "runaway"] == []
        ends = [request.json["event"] for request in web.requests if request.json["limit"] == "runaway spend"]
        assert ends == ["fired", "resolved"]


def test_what_a_busy_hour_usually_has_is_no_loop_and_thrice_as_much_is(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        # Every day from 13:00 to 15:00 a batch spends $60 an hour.
        batch = (
            call_of(number, "1.0", day * 1440 - 30 + minute, feature="batch", tenant="acme")
            for number, (day, minute) in enumerate((day, minute) for day in range(1, 15) for minute in range(120))
        )
        now = (call_of(100_000 + n, "1.0", n, feature="batch", tenant="acme") for n in range(60))
        world.record(*batch, *now)
        evaluator = next(one for one in world.insight.evaluators if one.name == "anomalies.runaway")
        assert evaluator.run(world.clock.nanoseconds()) == {"open": 0}
        world.record(*(call_of(200_000 + n, "20", n / 10, feature="batch", tenant="acme") for n in range(10)))
        assert evaluator.run(world.clock.nanoseconds()) == {"open": 1}
        (found,) = world.insight.anomalies.open()
        assert found.anomaly.scope == {"feature": "batch"}
        assert found.anomaly.expected == pytest.approx(60e9, rel=0.05)
        assert found.facts["change"] == "bigger_calls"
        (model,) = [one for one in found.anomaly.contributors if one.dimension == "model"]
        assert model.excess_nano_usd == model.more_calls + model.bigger_calls + model.dearer_tokens
        assert model.dearer_tokens > model.more_calls, "as many tokens for more money"


def test_requests_that_cost_nothing_are_a_loop_too(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks(10), *loop(begins=8, until=0, dollars="0", session="free"))
        desk = Desk(world)
        desk.turn()
        (found,) = [kept for kept in world.insight.anomalies.open() if kept.source == "runaway"]
        assert (found.anomaly.metric, found.anomaly.scope) == ("requests", {"session": "free"})
        assert found.anomaly.excess_nano_usd is None


def test_labels_make_it_wait_for_more(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*weeks())
        store, evaluator = world.insight.anomalies, world.insight.evaluators[0]

        def again(day: int) -> int:
            """Six dollars more than usual within four minutes, at the same time of each day."""
            world.clock.now += timedelta(days=1)
            minutes = ((n + 1) * 4 / 30 - day * 1440 for n in range(30))
            extra = (call_of(300_000 + 100 * day + n, "0.2", ago, feature="agent") for n, ago in enumerate(minutes))
            world.record(*extra)
            return int(evaluator.run(world.clock.nanoseconds())["open"])

        assert again(1) == 1
        (found,) = store.open()
        assert (found.anomaly.metric, found.anomaly.scope) == ("spend", {"feature": "agent"})
        assert (found.anomaly.high, found.facts["nano_usd"]) == (5e9, 6 * 10**9)
        store.label(found.id, "false", author="ada")
        store.follow("runaway", [], world.clock.nanoseconds())
        assert again(2) == 0, "six dollars are below 1.25 times five"
        store.label(found.id, None, author="ada")
        assert again(3) == 1
