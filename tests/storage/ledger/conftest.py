"""A ledger in an empty database of each kind."""

from __future__ import annotations

import pytest

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.sql import SqlLedger


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_762_200_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(database: Database, clock: Clock) -> SqlLedger:
    return SqlLedger(database, clock)
