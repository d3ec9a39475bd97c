"""A world with its page and its API on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sidecar.api.serving import serving
from sidecar.api.world import World
from tollkeeper.client import Client
from tollkeeper.sidecar.web.app import Web


class Site(NamedTuple):
    """Where it is, and what is behind it. `client` may do everything."""

    url: str
    world: World
    client: Client


@contextmanager
def standing(world: World) -> Iterator[Site]:
    """Until the end of the block; then the world is closed."""
    world.app.mount("/", Web(world.services, world.api, None).app)
    with serving(world.app) as url, Client(url, world.key("read", "write", "admin")) as client:
        # Counters are in the process: they begin empty, and have what the ledger has after a turn of the clock.
        world.agreement.tend()
        yield Site(url, world, client)
    world.close()
