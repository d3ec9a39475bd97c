"""Forecasts from a real ledger: of whatever spends, of every long limit, and what people are told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sidecar.api.world import NOW, World, make_call
from tollkeeper.model import Call, Cost, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.sidecar.insight.evaluators import Evaluators
from tollkeeper.sidecar.insight.forecast_findings import forecast_findings, foreseen
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses

DAYS = 100
NANO = 10**9
TENANTS = {"acme": 12.0, "umbrella": 5.0, "initech": 2.0, "globex": 8.0}
MONTH = Window("month")


def costing(number: int, dollars: float, hours_ago: float, **tags: str) -> Call:
    cost = Cost(Decimal(f"{dollars:.9f}"), "catalog", (), "v1")
    return make_call(number, at=NOW - timedelta(hours=hours_ago), cost=cost, tags=tags)


def past(days: int = DAYS, chance: int = 3) -> Iterator[Call]:
    """Each tenant every six hours, less at weekends."""
    draw, number = random.Random(chance), 0
    for tenant, dollars in TENANTS.items():
        for quarter in range(days * 4):
            number += 1
            at = NOW - timedelta(hours=6 * quarter + 0.5)
            part = 0.4 if at.weekday() >= 5 else 1.0
            spent = dollars / 4 * part * draw.lognormvariate(0, 0.25)
            yield costing(number, spent, 6 * quarter + 0.5, tenant=tenant, feature="chat")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("forecasts")
    world = World(f"sqlite:///{folder}/ledger.db")
    # Eleven days before a month's end.
    world.clock.now = NOW - timedelta(days=11)
    world.record(*(call for call in past() if call.started_at < world.clock.nanoseconds()))
    limits = (
        Limit("tight", "usd", 250 * NANO, MONTH, per=("tenant",)),
        Limit("ample", "usd", 5_000 * NANO, MONTH, per=("tenant",)),
        Limit("daily", "requests", 1000, Window("day", "Europe/Berlin")),
        Limit("rate", "requests", 1000, Window("minute")),
    )
    world.policies.set(Policy("tests", limits), author="tests", reason="a test")
    Evaluators((world.insight.forecasts.evaluator(),), world.insight.evaluations, world.clock.nanoseconds).tick()
    yield world
    world.close()


def test_the_total_and_every_tenant_have_a_day_a_week_and_a_month(world: World) -> None:
    found = world.insight.forecasts.published.latest()
    assert found.at == world.clock.nanoseconds()
    scopes = [(dict(one.scope), one.horizon) for one in found.forecasts if one.limit is None]
    assert [horizon for scope, horizon in scopes if not scope] == ["day", "week", "month"]
    assert {scope["tenant"] for scope, _ in scopes if "tenant" in scope} == set(TENANTS)
    assert {scope["feature"] for scope, _ in scopes if "feature" in scope} == {"chat"}


def test_what_came_is_about_what_was_foreseen(world: World) -> None:
    """The month's truth is known to who made it."""
    end = NOW.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    begin = end - timedelta(days=31)
    for one in world.insight.forecasts.published.latest().forecasts:
        if one.limit is None and one.horizon == "month" and one.scope.keys() <= {"tenant"}:
            ours = [call for call in past() if not one.scope or call.tags["tenant"] == one.scope["tenant"]]
            nanos = (call.started_at for call in ours)
            assert min(nanos) < one.start == int(begin.timestamp()) * NANO
            known = sum(call.cost.nano_usd for call in ours if call.cost and one.start <= call.started_at < one.at)
            assert one.spent == known
            rest = sum(call.cost.nano_usd for call in ours if call.cost and one.at <= call.started_at)
            # The last nine hours and a half of the month are not made up.
            actual = known + rest * (11 + 9.5 / 24) / 11
            assert one.low is not None
            assert one.middle is not None
            assert one.high is not None
            assert one.spent <= one.low <= one.middle <= one.high
            assert abs(one.middle / actual - 1) < 0.12
            assert one.reason is None
            assert one.error is not None
            assert {level for level, _, _ in one.coverage_of_all} == {80, 95}
            assert one.band[-1] == [one.end, one.low, one.middle, one.high]


def test_a_budget_that_will_not_last_is_told_of_and_others_are_not(world: World) -> None:
    found = list(forecast_findings(world.insight.forecasts.published)(world.clock.nanoseconds()))
    assert [(one.subject, dict(one.scope)) for one in found] == [("tight", {"tenant": "acme"})]
    facts = found[0].facts
    assert facts["probability"] > 0.8
    assert facts["used"] < facts["amount"] < facts["forecast"]
    early, median, late = (facts[f"exhausted{when}"] for when in ("_early", "", "_late"))
    assert world.clock.nanoseconds() < early <= median
    assert late is None or median <= late < found[0].period_end


def test_how_a_limit_stands_says_where_it_will_end(world: World) -> None:
    uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, world.clock.nanoseconds).all()
    (acme,) = (use for use in uses if use.limit.name == "ample" and use.scope == {"tenant": "acme"})
    facts = foreseen(world.insight.forecasts.published, acme)
    assert facts["forecast_low"] <= facts["forecast"] <= facts["forecast_high"]
    assert facts["exhausted"] is None
    assert facts["probability"] < 0.05


def test_a_limit_of_a_day_has_its_own_zone_and_hours(world: World) -> None:
    (daily,) = (one for one in world.insight.forecasts.published.latest().forecasts if one.limit == "daily")
    assert (daily.zone, daily.horizon, daily.measure, daily.amount) == ("Europe/Berlin", "day", "requests", 1000)
    assert daily.start == int(NOW.replace(day=19, hour=23, minute=0, second=0, microsecond=0).timestamp()) * NANO
    # Four tenants call at 3, 9, 15 and 21 o'clock of Berlin, and it is half past three: within an hour, use is even.
    assert daily.spent == 12
    assert 16 <= (daily.middle or 0) <= 18
    assert daily.standings[0][0] in ("days before", "pace", "days before and pace")
