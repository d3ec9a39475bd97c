"""The evaluation of providers' health: its windows, budgets and what it remembers between two turns."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.api.world import NOW, World, failed, make_call
from tollkeeper.insight.comparison import Benchmark
from tollkeeper.insight.health import Key
from tollkeeper.sidecar.error_budget_gauges import error_budget_samples
from tollkeeper.sidecar.insight import health
from tollkeeper.sidecar.insight.health import HealthEvaluator, budget_findings, budgets_of, windows_of
from tollkeeper.storage.insight.evaluations import Evaluation
from tollkeeper.storage.insight.remembered import Remembered, Stretch
from tollkeeper.storage.ledger import Retraction, Totals, UsageRow
from tollkeeper.telemetry import sidecar_metrics as names

HOUR = 3_600_000_000_000


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def evaluated(world: World, evaluator: HealthEvaluator | None = None) -> Evaluation:
    runs = evaluator or HealthEvaluator(world.database, world.ledger, world.insight.benchmarks)
    now = world.clock.nanoseconds()
    return Evaluation(health.NAME, now, json.loads(json.dumps(runs.run(now), allow_nan=False)))


def ago(**span: float) -> dict[str, Any]:
    return {"at": NOW - timedelta(**span)}


def test_windows_have_what_began_in_them(world: World) -> None:
    world.record(
        make_call(1, duration=2.0, **ago(minutes=5)),
        failed(2, **ago(minutes=50)),
        make_call(3, service_tier="flex", **ago(hours=20)),
        make_call(4, provider="anthropic", response_model="claude", **ago(days=6)),
        make_call(5, **ago(days=6, hours=15)),
    )
    windows = windows_of(evaluated(world))
    calls = {name: {key: each.calls for key, each in of.levels["providers"].items()} for name, of in windows.items()}
    openai, anthropic = Key("openai"), Key("anthropic")
    assert calls == {"5m": {openai: 1}, "1h": {openai: 2}, "24h": {openai: 3}, "7d": {openai: 3, anthropic: 1}}
    newest = windows["1h"].levels["models"][Key("openai", "gpt-4o")]
    assert (newest.success_rate, newest.rate_limited_share) == (0.5, 0.5)
    assert newest.latency_p50 == pytest.approx(2, rel=1 / 32)
    # 1,000 and 100 tokens at $2.50 and $10 a million: $0.0035.
    assert (newest.nano_usd, newest.nano_usd_per_1k_tokens, newest.nano_usd_per_answer) == (
        3_500_000,
        3_181_818,
        3_500_000,
    )
    assert list(windows["24h"].levels["tiers"]) == [Key("openai", "gpt-4o", "flex")]


def test_a_budget_goes_by_the_benchmark_of_its_provider(world: World) -> None:
    world.record(*(make_call(number, **ago(days=2)) for number in range(90)))
    world.record(*(failed(number, **ago(minutes=2)) for number in range(100, 110)))
    (budget,) = budgets_of(evaluated(world)).values()
    assert (budget.objective, budget.calls, budget.failed, budget.severity) == (0.99, 100, 10, "critical")
    assert budget.used == pytest.approx(10)
    world.insight.benchmarks.set(
        Benchmark("openai", "", "success_rate", Decimal("0.8"), "our contract"), author="ann", reason="signed"
    )
    (budget,) = budgets_of(evaluated(world)).values()
    assert (budget.objective, budget.severity) == (0.8, None)
    assert budget.used == pytest.approx(0.5)


def test_a_budget_that_burns_is_told_of_while_it_does(world: World) -> None:
    world.record(*(make_call(number, **ago(days=2)) for number in range(90)))
    world.record(*(failed(number, **ago(minutes=2)) for number in range(100, 110)))
    evaluations, now = world.insight.evaluations, world.clock.nanoseconds()
    assert list(budget_findings(evaluations)(now)) == []
    evaluation = evaluated(world)
    assert evaluations.claim(evaluation.name, HOUR)
    evaluations.keep(*evaluation)
    samples = {sample.name: sample.value for sample in error_budget_samples(evaluations.latest(evaluation.name), now)}
    assert samples[names.ERROR_BUDGET_USED] == pytest.approx(10)
    assert samples[names.ERROR_BUDGET_OBJECTIVE] == 0.99
    (finding,) = budget_findings(evaluations)(now)
    assert (finding.kind, finding.subject, finding.severity) == ("error_budget", "openai", "critical")
    assert finding.facts["lines"] == [
        "Objective: 99 % of calls are answered.",
        "Over the last 1 h it goes 100.0 times as fast as it may.",
        "In 30 days 10 of 100 calls have failed: 1000% of what may fail.",
    ]
    assert list(budget_findings(evaluations)(now + health.STALE + 1)) == []


def test_what_has_changed_is_read_again(world: World) -> None:
    """And nothing else: not hours whose calls are as they were."""
    evaluator = HealthEvaluator(world.database, world.ledger, world.insight.benchmarks)
    world.record(*(make_call(number, **ago(hours=number)) for number in range(1, 100)))
    assert windows_of(evaluated(world, evaluator))["7d"].levels["providers"][Key("openai")].calls == 99
    world.ledger.retract([Retraction("019c0000-0000-7000-8000-000000000050", 1, "twice")])
    world.record(failed(200, **ago(hours=70)))
    figures = windows_of(evaluated(world, evaluator))["7d"].levels["providers"][Key("openai")]
    assert (figures.calls, figures.failed) == (99, 1)


MOMENTS = st.integers(0, 80 * 60)


@settings(max_examples=30)
@given(st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted), min_size=1, max_size=3))
def test_stretches_are_their_ranges(ranges: list[list[int]]) -> None:
    """Whole, without overlaps, where there are calls: and only what is new is read."""
    start = 490_000 * HOUR
    minutes = [(start + one * HOUR // 60, start + other * HOUR // 60) for one, other in ranges]
    read: list[Stretch] = []

    def note(*stretch: int) -> Stretch:
        read.append((stretch[0], stretch[1]))
        return read[-1]

    remembered = Remembered(AlwaysBusy(), note)  # type: ignore[arg-type]
    for (begins, ends), found in zip(minutes, remembered.of(minutes), strict=True):
        covered = sorted(found)
        assert sum(last - first for first, last in covered) == ends - begins
        assert all(one[1] <= other[0] for one, other in zip(covered, covered[1:], strict=False))
        assert not covered or (covered[0][0], covered[-1][1]) == (begins, ends)
    assert len(read) == len(set(read))
    before = len(read)
    remembered.of(minutes)
    assert len(read) == before


class AlwaysBusy:
    """A ledger with a call in every hour."""

    def usage(self, query: Any) -> list[Any]:
        hours = range(query.start // HOUR, -(-query.end // HOUR))
        return [UsageRow(hour * HOUR, (), Totals(calls=1)) for hour in hours]
