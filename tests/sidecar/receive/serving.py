"""A sidecar's receivers on loopback, with an intake that keeps what it is given."""

from __future__ import annotations

import http.client
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette

from tollkeeper.sidecar.intake import Batch
from tollkeeper.sidecar.receive.door import Door
from tollkeeper.sidecar.receive.grpc import GrpcReceiver
from tollkeeper.sidecar.receive.http import routes
from tollkeeper.storage.ledger import Recorded


class Keeper:
    """Takes everything, once it has raised each of `failures`."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.failures: list[Exception] = []
        self.refused = 0

    def check_room(self) -> None:
        """There is always some."""

    async def take(self, batch: Batch) -> Recorded:
        if self.failures:
            self.refused += 1
            raise self.failures.pop(0)
        self.batches.append(batch)
        return Recorded(len(batch), 0, 0)

    @property
    def only(self) -> Batch:
        (batch,) = self.batches
        return batch


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers["content-type"]


class Serving(NamedTuple):
    door: Door
    keeper: Keeper
    port: int
    grpc_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def post(
        self,
        path: str,
        body: bytes,
        content_type: str | None = "application/x-protobuf",
        method: str = "POST",
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            names["content-type"] = content_type
        try:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@contextmanager
def serving(door: Door, keeper: Keeper, loop: str = "uvloop") -> Iterator[Serving]:
    """uvicorn and the gRPC server, on one event loop in a thread, on free ports."""
    grpc_receiver = GrpcReceiver(door, "127.0.0.1:0")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await grpc_receiver.start()
        yield
        await grpc_receiver.stop(grace=0)

    app = Starlette(routes=routes(door), lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", loop=loop, http="httptools"))
    ready = threading.Event()
    startup = server.startup

    async def startup_and_tell(*arguments: object, **more: object) -> None:
        await startup(*arguments, **more)  # type: ignore[arg-type]
        ready.set()

    server.startup = startup_and_tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Serving(door, keeper, port, grpc_receiver.port)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
