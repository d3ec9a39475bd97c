"""A function of one's own that is called with each notification: sync or async, `module:function`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

from tollkeeper.alerting.channel import Channel
from tollkeeper.config.references import UnresolvedReference
from tollkeeper.model.alert import Notification
from tollkeeper.sidecar.notify.contract import PATIENCE_SECONDS, Delivery, Message
from tollkeeper.sidecar.notify.payload import payload_of

Handler = Callable[[Mapping[str, Any]], object]


class PythonNotifier:
    """Calls the function in a thread of its own, with an event loop where it needs one."""

    def __init__(self, channel: Channel, resolve: Callable[[str], str], patience: float = PATIENCE_SECONDS) -> None:
        self._channel = channel
        self._resolve = resolve
        self._patience = patience

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        try:
            handler = _function(self._resolve(self._channel.url))
        except UnresolvedReference as missing:
            return Delivery("failed", str(missing))
        if isinstance(handler, Delivery):
            return handler
        ends: list[Delivery] = []
        payload = payload_of(notification, message)
        # A thread that can be left behind: a function that hangs must not keep the others from being told.
        thread = threading.Thread(
            target=lambda: ends.append(_called(handler, payload)), name="tollkeeper-notify", daemon=True
        )
        thread.start()
        thread.join(self._patience)
        return ends[0] if ends else Delivery("failed", f"the function has not ended within {self._patience:g} s")


def _function(said: str) -> Handler | Delivery:
    module, _, name = said.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001  a boundary: a module of the user's may raise anything
        return Delivery("refused", f"the function cannot be imported: {type(error).__name__}")
    return found if callable(found) else Delivery("refused", "what it names is no function")


def _called(handler: Handler, payload: Mapping[str, Any]) -> Delivery:
    try:
        result = handler(payload)
        if inspect.isawaitable(result):
            asyncio.run(_awaited(result))
    except Exception as error:  # noqa: BLE001  a boundary: a function of the user's may raise anything
        return Delivery("failed", f"the function raised {type(error).__name__}{_place(error)}")
    return Delivery("sent", "the function was called")


async def _awaited(result: Any) -> None:
    await result


def _place(error: Exception) -> str:
    """Where it was raised. What it says is left out, as it may be anything."""
    frames = extract_tb(error.__traceback__)
    return f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
