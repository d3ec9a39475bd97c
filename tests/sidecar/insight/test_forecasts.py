"""Forecasts from a real ledger: of whatever spends, of every long limit, and what people are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sidecar.api.world import NOW, World
from sidecar.insight.spenders import NANO, TENANTS, past, world_in
from tollkeeper.alerting.channel import Channel
from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.forecast.published import Published
from tollkeeper.model.alert import Alert, Notification
from tollkeeper.sidecar.api.answer import moment
from tollkeeper.sidecar.insight.forecast_findings import forecast_findings, foreseen
from tollkeeper.sidecar.insight.forecasts import ForecastEvaluator
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.storage.insight.anomalies import AnomalyQuery, Found
from tollkeeper.storage.insight.forecasts import budget_of
from tollkeeper.storage.ledger import Adjustment


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world_in(tmp_path_factory.mktemp("forecasts"))
    yield made
    made.close()


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


def month_of(world: World, **scope: str) -> Published:
    """As it would be found now."""
    found = world.insight.forecasts.forecasts(world.clock.nanoseconds())
    (one,) = (each for each in found if each.limit is None and each.horizon == "month" and each.scope == scope)
    return one


def test_prices_that_are_scheduled_are_in_it(world: World) -> None:
    """Three times today's price, from midnight before the 26th on: six of the days that are left."""
    before = month_of(world, tenant="acme")
    row = {"provider": "openai", "model": "gpt-4o", "input": "7.5", "output": 30, "valid_from": "2026-03-26"}
    world.prices.add("price", row, author="tests", reason="a test")
    after = month_of(world, tenant="acme")
    assert [(moment(at).isoformat(), factor) for at, factor in after.price_changes] == [
        ("2026-03-26T00:00:00+00:00", 3.0)
    ]
    assert after.band[5] == before.band[5]
    added = [
        ((now or 0) - (then or 0)) / (was - then_was)
        for (_, _, now, _), (_, _, then, _), (_, _, was, _), (_, _, then_was, _) in zip(
            after.band[6:], after.band[5:], before.band[6:], before.band[5:], strict=False
        )
        if was is not None and then_was is not None
    ]
    assert added == pytest.approx([3.0] * 6, rel=1e-6)
    assert before.price_changes == []


def test_days_of_real_anomalies_teach_nothing(world: World) -> None:
    before = month_of(world, tenant="globex")
    day = 86_400 * 10**9
    start = before.start + 10 * day
    found = Anomaly("spike", "spend", {"tenant": "globex"}, "day", start, start + day, 9, 1, 0, 2, 9, 8, "warning")
    world.insight.anomalies.remember([Found(found)], world.clock.nanoseconds())
    assert month_of(world, tenant="globex").standings == before.standings
    (kept,) = world.insight.anomalies.anomalies(AnomalyQuery(metric="spend"))
    world.insight.anomalies.label(kept.id, "real", author="tests")
    after = month_of(world, tenant="globex")
    assert after.spent == before.spent
    assert after.standings != before.standings


def test_what_was_told_goes_on_until_it_is_clearly_over(world: World) -> None:
    told = ForecastEvaluator(
        world.ledger, LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, world.clock.nanoseconds),
        world.prices, world.insight.forecasts.published,
    )  # fmt: skip
    known = world.insight.forecasts.published.latest()
    (one,) = (each for each in known.forecasts if each.foreseen)
    for exceeds, was, told_now in ((0.79, False, False), (0.8, False, True), (0.61, True, True), (0.59, True, False)):
        before = {budget_of("tight", one.scope, one.start): one._replace(foreseen=was)}
        assert told.judged(one._replace(exceeds=exceeds), before).foreseen is told_now, exceeds
    assert told.judged(one._replace(exceeds=None), {}).foreseen is one.foreseen


def test_people_are_told_in_words(world: World) -> None:
    (finding,) = forecast_findings(world.insight.forecasts.published)(world.clock.nanoseconds())
    alert = Alert("a-1", finding, world.clock.nanoseconds(), world.clock.nanoseconds())
    told = message_of(Notification("n-1", "ops", "fired", alert, 0), Channel("ops", "webhook", "https://example.com"))
    assert told.title == "Critical: tight will not last for tenant acme"
    assert "Limit tight for tenant acme is expected to be used up before its period ends (100 % probable)." in told.body
    assert re.search(r"Used up: about 2026-03-2\d \d\d:\d\d UTC, at the earliest 2026-03-2\d", told.body)
    assert re.search(r"Forecast for the end of the period: \$\d+\.\d\d \(80 of 100 times between \$", told.body)


def test_a_day_that_corrections_left_below_zero_holds_up_nothing(world: World) -> None:
    long_ago = world.clock.nanoseconds() - 40 * 86_400 * NANO
    call = next(call for call in past() if call.started_at < long_ago and call.tags["tenant"] == "acme")
    before = len(world.insight.forecasts.published.latest().forecasts)
    assert world.ledger.adjust("odd", [Adjustment(call.id, call.attempt, -(10**13))], "ada", "a test") == 1
    found = world.insight.forecasts.forecasts(world.clock.nanoseconds())
    assert len(found) == before
    assert all(one.middle is None or one.middle >= 0 for one in found)
