"""OTLP over gRPC. Messages are taken as bytes, so that what is wrong with them is answered as over HTTP.

To the server each method has a stream of messages, though it is one message that comes: of a stream, gRPC reads and
inflates nothing before it is asked to. So who has no key costs no memory, and few messages are read at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from tollkeeper.sidecar.intake import Busy
from tollkeeper.sidecar.loopback import is_local_peer
from tollkeeper.sidecar.receive.body import Malformed, Share
from tollkeeper.sidecar.receive.door import Delivery, Door
from tollkeeper.sidecar.receive.replies import Refusal, success, trailers
from tollkeeper.sidecar.receive.signals import SIGNALS, Signal

CODES = {code.value[0]: code for code in grpc.StatusCode}

STREAMS = 100
"""Requests at once on one connection; its further ones wait at the sender."""
MOST_WAITING = 1_000
"""Requests, on all connections, that wait for their message to be read. Each may hold some 64 KiB of it."""
LONGEST_READ = 30.0
"""Seconds in which a message has to be there, once it is its turn: others wait for it."""
RETRY_AFTER = 1

Export = Callable[[AsyncIterator[bytes], "aio.ServicerContext[bytes, bytes]"], Awaitable[bytes | None]]


class GrpcReceiver:
    """The gRPC server of one event loop. `address` is `host:port`; with port 0, `port` tells which it got."""

    def __init__(
        self, door: Door, address: str, credentials: grpc.ServerCredentials | None = None, share_port: bool = False
    ) -> None:
        self._door = door
        self._address = address
        self._credentials = credentials
        self._share_port = share_port
        self._server: aio.Server | None = None
        self._turns = asyncio.Semaphore(max(2, door.limits.in_flight // door.limits.body))
        self._waiting = 0
        self.port = 0

    async def start(self) -> None:
        """Begin to listen. Raises `RuntimeError` when the port is taken. `share_port`: with other processes of ours."""
        options = (
            ("grpc.max_receive_message_length", self._door.limits.body),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.so_reuseport", int(self._share_port)),
        )
        server = aio.server(options=options)
        server.add_generic_rpc_handlers(tuple(self._service(signal) for signal in SIGNALS.values()))
        if self._credentials is None:
            self.port = server.add_insecure_port(self._address)
        else:
            self.port = server.add_secure_port(self._address, self._credentials)
        await server.start()
        self._server = server

    async def stop(self, grace: float = 5.0) -> None:
        """Take nothing new, and wait up to `grace` seconds for what is being taken."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace)

    def _service(self, signal: Signal) -> grpc.GenericRpcHandler:
        export = grpc.stream_unary_rpc_method_handler(self._export(signal))
        return grpc.method_handlers_generic_handler(signal.service, {"Export": export})

    def _export(self, signal: Signal) -> Export:
        async def export(_: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]) -> bytes | None:
            # Not by the iterator: it would keep the message until it is collected as garbage.
            answer = await self._answer(signal, context)
            if isinstance(answer, bytes):
                return answer
            # gRPC keeps what this raises, and all that it hangs on: here, no message.
            await context.abort(CODES[answer.code], answer.message, trailers(answer))
            return None

        return export

    async def _answer(self, signal: Signal, context: aio.ServicerContext[bytes, bytes]) -> bytes | Refusal:
        try:
            metadata = _metadata(context)
            await self._door.admit(metadata.get("authorization"), is_local_peer(context.peer(), metadata))
            with self._door.share() as share:
                message = await self._read(context, share)
                harvest = await self._door.take("grpc", Delivery(signal.name, "protobuf", "", message))
        except Exception as error:  # noqa: BLE001  the guard at this boundary: each failure has its status
            return self._door.refusal("grpc", signal.name, error)
        return success(signal, "protobuf", harvest)

    async def _read(self, context: aio.ServicerContext[bytes, bytes], share: Share) -> bytes:
        """The message. Its size is not known before it is here, so only so many are read at once."""
        if self._waiting >= MOST_WAITING:
            raise Busy(RETRY_AFTER)
        self._waiting += 1
        try:
            async with self._turns, asyncio.timeout(LONGEST_READ):
                message = await context.read()
                if not isinstance(message, bytes):
                    raise Malformed("there is no message")
                share.take(len(message))
                return message
        except TimeoutError:
            raise Busy(RETRY_AFTER) from None
        finally:
            self._waiting -= 1


def _metadata(context: Any) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}
