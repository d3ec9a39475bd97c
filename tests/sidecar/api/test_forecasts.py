"""Forecasts as they are asked for: over HTTP, by the typed client, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

import tollkeeper
from cli.telling import Tell
from sidecar.api.world import World
from sidecar.insight.spenders import TENANTS, world_in
from tollkeeper.sidecar.forecast_gauges import limit_samples_of, spend_samples
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.telemetry import sidecar_metrics as names


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world_in(tmp_path_factory.mktemp("forecasts"))
    yield made
    made.close()


def test_before_anybody_has_looked(tmp_path) -> None:
    empty = World(f"sqlite:///{tmp_path}/ledger.db")
    assert empty.client("read").get("/api/v1/forecasts").json() == {"at": None, "forecasts": []}
    empty.close()


def test_of_the_total_there_are_three_and_others_are_asked_for(world: World) -> None:
    client = world.client("read")
    found = client.get("/api/v1/forecasts").json()
    assert found["at"] == "2026-03-20T14:30:15.250000Z"
    assert {one["horizon"] for one in found["forecasts"]} == {"day", "week", "month"}
    assert all(one["scope"] == {} and one["subject"] is None for one in found["forecasts"])
    by_tenant = client.get("/api/v1/forecasts?by=tenant&horizon=month").json()["forecasts"]
    assert [one["scope"]["tenant"] for one in by_tenant] == sorted(TENANTS, key=lambda name: -TENANTS[name])
    (acme,) = client.get("/api/v1/forecasts?tenant=acme&horizon=month").json()["forecasts"]
    assert acme == by_tenant[0]
    assert len(client.get("/api/v1/forecasts?by=tenant&by=total&most=2").json()["forecasts"]) == 2
    assert client.get("/api/v1/forecasts?tenant=nobody").json()["forecasts"] == []


def test_a_forecast_says_what_it_rests_on(world: World) -> None:
    (one,) = world.client("read").get("/api/v1/forecasts?horizon=month").json()["forecasts"]
    assert one["used"] <= one["low"] <= one["forecast"] <= one["high"]
    assert len(one["band"]) == one["days_left"] == 12
    assert one["band"][-1]["at"] == one["period_end"] == "2026-04-01T00:00:00Z"
    assert one["band"][-1]["high"] == one["high"]
    assert one["method"] == one["contest"][0]["method"]
    assert sum(each["weight"] for each in one["contest"]) == pytest.approx(1, abs=0.001)
    assert 0 < one["error"] < 0.2
    assert [each["level"] for each in one["coverage_of_all"]] == [80, 95]
    assert (one["reason"], one["amount"], one["probability"], one["exhausted"]) == (None, None, None, None)


def test_budgets_come_the_most_endangered_first(world: World) -> None:
    client = world.client("read")
    first, *others = client.get("/api/v1/forecasts?by=limit").json()["forecasts"]
    assert (first["subject"], first["scope"], first["told"]) == ("tight", {"tenant": "acme"}, True)
    assert first["exhausted"]["early"] <= first["exhausted"]["median"] < first["period_end"]
    assert not any(one["told"] for one in others)
    assert {one["subject"] for one in client.get("/api/v1/forecasts?subject=daily").json()["forecasts"]} == {"daily"}


def test_who_may_ask_and_what_is_refused(world: World) -> None:
    assert world.client().get("/api/v1/forecasts").status_code == 401
    refused = world.client("read").get("/api/v1/forecasts?horizon=year&most=0")
    assert refused.status_code == 422
    assert {refused.json()["error"]["field"], *(one["field"] for one in refused.json()["others"])} == {
        "horizon",
        "most",
    }


def test_the_typed_client(world: World, url: str) -> None:
    with tollkeeper.Client(url, world.key("read")) as client:
        (one,) = client.forecasts(subject="tight", tenant="acme").forecasts
    assert isinstance(one.forecast, Decimal)
    assert one.exhausted is not None
    assert one.exhausted.median is not None
    assert one.period_start < one.exhausted.median < one.period_end
    assert one.amount == 250


def test_at_a_terminal(tell: Tell) -> None:
    said = tell("forecast")
    assert said.code == 0
    assert "all: month to the end of Tuesday, 31 March (UTC)" in said.out
    assert "80 of 100 times" in said.out
    assert said.out.count("●") == 12
    assert "Fri 20 Mar" in said.out
    lines = tell("forecast", "--by", "tenant", "--horizon", "month").out.splitlines()
    assert [name for line in lines for name in TENANTS if f"tenant {name}" in line] == [
        "acme",
        "globex",
        "umbrella",
        "initech",
    ]
    one = tell("forecast", "--limit", "tight", "--tenant", "acme").out
    assert "It may be        $250.00; exceeded: 100%" in one
    assert "at the earliest 2026-03-2" in one
    assert "│" in one
    assert "There are no such forecasts." in tell("forecast", "--limit", "no-such").out


def test_gauges(world: World) -> None:
    found, now = world.insight.forecasts.published.latest(), world.clock.nanoseconds()
    spent = {tuple(value for _, value in sample.labels): sample.value for sample in spend_samples(found, now)}
    total = [spent["month", "total", "", quantile] for quantile in ("0.1", "0.5", "0.9")]
    assert total == sorted(total)
    assert total[1] > spent["month", "tenant", "acme", "0.5"] > 300
    uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, world.clock.nanoseconds).all()
    (acme,) = (use for use in uses if use.limit.name == "tight" and use.scope == {"tenant": "acme"})
    labels = ("tight", "usd", "month", "hard", "tenant=acme", "acme", "")
    samples = list(limit_samples_of(found, acme, labels, now))
    (probability,) = (sample.value for sample in samples if sample.name == names.LIMIT_EXCEEDED)
    assert probability > 0.9
    cases = [dict(sample.labels)["case"] for sample in samples if sample.name == names.LIMIT_EXHAUSTED]
    assert cases == ["early", "median", "late"]
    hours = 4 * 3600 * 10**9
    assert list(spend_samples(found, now + hours)) == list(limit_samples_of(found, acme, labels, now + hours)) == []
