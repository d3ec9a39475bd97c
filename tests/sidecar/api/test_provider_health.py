"""How providers do, by the API, and what is expected of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.serving import serving
from sidecar.api.world import NOW, World, failed, make_call
from tollkeeper import Client
from tollkeeper.client import Invalid, NotFound
from tollkeeper.sidecar.insight.evaluators import Evaluators


def evaluate(world: World) -> None:
    Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()


def quick(number: int, **fields: Any) -> Any:
    return make_call(
        number, provider="groq", request_model="llama", response_model="llama", duration=0.1, **fields
    )  # fmt: skip


def test_before_the_first_evaluation_nothing_is_known(sqlite_world: World) -> None:
    body = sqlite_world.client("read").get("/api/v1/providers/health").json()
    assert (body["evaluated_at"], body["providers"], body["budgets"]) == (None, [], [])
    assert sqlite_world.client("read").get("/api/v1/providers/comparison").json()["models"] == []


def test_apps_are_not_told_what_was_found_long_ago(sqlite_world: World) -> None:
    sqlite_world.record(*(failed(number) for number in range(30)))
    evaluate(sqlite_world)
    apps = sqlite_world.client("read")
    told = apps.get("/api/v1/providers/recent")
    assert [one["calls"] for one in told.json()["models"]] == [30]
    sqlite_world.clock.now += timedelta(minutes=6)
    for known in ({}, {"If-None-Match": told.headers["ETag"]}):
        assert apps.get("/api/v1/providers/recent", headers=known).json() == {"evaluated_at": None, "models": []}


def test_health_is_of_providers_models_and_tiers(world: World) -> None:
    world.record(*(make_call(number, service_tier="default") for number in range(3)), failed(3), quick(4))
    evaluate(world)
    body = world.client("read").get("/api/v1/providers/health", params={"window": "24h"}).json()
    openai, groq = body["providers"]
    assert (openai["provider"], openai["calls"], openai["success_rate"], openai["faults"]) == (
        "openai", 4, 0.75, {"429": 1},
    )  # fmt: skip
    assert openai["errors"] == [{"status": 429, "error": "RateLimitError", "fault": "429", "calls": 1}]
    assert openai["cost"] == 0.0105 and openai["cost_nano_usd"] == 10_500_000
    assert openai["cost_per_answer"] == 0.0035
    assert (groq["provider"], groq["latency"]["calls"], groq["first_chunk"]["p50"]) == ("groq", 1, None)
    assert [(one["model"], one["tier"]) for one in body["tiers"]] == [("gpt-4o", "default")]
    assert [one["provider"] for one in body["budgets"]] == ["groq", "openai"]
    only = world.client("read").get("/api/v1/providers/health", params={"provider": "groq"}).json()
    assert {one["provider"] for level in ("providers", "models", "budgets") for one in only[level]} == {"groq"}


def test_providers_are_compared_with_each_other_and_with_what_is_expected(sqlite_world: World) -> None:
    world = sqlite_world
    world.record(*(make_call(number) for number in range(31)), *(quick(number) for number in range(100, 130)))
    evaluate(world)
    with serving(world.app) as url, Client(url, world.key("admin")) as client:
        client.set_benchmark("openai", "latency_p50", "0.25", source="measured in March")
        client.set_benchmark("openai", "success_rate", Decimal("0.99"), source="contract")
        client.set_benchmark("openai", "usd_per_answer", 1, source="a guess", model="gpt-4o")
        openai, _ = client.provider_comparison(window="24h").providers
        of = {one.measure: one for one in openai.measures}
        assert of["latency_p50"].best == "groq"
        assert of["latency_p50"].of_best == pytest.approx(5, rel=0.07)
        assert of["latency_p50"].verdict == "worse"
        assert of["latency_p50"].source == "measured in March"
        # 31 of 31 were answered; that may be 89 % as well, with 95 % confidence.
        assert of["success_rate"].verdict == "as_said"
        assert (of["usd_per_answer"].benchmark, of["usd_per_answer"].verdict) == (None, "unknown")
        model = next(one for one in client.provider_comparison(window="24h").models if one.provider == "openai")
        assert {one.measure: one.verdict for one in model.measures}["usd_per_answer"] == "better"


def test_benchmarks_are_set_changed_and_removed_and_audited(sqlite_world: World) -> None:
    world = sqlite_world
    with serving(world.app) as url, Client(url, world.key("admin")) as client:
        assert client.benchmarks().benchmarks == []
        made = client.set_benchmark("openai", "latency_p95", "2.5", model="a/b", source="their page", reason="new")
        assert (made.model, made.value, made.author) == ("a/b", Decimal("2.5"), "a test")
        client.set_benchmark("openai", "latency_p95", 3, model="a/b", source="their page")
        assert [one.value for one in client.benchmarks().benchmarks] == [3]
        assert client.remove_benchmark("openai", "latency_p95", model="a/b").value == 3
        with pytest.raises(NotFound):
            client.remove_benchmark("openai", "latency_p95", model="a/b")
        for measure, value in (
            ("success_rate", 1),
            ("success_rate", 0),
            ("rate_limited_share", 2),
            ("latency_p50", -1),
        ):
            with pytest.raises(Invalid, match="expected|greater"):
                client.set_benchmark("openai", measure, value, source="x")  # type: ignore[arg-type]
    entries, _ = world.audit.entries()
    trail = [(one.action, one.object_id) for one in reversed(entries) if one.kind == "benchmark"]
    assert trail == [(action, "openai/a/b/latency_p95") for action in ("create", "change", "remove")]


def test_only_admins_say_what_is_expected(sqlite_world: World) -> None:
    body = {"provider": "openai", "measure": "latency_p50", "value": 1, "source": "me"}
    assert sqlite_world.client("write").put("/api/v1/benchmarks", json=body).status_code == 403


def test_a_week_is_more_than_a_day(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1, at=NOW - timedelta(days=3)))
    evaluate(sqlite_world)
    client = sqlite_world.client("read")
    calls = {
        window: sum(one["calls"] for one in client.get(f"/api/v1/providers/health?window={window}").json()["providers"])
        for window in ("1h", "24h", "7d")
    }
    assert calls == {"1h": 0, "24h": 0, "7d": 1}
