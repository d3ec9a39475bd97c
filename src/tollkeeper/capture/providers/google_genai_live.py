"""Live sessions of the Gen AI SDK, over a websocket: each turn of the model is a call of its own.

The model is named when the session is opened, and the usage in a message near the end of each turn, as a rule the last.
"""

from __future__ import annotations

import contextlib
import functools
import time
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.attribution import call_tags
from tollkeeper.capture.contract import Target
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.identity import new_call_id
from tollkeeper.capture.payload import field
from tollkeeper.capture.providers.google_genai_usage import address_of, read_usage
from tollkeeper.model import Call


class Turns:
    """The turns of one session. What a turn reports more than once, the last report says."""

    def __init__(self, model: str | None, record: Callable[[Turns, Any], None]) -> None:
        self.model = model
        self._record = record
        self._usage: Any = None
        self._is_open = False
        self._is_counted = False

    def read(self, message: Any) -> None:
        usage, content = field(message, "usage_metadata"), field(message, "server_content")
        is_end = field(content, "turn_complete") is True
        if not self._is_open and not is_end and (content is not None or field(message, "tool_call") is not None):
            self._is_open, self._is_counted = True, False
        if usage is not None:
            self._usage = usage
        if is_end or not self._is_open:
            self.end()

    def end(self) -> None:
        """The turn, or the session, is over. A report that comes late belongs to the turn before it."""
        if self._usage is not None and not self._is_counted:
            self._is_counted = True
            self._record(self, self._usage)
        self._usage, self._is_open = None, False


_sessions: weakref.WeakKeyDictionary[Any, Turns] = weakref.WeakKeyDictionary()


def _recorder(client: Any, adapter: Any, emitter: Emitter) -> Callable[[Turns, Any], None]:
    def record(turns: Turns, usage: Any) -> None:
        host, port = address_of(str(client._http_options.base_url or ""))
        call = Call(
            id=new_call_id(),
            provider="gcp.vertex_ai" if client.vertexai else "gcp.gemini",
            operation="realtime",
            started_at=time.time_ns(),
            request_model=turns.model,
            endpoint=f"{host}/live",
            server_address=host,
            server_port=port,
            stream=True,
            status_code=101,
            tags=call_tags(adapter.default_tags, None, None),
        )
        read_usage(call, usage)
        if call.usage_source == "provider":
            emitter.record(call)

    return record


def watch_connect(original: Callable[..., Any], target: Target, adapter: Any, emitter: Emitter) -> Callable[..., Any]:
    """`connect` is a context manager that yields a session, and stays one."""

    @contextlib.asynccontextmanager
    async def watched(manager: Any, client: Any, model: Any) -> AsyncIterator[Any]:
        async with manager as session:
            turns = Turns(model if type(model) is str else None, _recorder(client, adapter, emitter))
            _sessions[session] = turns
            try:
                yield session
            finally:
                _read(turns.end)

    @functools.wraps(original)
    def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
        manager = original(self, *args, **kwargs)
        return watched(manager, self._api_client, kwargs.get("model")) if emitter.active else manager

    return connect


def watch_messages(original: Callable[..., Any], target: Target, adapter: Any, emitter: Emitter) -> Callable[..., Any]:
    """`_receive` of a session: every message that the app receives passes through it."""

    @functools.wraps(original)
    async def receive(self: Any, *args: Any, **kwargs: Any) -> Any:
        message = await original(self, *args, **kwargs)
        turns = _sessions.get(self)
        if emitter.active and turns is not None:
            _read(functools.partial(turns.read, message))
        return message

    return receive


def _read(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception as fault:  # noqa: BLE001  the boundary to foreign messages
        faults.report("read a message of a live session", fault)


TARGETS = (
    Target("google.genai.live", "AsyncLive.connect", optional=True, wrap=watch_connect),
    Target("google.genai.live", "AsyncSession._receive", is_async=True, optional=True, wrap=watch_messages),
)
