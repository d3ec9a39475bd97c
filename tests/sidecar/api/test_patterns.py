"""Patterns by the API, of a few calls that one can check by hand; and as a terminal shows them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cli.telling import telling
from sidecar.api.serving import serving
from sidecar.api.world import World, failed, make_call
from tollkeeper import Client
from tollkeeper.sidecar.insight.evaluators import Evaluators

BERLIN = ZoneInfo("Europe/Berlin")
A_CALL = 3_500_000
"""What a call of the world costs, in nano-dollars."""


def record(world: World) -> None:
    """Three calls on Monday at 9 in Berlin, one on Sunday at 3, just after the clocks went forward; now is Tuesday."""
    monday, sunday = datetime(2026, 3, 30, 9, 30, tzinfo=BERLIN), datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)
    tags = {"tenant": "acme", "user": "ann", "feature": "chat", "session": "s1"}
    world.record(
        make_call(1, at=monday, tags=tags, finish_reasons=("length",)),
        make_call(2, at=monday, tags={**tags, "user": "ben"}, finish_reasons=("stop",), attempt=2),
        failed(3, at=monday, tags=tags),
        make_call(4, at=sunday, tags={**tags, "session": "s2"}),
    )
    Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()


def test_when_and_who_is_by_the_zones_clock(world: World) -> None:
    record(world)
    with serving(world.app) as url, Client(url, world.key("read")) as client:
        found = client.patterns(zone="Europe/Berlin", top=1)
        in_utc = client.patterns()
    assert [(slot.weekday, slot.hour, slot.calls) for slot in found.peaks] == [(0, 9, 3), (6, 3, 1)]
    assert [(slot.weekday, slot.hour) for slot in in_utc.peaks] == [(0, 7), (6, 1)]
    assert [slot.times for slot in found.weekdays] == [1] * 7
    assert (len(found.heat_map), len(found.hours)) == (168, 24)
    assert sum(slot.cost_nano_usd or 0 for slot in found.heat_map) == 3 * A_CALL
    (ann,) = found.top["user"]
    assert (ann.name, ann.calls, ann.failed_calls, ann.cost_nano_usd) == ("ann", 3, 1, 2 * A_CALL)
    assert ann.share == pytest.approx(2 / 3)


def test_what_was_in_vain_is_counted_with_what_it_cost(world: World) -> None:
    record(world)
    with serving(world.app) as url, Client(url, world.key("read")) as client:
        found = client.patterns()
    assert found.total is not None and found.wasted is not None and found.heavy_tail is not None
    assert (found.total.calls, found.total.calls_with_cost, found.total.cost_nano_usd) == (4, 3, 3 * A_CALL)
    wasted = found.wasted
    assert (wasted.truncated.calls, wasted.truncated.cost_nano_usd, wasted.finish_known) == (1, A_CALL, 2)
    assert (wasted.retries.calls, wasted.retries.cost_nano_usd) == (1, A_CALL)
    assert (wasted.failed.calls, wasted.billed_failures.calls) == (1, 0)
    assert (found.heavy_tail.calls, found.heavy_tail.of) == (1, 3)
    assert found.heavy_tail.share == pytest.approx(1 / 3)
    assert [(one.session, one.calls) for one in found.top_sessions] == [("s1", 3), ("s2", 1)]
    assert found.cache is not None and (found.cache.hit_ratio, found.cache.writes) == (0, 0)


def test_before_the_first_evaluation_it_says_so(sqlite_world: World) -> None:
    body = sqlite_world.client("read").get("/api/v1/patterns").json()
    assert (body["evaluated_at"], body["wasted"], body["peaks"]) == (None, None, [])
    assert sqlite_world.client("read").get("/api/v1/patterns", params={"zone": "Mars"}).status_code == 422


def test_a_terminal_shows_them(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(sqlite_world)
    with serving(sqlite_world.app) as url:
        tell = telling(sqlite_world, url, monkeypatch, capsys)
        said = tell("patterns", "--zone", "Europe/Berlin")
        assert said.code == 0, said.err
        assert "Busiest: Monday 9:00 (3 calls), Sunday 3:00 (1 calls)" in said.out
        assert "cut at their longest (of 2 that say why they ended)" in said.out
        assert "Of 3,000 input tokens, 0% were read from a cache." in said.out
        said = tell("providers", "--by", "provider", "--window", "7d")
        assert "openai" in said.out and "75.00%" in said.out and "$0.0035" in said.out
        assert tell("providers", "expect", "openai", "success_rate", "0.5", "--source", "me").code == 0
        compared = tell("providers", "compare", "--by", "provider", "--window", "7d").out
        assert "unknown (1.50 x)" in compared, "so few calls say nothing"
        (budget,) = tell("providers", "budgets").rows
        assert budget[:4] == ["openai", "99.00%", "4", "1"], "as of the last evaluation"
        assert tell("providers", "forget", "openai", "success_rate").code == 0
        assert "Nothing is expected" in tell("providers", "benchmarks").out
