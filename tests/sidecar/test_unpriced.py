"""Models without a price, from the ledger."""

from __future__ import annotations

from pricing.calls import MILLION, at
from sidecar.priced import ALWAYS, BY, NOVEMBER, World
from tollkeeper.sidecar.unpriced import UnpricedModel, unpriced_models
from tollkeeper.storage.prices.pricer import Pricer


def test_models_without_a_price_are_listed_with_why(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    world.record(0, "acme-1")
    for number in range(1, 4):
        world.record(number, "lost", started_at=at(2026, 11, 2 * number, 3, 4, 5))
    world.record(4, "half", started_at=at(2026, 11, 9))
    world.record(5, "lost", started_at=at(2026, 12, 1))
    pricer, no_list = Pricer(world.book), "in no price list"
    found = unpriced_models(world.ledger, pricer, NOVEMBER.start, NOVEMBER.end)
    assert found == [
        UnpricedModel("vllm", "lost", 3, 3 * MILLION, at(2026, 11, 2, 3, 4, 5), at(2026, 11, 6, 3, 4, 5), no_list),
        UnpricedModel("vllm", "half", 1, MILLION, at(2026, 11, 9), at(2026, 11, 9), no_list),
    ]
    assert unpriced_models(world.ledger, pricer, NOVEMBER.start, NOVEMBER.end, limit=1) == found[:1]
    world.book.add("price", {"model": "half", "output": 2, **ALWAYS}, **BY)
    world.book.add("price", {"model": "lost", "input": 2, **ALWAYS}, **BY)
    reasons = {one.model: one.reason for one in unpriced_models(world.ledger, pricer, NOVEMBER.start, NOVEMBER.end)}
    assert reasons == {"lost": None, "half": "no price for input"}
    world.repricer.apply(NOVEMBER, **BY)
    assert [one.model for one in unpriced_models(world.ledger, pricer, NOVEMBER.start, NOVEMBER.end)] == ["half"]
