from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tollkeeper.storage.database import Database
from tollkeeper.storage.prices import PriceBook


class Clock:
    """Moments in nanoseconds, that tests move."""

    def __init__(self, *when: int) -> None:
        self.set(*when)

    def set(self, *when: int) -> None:
        self.now = int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[arg-type]

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(2026, 11, 20, 12)


@pytest.fixture
def book(database: Database, clock: Clock) -> Iterator[PriceBook]:
    book = PriceBook(database, clock)
    yield book
    book.close()
