"""OTLP over gRPC. Messages are taken as bytes, so that what is wrong with them is answered as over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from tollkeeper.sidecar.loopback import is_local_peer
from tollkeeper.sidecar.receive.door import Delivery, Door
from tollkeeper.sidecar.receive.replies import success, trailers
from tollkeeper.sidecar.receive.signals import SIGNALS, Signal

CODES = {code.value[0]: code for code in grpc.StatusCode}


Export = Callable[[bytes, "aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


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
        self.port = 0

    async def start(self) -> None:
        """Begin to listen. Raises `RuntimeError` when the port is taken. `share_port`: with other processes of ours."""
        options = (
            ("grpc.max_receive_message_length", self._door.limits.body),
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
        export = grpc.unary_unary_rpc_method_handler(self._export(signal))
        return grpc.method_handlers_generic_handler(signal.service, {"Export": export})

    def _export(self, signal: Signal) -> Export:
        async def export(message: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
            try:
                metadata = _metadata(context)
                await self._door.admit(metadata.get("authorization"), is_local_peer(context.peer(), metadata))
                with self._door.share() as share:
                    share.take(len(message))
                    harvest = await self._door.take("grpc", Delivery(signal.name, "protobuf", "", message))
            except Exception as error:  # noqa: BLE001  the guard at this boundary: each failure has its status
                refusal = self._door.refusal("grpc", signal.name, error)
                await context.abort(CODES[refusal.code], refusal.message, trailers(refusal))
            return success(signal, "protobuf", harvest)

        return export


def _metadata(context: Any) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}
