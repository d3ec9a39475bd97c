"""An application on a real socket, for clients that are real too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(app: Any, socket: str | None = None) -> Iterator[str]:
    """The address: a free port of loopback, or a unix socket."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, uds=socket, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def tell(*arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20), "the server has not started"
    port = 0 if socket else server.servers[0].sockets[0].getsockname()[1]
    yield f"unix://{socket}" if socket else f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)
