from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.priced import World
from tollkeeper.sidecar.repricing import Repricer
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database(database_url)
    database.migrate()
    ledger, book, audit = SqlLedger(database), PriceBook(database), AuditTrail(database)
    yield World(ledger, book, Repricer(ledger, book, database, audit), audit, database)
    book.close()
    ledger.close()
