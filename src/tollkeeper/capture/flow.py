"""What happens to one call, in order. This file is the sentence the program says."""

from __future__ import annotations

from opentelemetry import context as otel_context

from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.drive import Flow, Send
from tollkeeper.capture.emit import Emitter


def observe(emitter: Emitter, adapter: Adapter, request: Request) -> Flow:
    """Admit the call, start its span, send it, read the answer, record it. What is refused of it is taken back."""
    ticket = None
    if emitter.gate is not None:
        try:
            ticket = yield from emitter.gate.admit(request, adapter)
        except Denied as denied:
            emitter.deny(request, denied)
            raise
    observation = emitter.start(request, adapter, ticket)
    token = emitter.enter(observation)
    try:
        original = request.original
        try:
            answer = yield Send(request.args, request.kwargs)
        except Exception as error:
            if original is None or not adapter.refused(request, error):
                raise
        else:
            original = None
        if original is not None:
            answer = yield Send(*original)
    except BaseException as error:
        observation.end(error)
        raise
    finally:
        otel_context.detach(token)
    return observation.answered(answer)
