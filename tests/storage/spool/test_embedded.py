"""The embedded form: the same ledger, in this process, by way of the same spool."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing.calls import MILLION, TODAY
from storage.spool.shelves import Naps, counted, deliver, quiet_spool, record
from tollkeeper import Call, Cost, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.spool import Batch, Parcel, Refused, Unavailable
from tollkeeper.storage.spool.embedded import LedgerDestination
from tollkeeper.storage.spool.rejected import NAME
from tollkeeper.telemetry.record import encode

EVER = UsageQuery(0, 2**62)
PRICED = {"usage": Usage(7, 5), "usage_source": "provider", "cost": Cost(Decimal("0.000000003"), "catalog")}


def totals(url: str) -> tuple[int, int]:
    """Calls, and nano-dollars."""
    database = Database(url)
    rows = SqlLedger(database).usage(EVER)
    database.close()
    return sum(row.totals.calls for row in rows), sum(row.totals.nano_usd for row in rows)


def test_calls_are_in_the_ledger_once(tmp_path: Path, database_url: str) -> None:
    destination = LedgerDestination(database_url)
    spool = quiet_spool(tmp_path / "spool", destination, pace=Naps().pace)
    for id in counted(range(1000)):
        spool.record(record(id, **PRICED))
    deliver(spool)
    destination.ship(Batch({}, [Parcel("call", record(id, **PRICED)) for id in counted(range(500))]))
    destination.close()
    assert totals(database_url) == (1000, 3000)


def test_orphans_are_noted_and_losses_are_no_calls(database_url: str) -> None:
    destination = LedgerDestination(database_url)
    destination.ship(Batch({}, [Parcel("started", record("c1")), Parcel("lost", '{"spool":"s","dropped":3}')]))
    destination.close()
    database = Database(database_url)
    assert [started.call.id for started in SqlLedger(database).orphans()] == ["c1"]
    database.close()


def test_what_is_no_record_is_set_aside(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    destination = LedgerDestination(url)
    with pytest.raises(Refused):
        destination.ship(Batch({}, [Parcel("call", "nonsense")]))
    spool = quiet_spool(tmp_path / "spool", destination, pace=Naps().pace)
    for text in (record("c1"), "nonsense", record("c2")):
        spool.record(text)
    deliver(spool)
    destination.close()
    assert totals(url) == (2, 0)
    assert spool.state.rejected == 1
    assert "nonsense" in (tmp_path / "spool" / NAME).read_text()


def test_a_ledger_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    destination = LedgerDestination(f"sqlite:///{place / 'ledger.db'}")
    (place / "ledger.db").mkdir()
    with pytest.raises(Unavailable):
        destination.ship(Batch({}, [Parcel("call", record("c1"))]))
    (place / "ledger.db").rmdir()
    destination.ship(Batch({}, [Parcel("call", record("c1"))]))
    destination.close()
    assert totals(f"sqlite:///{place / 'ledger.db'}") == (1, 0)


def test_a_forked_child_opens_the_ledger_for_itself(tmp_path: Path, database_url: str) -> None:
    destination = LedgerDestination(database_url)
    destination.ship(Batch({}, [Parcel("call", record("c1"))]))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            destination.forget()
            destination.ship(Batch({}, [Parcel("call", record("c2"))]))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    destination.ship(Batch({}, [Parcel("call", record("c3"))]))
    destination.close()
    assert totals(database_url)[0] == 3


def sold(id: str, model: str, cost: Cost | None = None, **fields: Any) -> Parcel:
    """The record of a call of a million tokens in, with the cost that the app has given it."""
    made = Call(id, "openai", "chat", TODAY, request_model=model, usage_source="provider", cost=cost, **fields)
    made.usage = Usage(MILLION, 0)
    made.price_status = "unpriced" if cost is None else "priced"
    return Parcel("call", encode(made))


def costs(url: str) -> dict[str, tuple[str, int | None, str | None]]:
    """By id: status, nano-dollars and source."""
    database = Database(url)
    rows, _ = SqlLedger(database).calls(CallQuery())
    database.close()
    return {row["id"]: (row["price_status"], row["nano_usd"], row["cost_source"]) for row in rows}


def test_the_ledgers_own_price_book_applies_with_the_next_batch(database_url: str) -> None:
    destination, database = LedgerDestination(database_url), Database(database_url)
    listed = Cost(Decimal("2.5"), "catalog")
    destination.ship(Batch({}, [sold("c1", "gpt-4o", listed), sold("c2", "acme-1")]))
    book, by = PriceBook(database), {"author": "ada", "reason": "contract"}
    book.add("price", {"model": "acme-*", "input": 2, "valid_from": "2026-01-01"}, **by)
    book.add("discount", {"model": "gpt-4o", "percent": 20, "valid_from": "2026-01-01"}, **by)
    destination.ship(Batch({}, [sold("c3", "gpt-4o", listed), sold("c4", "acme-1")]))
    destination.close()
    book.close()
    database.close()
    assert costs(database_url) == {
        "c1": ("priced", 2_500_000_000, "catalog"),
        "c2": ("unpriced", None, None),
        "c3": ("priced", 2_000_000_000, "overlay"),
        "c4": ("priced", 2_000_000_000, "overlay"),
    }


def test_the_apps_own_prices_hold_where_the_book_says_nothing(database_url: str) -> None:
    destination, database = LedgerDestination(database_url), Database(database_url)
    own = Cost(Decimal("1.5"), "overlay")
    destination.ship(Batch({}, [sold("c1", "gpt-4o", own), sold("c2", "acme-1", own)]))
    book = PriceBook(database)
    book.add("price", {"model": "gpt-4o", "input": 1, "valid_from": "2026-01-01"}, author="ada", reason="contract")
    destination.ship(Batch({}, [sold("c3", "gpt-4o", own), sold("c4", "acme-1", own)]))
    destination.close()
    book.close()
    database.close()
    assert costs(database_url) == {
        "c1": ("priced", 1_500_000_000, "overlay"),
        "c2": ("priced", 1_500_000_000, "app"),
        "c3": ("priced", 1_000_000_000, "overlay"),
        "c4": ("priced", 1_500_000_000, "app"),
    }


@pytest.mark.parametrize("url", ["", "usage.db", "mysql://localhost/x", "sqlite://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ValueError):
        LedgerDestination(url)
