"""The usage event: one log record a call, whether its trace is sampled or not."""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.context import Context

from tollkeeper.model import Call
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.event import encode


class EventSink:
    """Emits finished calls as `gen_ai.client.inference.operation.details`."""

    name = "usage event"

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._enabled = getattr(logger, "enabled", lambda **_: True)

    def record(self, call: Call, context: Context | None, content: dict[str, Any] | None = None) -> None:
        if not self._enabled(context=context, severity_number=SeverityNumber.INFO, event_name=EVENT_NAME):
            return
        attributes = encode(call)
        if content:
            attributes.update(content)
        self._logger.emit(
            LogRecord(
                timestamp=call.started_at + int((call.duration or 0) * 1e9),
                context=context,
                severity_number=SeverityNumber.INFO,
                event_name=EVENT_NAME,
                attributes=attributes,
            )
        )
