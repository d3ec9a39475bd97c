"""Ollama, through its own SDK. Every method of it goes through `Client._request`; a stream is a plain generator, and
the request is sent when it is first read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tollkeeper.capture import errors
from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.denied import STATUS_CODE, Denied, denied_as
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.lazy import GeneratorTap, wrap_generator
from tollkeeper.capture.methods import Asked, MethodAdapter
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.parameters import SAMPLING, number, read_parameters, whole, word, words
from tollkeeper.capture.payload import count, field, text
from tollkeeper.model import Call, Denial, Usage
from tollkeeper.model.usage import NOTHING
from tollkeeper.policy.wording import message_of


def _positive(value: Any) -> int | None:
    """Ollama takes 0 and less for: no end."""
    return value if type(value) is int and value > 0 else None


OPTIONS = {
    **SAMPLING,
    "top_k": ("gen_ai.request.top_k", number),
    "num_predict": ("gen_ai.request.max_tokens", _positive),
    "stop": ("gen_ai.request.stop_sequences", words),
}
PARAMETERS = {
    "think": ("gen_ai.request.reasoning.level", word),
    "format": ("gen_ai.output.type", lambda value: "json" if value else None),
    "dimensions": ("gen_ai.embeddings.dimension.count", whole),
}


def read_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, PARAMETERS)
    options = body.get("options")
    if isinstance(options, Mapping):
        read_parameters(call, options, OPTIONS)


def read_response(call: Call, answer: Any) -> None:
    """One object says everything: an answer, or the last chunk of a stream. There are no ids, and no cached tokens."""
    call.response_model = text(answer, "model") or call.response_model
    reason = text(answer, "done_reason")
    if reason is not None:
        call.finish_reasons = (reason,)
    usage = Usage(input_tokens=count(answer, "prompt_eval_count"), output_tokens=count(answer, "eval_count"))
    if usage != NOTHING:
        call.usage = usage
        call.usage_source = "provider"


class StreamFold:
    """The chunks of a chat or of a completion. The one that is `done` has the counts."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._last: Any = None
        self._texts: list[str] = []

    def __call__(self, chunk: Any) -> bool | None:
        self._last = chunk
        message = field(chunk, "message")
        if message is None:
            self._read_texts(chunk, "response")
        else:
            self._read_texts(message, "content")
            for tool_call in field(message, "tool_calls") or ():
                function = field(tool_call, "function")
                self._texts += (str(field(function, "name")), str(field(function, "arguments")))
        return None

    def _read_texts(self, source: Any, name: str) -> None:
        content = field(source, name)
        if content and type(content) is str:
            self._texts.append(content)
        thinking = field(source, "thinking")
        if thinking and type(thinking) is str:
            self._texts.append(thinking)

    def end(self, call: Call) -> bool:
        if self._last is not None:
            if call.status_code is None:
                call.status_code = 200
            read_response(call, self._last)
        if call.usage == NOTHING and (self._last is not None or call.error_type is None):
            estimate(call, self._request.body, self._texts, NOTHING)
        return field(self._last, "done") is True


SURFACES = {
    "/api/chat": Surface("chat", read_request, read_response, StreamFold, output_cap="num_predict"),
    "/api/generate": Surface("text_completion", read_request, read_response, StreamFold, output_cap="num_predict"),
    "/api/embed": Surface("embeddings", read_request, read_response),
    "/api/embeddings": Surface("embeddings", read_request, read_response),
}


def ask(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
    """`_request(self, cls, method, path, *, json, stream)`."""
    path = args[3] if len(args) > 3 else None
    surface = SURFACES.get(path) if type(path) is str else None
    if surface is None:
        return None
    assert type(path) is str
    return Asked(surface, str(args[0]._client.base_url), path, kwargs["json"], stream=bool(kwargs.get("stream")))


def tap_stream(observation: Observation, answer: Any) -> Any:
    return GeneratorTap(answer, observation, StreamFold(observation.request))


def read_error(call: Call, error: BaseException) -> None:
    """An error that comes inside a stream has no status of its own: the SDK says -1."""
    errors.read_error(call, error)
    if call.status_code == -1:
        call.status_code = None


def deny(request: Request, denial: Denial) -> Denied:
    return denied_as(sys.modules["ollama"].ResponseError).of(denial, message_of(denial), STATUS_CODE)


def cap_output(request: Request, tokens: int) -> bool:
    name, body = request.surface.output_cap, request.body
    if name is None:
        return False
    options = {**(body.get("options") or {}), name: tokens}
    request.kwargs = {**request.kwargs, "json": {**body, "options": options}}
    return True


TARGETS = (
    Target("ollama._client", "Client._request", wrap=wrap_generator),
    Target("ollama._client", "AsyncClient._request", is_async=True, wrap=wrap_generator),
)

ADAPTER = MethodAdapter("ollama", "ollama", TARGETS, ask, tap_stream, deny, read_error, cap_output)
