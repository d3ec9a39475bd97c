"""The user's own callable."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.context import Context

from tollkeeper.capture.courier import Courier
from tollkeeper.model import Call


class CallbackSink:
    """Gives each finished call to the user's `on_call`, on the courier's thread."""

    name = "on_call"

    def __init__(self, on_call: Callable[[Call], object], courier: Courier) -> None:
        self._on_call = on_call
        self._courier = courier

    def record(self, call: Call, context: Context | None) -> None:
        self._courier.run(lambda: self._on_call(call), "run on_call", may_refuse=True)
