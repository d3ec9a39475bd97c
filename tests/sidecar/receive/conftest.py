"""The receivers, started once a module; each test finds them as if new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.receive.serving import Keeper, Serving, serving
from tollkeeper.sidecar.receive.body import Limits
from tollkeeper.sidecar.receive.counts import ReceiveCounts
from tollkeeper.sidecar.receive.door import Door

BODY_LIMIT = 16 << 20
KEYS: dict[str | None, int | None] = {"Bearer writer": None, "Bearer reader": 403}


@pytest.fixture(scope="session")
def servers() -> Iterator[Serving]:
    keeper = Keeper()
    with serving(Door(keeper, limits=Limits(BODY_LIMIT, 4 * BODY_LIMIT)), keeper) as running:
        yield running


@pytest.fixture
def server(servers: Serving) -> Iterator[Serving]:
    servers.keeper.__init__()  # type: ignore[misc]
    servers.door.counts = ReceiveCounts()
    yield servers
    assert servers.door.room.held == 0, "what a request held is given back, however it ended"
