"""Counters behind the sidecar's paths, in a server of this process: the time is then a test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from tollkeeper.sidecar.api.counters import Authorize, CounterDesk
from tollkeeper.storage.counters import Counters

SECONDS = 30.0


@contextmanager
def serving(counters: Counters, path: Path, authorize: Authorize | None = None) -> Iterator[str]:
    """The URL at which they are served."""
    app = CounterDesk(counters, authorize).over(Starlette())
    server = uvicorn.Server(uvicorn.Config(app, uds=str(path), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + SECONDS
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < until
        time.sleep(0.005)
    try:
        yield f"unix://{path}"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
