"""An empty database of each kind, open, and a clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clocks import Clock
from tollkeeper.storage.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
