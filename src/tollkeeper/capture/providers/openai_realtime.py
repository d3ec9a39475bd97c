"""OpenAI over a websocket: realtime sessions, and the Responses API. Each finished response is a call of its own."""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.attribution import call_tags
from tollkeeper.capture.contract import Target
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.identity import response_call_id
from tollkeeper.capture.payload import field, text
from tollkeeper.capture.providers.openai_usage import read_usage
from tollkeeper.capture.providers.services import find_service
from tollkeeper.model import Call, Operation
from tollkeeper.model.usage import NOTHING

RESPONSE_ENDS = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
SESSIONS = frozenset({"session.created", "session.updated"})
TRANSCRIPTION_END = "conversation.item.input_audio_transcription.completed"

_models: weakref.WeakKeyDictionary[Any, str | None] = weakref.WeakKeyDictionary()
"""The model of each session: its responses do not name it."""


def watch_events(original: Callable[..., Any], target: Target, adapter: Any, emitter: Emitter) -> Callable[..., Any]:
    """`parse_event` of a connection: every event that the app receives passes through it."""
    operation: Operation = "chat" if "responses" in target.module else "realtime"

    @functools.wraps(original)
    def parse_event(self: Any, *args: Any, **kwargs: Any) -> Any:
        event = original(self, *args, **kwargs)
        if emitter.active:
            try:
                _read_event(self, event, operation, adapter.default_tags, emitter)
            except Exception as fault:  # noqa: BLE001  the boundary to foreign events
                faults.report("read a realtime event", fault)
        return event

    return parse_event


def _read_event(connection: Any, event: Any, operation: Operation, default_tags: Any, emitter: Emitter) -> None:
    kind = field(event, "type")
    if kind in SESSIONS:
        _models[connection] = text(field(event, "session"), "model")
        return
    if kind in RESPONSE_ENDS:
        answer = field(event, "response")
        identity, usage = text(answer, "id"), field(answer, "usage")
    elif kind == TRANSCRIPTION_END:
        operation, answer, identity, usage = "transcription", event, text(event, "item_id"), field(event, "usage")
    else:
        return
    host = _host(connection)
    service = find_service(host) if host is not None else None
    call = Call(
        id=response_call_id("openai", identity or repr(time.time_ns())),
        provider=service.provider if service is not None else "openai",
        operation=operation,
        started_at=time.time_ns(),
        stream=True,
        status_code=101,
        server_address=host,
        request_model=_models.get(connection),
        response_model=text(answer, "model") or _models.get(connection),
        response_id=identity,
        tags=call_tags(default_tags, None, None),
    )
    status = text(answer, "status")
    call.finish_reasons = (status,) if status else ()
    read_usage(call, usage)
    if call.usage is NOTHING:
        # xAI leaves the response's own usage empty, and reports it beside the response.
        read_usage(call, field(event, "usage"))
    if call.usage is not NOTHING:
        emitter.record(call)


def _host(connection: Any) -> str | None:
    protocol = getattr(getattr(connection, "_connection", None), "protocol", None)
    return text(getattr(protocol, "wsuri", None), "host")


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
