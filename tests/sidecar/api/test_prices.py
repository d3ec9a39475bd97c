"""What the API tells of prices: what is in force, just as calls are priced, and what has none."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.world import NOW, World, unpriced
from tollkeeper.model import Call, Usage
from tollkeeper.pricing.price_file import moment_text
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.storage.prices.pricer import Pricer

BY: dict[str, Any] = {"author": "ada", "reason": "the contract says so"}
MINI = {"provider": "openai", "model": "gpt-4o-mini"}


def get(world: World, path: str, **query: Any) -> Any:
    answer = world.client("read").get(f"/api/v1/prices/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_models_without_a_price_are_told_with_when_and_why(world: World) -> None:
    first, last = NOW - timedelta(days=3, microseconds=5), NOW - timedelta(hours=2)
    seen = {1: last, 2: first, 3: NOW - timedelta(days=40)}
    world.record(*(unpriced(number, at=at, provider="vllm") for number, at in seen.items()))
    world.record(unpriced(4, at=first, provider="vllm", response_model="priced-since"))
    world.prices.add("price", {"model": "priced-since", "input": 1, "output": 2, "valid_from": "2026-01-01"}, **BY)
    models = get(world, "unpriced")["models"]
    assert models == [
        {
            "provider": "vllm", "model": "acme-tuned", "calls": 2, "tokens": 2200, "reason": "in no price list",
            "first_seen": moment_text(nanoseconds(first)), "last_seen": moment_text(nanoseconds(last)), "near": None,
        },
        {
            "provider": "vllm", "model": "priced-since", "calls": 1, "tokens": 1100, "reason": None,
            "first_seen": moment_text(nanoseconds(first)), "last_seen": moment_text(nanoseconds(first)), "near": None,
        },
    ]  # fmt: skip


def test_a_price_of_the_catalogue(sqlite_world: World) -> None:
    found = get(sqlite_world, "effective", **MINI)
    assert (found["source"], found["version"]) == ("catalog", Pricer(sqlite_world.prices).catalog_version)
    assert (found["at"], found["free"], found["rows"]) == ("2026-03-31T14:30:15.250000Z", False, [])
    ((above, prices),) = (band.values() for band in found["bands"])
    assert above == 0
    assert prices["input"] == "0.00000015" and prices["cache_read"] == "0.000000075"
    assert prices["output"] == prices["reasoning"] == "0.0000006"


def test_a_price_that_rises_with_the_input(sqlite_world: World) -> None:
    found = get(sqlite_world, "effective", provider="gcp.gemini", model="gemini-2.5-pro")
    assert [band["above_input_tokens"] for band in found["bands"]] == [0, 200_000]
    low, high = (Decimal(band["unit_prices"]["input"]) for band in found["bands"])
    assert high > low


def test_a_price_of_the_book_from_its_first_moment_on(world: World) -> None:
    start = NOW + timedelta(days=1)
    fields = {**MINI, "input": "0.1", "output": "0.2", "valid_from": start.isoformat()}
    made = world.prices.add("price", fields, **BY)
    before, after = (
        get(world, "effective", **MINI, at=at.isoformat()) for at in (start - timedelta(microseconds=1), start)
    )
    assert before["source"] == "catalog"
    assert (after["source"], after["version"]) == ("overlay", made.name)
    assert after["bands"][0]["unit_prices"]["input"] == "0.0000001"
    assert [(row["row"], row["version"], row["author"]) for row in after["rows"]] == [(made.row, made.id, "ada")]


def test_an_alias_and_a_tenants_discount_are_named(world: World) -> None:
    alias = world.prices.add("alias", {"provider": "azure.ai.openai", "model": "team-*", "is": "gpt-4o-mini"}, **BY)
    discount = world.prices.add("discount", {"tenant": "acme", "percent": 20}, **BY)
    world.clock.now += timedelta(minutes=1)
    asked = {"provider": "azure.ai.openai", "model": "team-a"}
    ours = get(world, "effective", **asked, tenant="acme")
    assert ours["version"].split(", ")[1:] == [discount.name, alias.name]
    assert {row["kind"] for row in ours["rows"]} == {"discount", "alias"}
    theirs = get(world, "effective", **asked, tenant="globex")
    assert {row["kind"] for row in theirs["rows"]} == {"alias"}
    prices = [Decimal(one["bands"][0]["unit_prices"]["input"]) for one in (ours, theirs)]
    assert prices[0] == prices[1] * Decimal("0.8")


def test_it_is_what_a_call_at_that_moment_is_billed(world: World) -> None:
    world.prices.add("discount", {"provider": "openai", "percent": "12.5"}, **BY)
    world.clock.now += timedelta(minutes=1)
    call = Call(
        id="x", operation="chat", started_at=nanoseconds(world.clock.now), request_model="gpt-4o-mini",
        provider="openai", usage=Usage(input_tokens=1000, output_tokens=10), usage_source="provider",
        price_context={"service_tier": "flex"},
    )  # fmt: skip
    (priced,) = Pricer(world.prices).price([call])
    assert priced.cost is not None
    found = get(world, "effective", **MINI, context="service_tier=flex")
    assert found["version"] == priced.cost.price_version
    prices = found["bands"][0]["unit_prices"]
    assert all(Decimal(prices[item.meter]) == item.unit_price for item in priced.cost.items)


def test_what_costs_nothing_is_said_to(sqlite_world: World) -> None:
    mine = get(sqlite_world, "effective", provider="ollama", model="llama3.2", address="127.0.0.1")
    assert (mine["free"], mine["version"]) == (True, "self-hosted")


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"provider": "vllm", "model": "acme-7b"}, 404, "acme-7b has no price at 2026-03-31T14:30:15.250000+00:00"),
        ({**MINI, "context": "service_tier=warp"}, 404, "no price of gpt-4o-mini for service_tier=warp"),
        ({**MINI, "context": "flex"}, 422, "expected NAME=VALUE, such as service_tier=flex"),
        ({**MINI, "at": "soon"}, 422, "at is 'soon'"),
        ({"provider": "openai"}, 422, "model is missing"),
        ({**MINI, "tenent": "acme"}, 422, "did you mean 'tenant'?"),
    ],
)  # fmt: skip
def test_where_there_is_none_it_says_why(sqlite_world: World, query: dict[str, str], status: int, told: str) -> None:
    answer = sqlite_world.client("read").get("/api/v1/prices/effective", params=query)
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
