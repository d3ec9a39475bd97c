"""ASGI: FastAPI, Starlette, Litestar, Quart and others.

    app.add_middleware(ASGIMiddleware)

An app that is wrapped from the outside must let its exceptions out. Starlette and FastAPI let them out to what
`add_middleware` adds, and answer 500 themselves to all that is outside of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tollkeeper.capture.denied import STATUS_CODE, Denied
from tollkeeper.middleware import answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ASGIMiddleware:
    """Answers 429 where the app raises `Denied` before it has sent a byte; every other exception passes.

    The start of an answer (its status and headers) is held back until the first piece of its body: a streaming endpoint
    starts its answer before it asks the provider, and 200 cannot be taken back. With `hold_start=False` it is not, for
    streams that are open long before they have anything to send; their denials then break the stream off.
    """

    def __init__(self, app: App, hold_start: bool = True) -> None:
        self.app = app
        self.hold_start = hold_start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = _Start(send, self.hold_start)
        try:
            await self.app(scope, receive, start.send)
        except Exception as error:
            denied = answer.denied_in(error)
            if denied is None or start.was_sent:
                raise
            await _answer(denied, send)
        else:
            await start.flush()


class _Start:
    """The start of one answer, held back until there is something to follow it."""

    def __init__(self, send: Send, is_held: bool) -> None:
        self._send = send
        self._is_held = is_held
        self._message: Message | None = None
        self.was_sent = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._message = message
            if not self._is_held:
                await self.flush()
            return
        is_empty = not message.get("body") and message.get("more_body", False)
        if message["type"] != "http.response.body" or not is_empty:
            await self.flush()
        if self.was_sent or self._message is None:
            await self._send(message)

    async def flush(self) -> None:
        if self._message is not None:
            message, self._message, self.was_sent = self._message, None, True
            await self._send(message)


async def _answer(denied: Denied, send: Send) -> None:
    body = answer.body(denied)
    headers = {**answer.headers(denied), "content-length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": STATUS_CODE,
            "headers": [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
