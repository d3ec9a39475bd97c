"""What happens to one call, in order. This file is the sentence the program says."""

from __future__ import annotations

from collections.abc import Generator

from opentelemetry import context as otel_context

from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.drive import Flow, Pause, Send
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.observation import Observation


def observe(emitter: Emitter, adapter: Adapter, request: Request) -> Flow:
    """Admit the call, start its span, send it, read the answer, record it."""
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
        while True:
            try:
                answer = yield Send(request.args, request.kwargs)
                break
            except Exception as error:
                if not (yield from _once_more(emitter, observation, error)):
                    raise
    except BaseException as error:
        observation.end(error)
        raise
    finally:
        otel_context.detach(token)
    return observation.answered(answer)


def _once_more(emitter: Emitter, observation: Observation, error: Exception) -> Generator[Pause, None, bool]:
    """The provider has failed. What it refuses of the request is taken back, or another one is asked."""
    request = observation.request
    original = request.original
    if original is not None and observation.adapter.refused(request, error):
        request.args, request.kwargs = original
        request.original = None
        return True
    if emitter.gate is None or not (yield from emitter.gate.fail_over(observation, error)):
        return False
    emitter.moved(observation)
    return True
