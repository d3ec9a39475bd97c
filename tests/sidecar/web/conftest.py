"""Pages over a real ledger."""

from __future__ import annotations

import pytest

from sidecar.api.world import World
from sidecar.web.visiting import Visitor


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


@pytest.fixture(scope="module")
def editor(world: World) -> Visitor:
    """Of a module whose world is of the module, too, and knows `ed`."""
    return Visitor(world).as_user("ed")


@pytest.fixture(scope="module")
def viewer(world: World) -> Visitor:
    """Of a module whose world is of the module, too, and knows `vi`."""
    return Visitor(world).as_user("vi")
