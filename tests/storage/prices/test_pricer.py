"""Prices at the moment of the call, by the book as it is when the batch comes in."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pricing.calls import MILLION, TODAY, at, call
from tollkeeper.model import Call, Cost, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)
BY: dict[str, Any] = {"author": "ada", "reason": "contract"}
ALWAYS = {"valid_from": "2026-01-01"}


@pytest.fixture
def book(database_url: str) -> Iterator[PriceBook]:
    database = Database(database_url)
    database.migrate()
    book = PriceBook(database)
    yield book
    book.close()
    database.close()


def one(model: str = "acme-1", **fields: Any) -> Call:
    return call("vllm", model, ONE_IN, server_address="gpu.example.com", **fields)


def priced(pricer: Pricer, *calls: Call) -> list[tuple[Any, ...]]:
    return [
        (call.price_status, *((call.cost.usd, call.cost.source, call.cost.price_version) if call.cost else ()))
        for call in pricer.price(calls)
    ]


def test_a_change_is_in_force_with_the_next_batch_of_every_sidecar(book: PriceBook, database_url: str) -> None:
    pricers = [Pricer(book), Pricer(PriceBook(Database(database_url)))]
    for pricer in pricers:
        assert priced(pricer, one()) == [("unpriced",)]
    book.add("price", {"model": "acme-*", "input": 2, "output": 4, **ALWAYS}, **BY)
    for pricer in pricers:
        assert priced(pricer, one()) == [("priced", 2, "overlay", "price 1")]
    book.change(1, {"input": 3, "valid_from": "2026-11-01"}, **BY)
    for pricer in pricers:
        assert priced(pricer, one(), one(started_at=at(2026, 10, 31))) == [
            ("priced", 3, "overlay", "price 2"), ("priced", 2, "overlay", "price 1"),
        ]  # fmt: skip
        assert pricer.revision == 2


def test_the_providers_own_cost_wins(book: PriceBook) -> None:
    book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    named = one(provider_cost=Decimal("0.5"), cost=Cost(Decimal(9), "overlay", (), "app"))
    assert priced(Pricer(book), named) == [("priced", Decimal("0.5"), "provider", None)]


def test_the_apps_cost_is_kept_where_there_is_no_price_here(book: PriceBook) -> None:
    said = Cost(Decimal("1.25"), "overlay", (), "prices of the app")
    pricer = Pricer(book)
    assert priced(pricer, one(cost=said, price_status="priced")) == [
        ("priced", Decimal("1.25"), "app", "prices of the app")
    ]
    assert priced(pricer, one(cost=Cost(Decimal(0), "overlay"), price_status="free")) == [("free", 0, "app", None)]
    book.add("price", {"model": "acme-*", "input": 2, **ALWAYS}, **BY)
    assert priced(pricer, one(cost=said)) == [("priced", 2, "overlay", "price 1")]


def test_a_cost_is_not_kept_where_nobody_knows_what_was_used(book: PriceBook) -> None:
    failed = one(error_type="TimeoutError", usage_source="unknown", cost=Cost(Decimal(1), "catalog"))
    assert priced(Pricer(book), failed) == [(None,)]


def test_a_tenant_pays_its_own_price(book: PriceBook) -> None:
    book.add("price", {"model": "acme-*", "input": "1.00", **ALWAYS}, **BY)
    book.add("discount", {"provider": "vllm", "tenant": "acme", "percent": "12.5", **ALWAYS}, **BY)
    assert priced(Pricer(book), one(), one(tags={"tenant": "acme"}), one(tags={"tenant": "other"})) == [
        ("priced", 1, "overlay", "price 1"),
        ("priced", Decimal("0.875"), "overlay", "price 1, discount 2"),
        ("priced", 1, "overlay", "price 1"),
    ]


def test_why_there_is_no_price_can_be_asked(book: PriceBook) -> None:
    pricer = Pricer(book)
    assert pricer.reason(one()) == "in no price list"
    book.add("price", {"model": "acme-*", "output": 2, **ALWAYS}, **BY)
    pricer.refresh()
    assert pricer.reason(one()) == "no price for input"
    book.change(1, {"input": 1, **ALWAYS}, **BY)
    pricer.refresh()
    assert pricer.reason(one()) is None


def test_nothing_is_priced_by_guess_while_the_book_cannot_be_read(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")  # not migrated: there is no table
    pricer = Pricer(PriceBook(database))
    with pytest.raises(LedgerUnavailable):
        pricer.price([one(started_at=TODAY)])
