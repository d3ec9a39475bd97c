"""What models cost, all of them at a glance, and what a price would change before anybody sets it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sidecar.api.world import NOW, World, make_call, unpriced

BY: dict[str, Any] = {"author": "ada", "reason": "the contract says so"}


def models(world: World, **query: Any) -> Any:
    answer = world.client("read").get("/api/v1/prices/models", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def preview(world: World, status: int = 200, **wanted: Any) -> Any:
    answer = world.client("read").post("/api/v1/prices/preview", json=wanted)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_was_called_comes_first_then_the_catalogue(world: World) -> None:
    world.record(make_call(1), make_call(2), unpriced(3, provider="vllm"), make_call(4, at=NOW - timedelta(days=90)))
    found = models(world, limit=3)
    first, second, _ = found["models"]
    assert (first["provider"], first["model"], first["source"], first["calls"]) == ("openai", "gpt-4o", "catalog", 2)
    assert (first["cost"], first["cost_nano_usd"]) == (0.007, 7_000_000)
    assert first["bands"][0]["unit_prices"]["input"] == "0.0000025"
    assert (second["model"], second["source"], second["cost"], second["bands"]) == ("acme-tuned", None, None, [])
    assert second["reason"] == "in no price list"
    assert found["total"] > 2000 and found["next_cursor"] == "3"
    assert models(world, limit=3, cursor="3")["models"][0]["calls"] == 0


def test_models_are_found_by_words_and_by_whose_price_it_is(sqlite_world: World) -> None:
    sqlite_world.prices.add("price", {"provider": "vllm", "model": "llama-3*", "input": 1, "output": 2}, **BY)
    sqlite_world.prices.add("discount", {"provider": "mistral_ai", "percent": 10}, **BY)
    sqlite_world.clock.now += timedelta(minutes=1)
    found = models(sqlite_world, search="MINI gpt-4o", provider="openai")
    assert found["total"] == len(found["models"])
    assert all("gpt-4o" in one["model"] and "mini" in one["model"] for one in found["models"])
    (own,) = models(sqlite_world, source="own")["models"]
    assert (own["model"], own["rows"][0]["row"], own["valid_from"]) == (
        "llama-3*",
        1,
        NOW.isoformat().replace("+00:00", "Z"),
    )
    contract = models(sqlite_world, source="contract")
    assert contract["total"] is None and {one["provider"] for one in contract["models"]} == {"mistral_ai"}
    refused = sqlite_world.client("read").get("/api/v1/prices/models", params={"cursor": "x"})
    assert refused.status_code == 422 and refused.json()["error"]["field"] == "cursor"


def test_what_is_searched_for_comes_before_what_only_contains_it(world: World) -> None:
    world.record(make_call(1, request_model="gpt-4o-mini", response_model="gpt-4o-mini"))
    found = models(world, search="GPT-4o")["models"]
    names = [one["model"] for one in found]
    own = names.count("gpt-4o")
    assert {*names[:own]} == {"gpt-4o"} and names[own] == "gpt-4o-mini" and found[own]["calls"] == 1
    assert found[0]["provider"] == "openai" and found[0]["source"], "one that has a price"
    rest = found[own + 1 :]
    ranks = [(one["source"] is None, not one["model"].startswith("gpt-4o")) for one in rest]
    assert ranks == sorted(ranks) and len({*ranks}) > 2
    assert models(world, search="openai gpt-4o")["models"][0]["model"] == "gpt-4o"


def test_a_model_of_the_catalogue_says_since_when_it_costs_that(sqlite_world: World) -> None:
    (found,) = models(sqlite_world, provider="anthropic", search="claude-sonnet-4-6")["models"]
    assert found["valid_from"] == "2026-03-13T00:00:00Z"


def test_a_preview_prices_calls_as_if_and_writes_nothing(world: World) -> None:
    world.record(make_call(1), make_call(2, at=NOW - timedelta(days=2), tags={"tenant": "b"}), unpriced(3))
    found = preview(world, provider="openai", model="gpt-4o", input="5.00", output="20")
    assert found["content"] == {"provider": "openai", "model": "gpt-4o", "input": "5", "output": "20"}
    # The third was asked of gpt-4o too, and another model has answered.
    assert (found["total"]["changed_calls"], found["total"]["old_unpriced_calls"]) == (3, 1)
    assert {change["tenant"]: change["delta"] for change in found["changes"] if change["model"] == "gpt-4o"} == {
        "acme": 0.0035, "b": 0.0035,
    }  # fmt: skip
    later = preview(world, model="gpt-4o", input=5, output=20, valid_from=(NOW - timedelta(days=1)).isoformat())
    assert later["total"]["changed_calls"] == 2
    assert world.prices.revision() == 0
    assert preview(world, model="gpt-4o", input=5, with_calls=False)["total"] is None
    same = preview(world, model="nobody-*", input=5)
    assert (same["total"], same["changes"]) == (None, [])


def test_a_preview_of_a_row_that_is_there_and_of_what_is_wrong(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1))
    row = sqlite_world.prices.add("price", {"model": "gpt-4o", "input": "2.5", "output": "10"}, **BY).row
    found = preview(sqlite_world, row=row, output="20")
    assert Decimal(str(found["total"]["delta"])) == Decimal("0.001")
    discount = preview(sqlite_world, kind="discount", provider="openai", tenant="acme", percent="50")
    assert discount["total"]["new_cost"] == 0.00175
    assert preview(sqlite_world, 404, row=99, input="1")["error"]["field"] == "row"
    assert preview(sqlite_world, 422, model="gpt-4o")["error"]["expected"] == "at least one price, or free = true"
