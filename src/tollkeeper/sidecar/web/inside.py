"""Asks the API from inside the process: the typed client, without a socket, as whoever is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

from starlette.types import ASGIApp, Message

from tollkeeper.client import Operations
from tollkeeper.client.ask import Ask
from tollkeeper.sidecar.api.auth import SIGNED_IN, SignedIn

T = TypeVar("T")


@dataclass
class Raw:
    """An answer before it is read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


class Inside(Operations):
    """Has all methods of `AsyncClient`. Errors are the client's: `ApiError` and its kinds."""

    def __init__(self, api: ASGIApp, who: SignedIn) -> None:
        self._api = api
        self._who = who

    async def send(self, ask: Ask[T], /) -> T:
        content = ask.content()
        kind = {} if content is None else {"content-type": "application/json"}
        headers = {"accept": "application/json", **kind, **ask.headers}
        raw = await self.request(ask.method, ask.path, ask.query, content or b"", headers)
        return ask.understand(raw.status, raw.headers, raw.content)

    async def request(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        content: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Raw:
        """Any request to the API, and its answer as it came. `path` is without the API's prefix."""
        raw = Raw()
        said = iter([content])

        async def receive() -> Message:
            for body in said:
                return {"type": "http.request", "body": body, "more_body": False}
            # What is sent in pieces listens for somebody to hang up meanwhile. Nobody does.
            await asyncio.get_running_loop().create_future()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                raw.status = message["status"]
                raw.headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
            else:
                raw.content += message.get("body", b"")

        await self._api(self._scope(method, path, query, headers or {}), receive, send)
        return raw

    def _scope(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str]
    ) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode(query).encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": None,
            "server": ("inside", 80),
            SIGNED_IN: self._who,
        }
