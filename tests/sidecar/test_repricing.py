"""Pricing a past period again: a plan that writes nothing, and corrections that are written once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import text

from pricing.calls import at
from sidecar.priced import ALWAYS, BY, NOVEMBER, USD, World
from tollkeeper.model import Cost
from tollkeeper.sidecar.repricing import Change, Period, PlanOutdated
from tollkeeper.storage.audit import AuditQuery


def test_a_plan_says_what_would_change_and_writes_nothing(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    for number in range(5):
        world.record(number, tags={"tenant": "a" if number < 3 else "b"})
    world.record(5, "other")
    world.book.change(1, {"input": 3, "valid_from": "2026-11-02T01:00:00Z"}, **BY)
    world.book.add("price", {"model": "other", "input": 10, **ALWAYS}, **BY)
    plan = world.repricer.plan(NOVEMBER)
    assert plan.changes == (
        Change("vllm", "other", "", 1, 1, 0, 10 * USD, 1, 0),
        Change("vllm", "acme-1", "a", 3, 2, 6 * USD, 8 * USD),
        Change("vllm", "acme-1", "b", 2, 2, 4 * USD, 6 * USD),
    )
    assert plan.total == Change("", "", "", 6, 5, 10 * USD, 24 * USD, 1, 0)
    assert plan.total.delta_nano_usd == 14 * USD
    assert plan.revision == 3
    assert world.spent() == (10 * USD, 1)
    assert world.audit.entries(AuditQuery(kind="period"))[0] == []
    assert world.repricer.plan(NOVEMBER).id == plan.id
    only = world.repricer.plan(NOVEMBER._replace(filters={"tenant": ("b",)}))
    assert [change.tenant for change in only.changes] == ["b"]
    assert only.id != plan.id


def test_applying_twice_changes_nothing_more(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    calls = [world.record(number) for number in range(6)]
    before = world.ledger.call(calls[0].id)[0]
    world.book.change(1, {"input": "2.5", **ALWAYS}, **BY)
    plan = world.repricer.plan(NOVEMBER)
    done = world.repricer.apply(NOVEMBER, **BY, plan_id=plan.id)
    assert (done.plan, done.adjusted) == (plan, 6)
    assert world.spent() == (15 * USD, 0)
    again = world.repricer.apply(NOVEMBER, **BY)
    assert (again.adjusted, again.plan.changes) == (0, ())
    assert world.spent() == (15 * USD, 0)
    (entry,) = world.audit.entries(AuditQuery(kind="period"))[0]
    assert (entry.action, entry.object_id, entry.author) == ("reprice", plan.id, "ada")
    assert (entry.before["nano_usd"], entry.after["nano_usd"], entry.after["calls"]) == (12 * USD, 15 * USD, 6)
    # The row itself is as it was written.
    with world.database.read() as connection:
        kept = connection.execute(text("SELECT nano_usd, price_version FROM calls WHERE id = :id"), {"id": calls[0].id})
        assert tuple(kept.one()) == (2 * USD, "price 1")
    assert before["price_version"] == "price 1"
    (adjustment,) = world.ledger.call(calls[0].id)[0]["adjustments"]
    assert (adjustment["old_price_version"], adjustment["new_price_version"]) == ("price 1", "price 2")


def test_a_price_that_is_taken_back_is_one_more_correction(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    world.record(1)
    for amount, spent in ((3, 3), (2, 2), (3, 3)):
        world.book.change(1, {"input": amount, **ALWAYS}, **BY)
        assert world.repricer.apply(NOVEMBER, **BY).adjusted == 1
        assert world.spent() == (spent * USD, 0)
    world.book.withdraw(1, **BY, at=at(2026, 1, 1))
    assert world.repricer.apply(NOVEMBER, **BY).adjusted == 1
    assert world.spent() == (0, 1), "no price is not a price of zero"
    assert world.repricer.apply(NOVEMBER, **BY).adjusted == 0


def test_a_tenants_discount_can_be_given_later(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    world.record(1, tags={"tenant": "acme"})
    world.record(2, tags={"tenant": "other"})
    world.book.add("discount", {"tenant": "acme", "percent": 25, **ALWAYS}, **BY)
    done = world.repricer.apply(NOVEMBER, **BY)
    assert done.plan.changes == (Change("vllm", "acme-1", "acme", 1, 1, 2 * USD, USD * 3 // 2),)
    assert world.spent() == (USD * 7 // 2, 0)


def test_what_the_provider_or_the_app_has_said_stays(world: World) -> None:
    world.record(1, provider_cost=Decimal("0.7"))
    world.record(2, "of-the-app", cost=Cost(Decimal("0.1"), "overlay", (), "file"))
    assert world.repricer.plan(NOVEMBER).changes == ()
    world.book.add("price", {"input": 2, **ALWAYS}, **BY)
    assert [change.model for change in world.repricer.plan(NOVEMBER).changes] == ["of-the-app"]


def test_a_plan_of_other_prices_is_not_applied(world: World) -> None:
    world.book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    world.record(1)
    world.book.change(1, {"input": 3, **ALWAYS}, **BY)
    plan = world.repricer.plan(NOVEMBER)
    world.book.change(1, {"input": 4, **ALWAYS}, **BY)
    with pytest.raises(PlanOutdated, match="look at that one"):
        world.repricer.apply(NOVEMBER, **BY, plan_id=plan.id)
    assert world.spent() == (2 * USD, 0)
    with pytest.raises(ValueError, match="expected a moment after start"):
        world.repricer.plan(Period(5, 5))
    with pytest.raises(ValueError, match="expected texts that are not empty"):
        world.repricer.apply(NOVEMBER, author=" ", reason="")
