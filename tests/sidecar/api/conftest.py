"""The API over a real ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.api.world import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    made.close()
