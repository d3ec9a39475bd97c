"""OpenAI over a websocket: realtime sessions, and the Responses API. Each finished response is a call of its own."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.attribution import call_tags
from tollkeeper.capture.contract import Target
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.identity import response_call_id
from tollkeeper.capture.payload import field, text
from tollkeeper.capture.providers.openai_usage import read_usage
from tollkeeper.model import Call, Operation
from tollkeeper.model.usage import NOTHING

RESPONSE_ENDS = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
TRANSCRIPTION_END = "conversation.item.input_audio_transcription.completed"


def watch_events(original: Callable[..., Any], target: Target, adapter: Any, emitter: Emitter) -> Callable[..., Any]:
    """`parse_event` of a connection: every event that the app receives passes through it."""
    operation: Operation = "chat" if "responses" in target.module else "realtime"

    @functools.wraps(original)
    def parse_event(self: Any, *args: Any, **kwargs: Any) -> Any:
        event = original(self, *args, **kwargs)
        if emitter.active:
            try:
                _read_event(event, operation, adapter.default_tags, emitter)
            except Exception as fault:  # noqa: BLE001  the boundary to foreign events
                faults.report("read a realtime event", fault)
        return event

    return parse_event


def _read_event(event: Any, operation: Operation, default_tags: Any, emitter: Emitter) -> None:
    kind = field(event, "type")
    if kind in RESPONSE_ENDS:
        answer = field(event, "response")
        identity = text(answer, "id")
    elif kind == TRANSCRIPTION_END:
        operation, answer, identity = "transcription", event, text(event, "item_id")
    else:
        return
    call = Call(
        id=response_call_id("openai", identity or repr(time.time_ns())),
        provider="openai",
        operation=operation,
        started_at=time.time_ns(),
        stream=True,
        status_code=101,
        request_model=text(answer, "model"),
        response_model=text(answer, "model"),
        response_id=identity,
        tags=call_tags(default_tags, None, None),
    )
    status = text(answer, "status")
    call.finish_reasons = (status,) if status else ()
    read_usage(call, field(answer, "usage"))
    if call.usage != NOTHING:
        emitter.record(call)


TARGETS = tuple(
    Target(module, f"{connection}.parse_event", optional=True, wrap=watch_events)
    for module, connection in (
        ("openai.resources.realtime.realtime", "RealtimeConnection"),
        ("openai.resources.realtime.realtime", "AsyncRealtimeConnection"),
        ("openai.resources.beta.realtime.realtime", "RealtimeConnection"),
        ("openai.resources.beta.realtime.realtime", "AsyncRealtimeConnection"),
        ("openai.resources.responses.responses", "ResponsesConnection"),
        ("openai.resources.responses.responses", "AsyncResponsesConnection"),
    )
)
