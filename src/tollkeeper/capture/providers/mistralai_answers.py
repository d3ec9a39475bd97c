"""What Mistral is asked and answers. Chat has OpenAI's shape, but the events of a stream hold their chunk in `data`,
and a message can be a list of pieces: texts, and thoughts made of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tollkeeper.capture.contract import Request
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.parameters import (
    SAMPLING,
    number,
    output_type,
    read_parameters,
    several,
    whole,
    word,
    words,
)
from tollkeeper.capture.payload import count, field, mapping, text
from tollkeeper.capture.providers.openai_usage import read_usage
from tollkeeper.model import Call
from tollkeeper.model.usage import NOTHING

PARAMETERS = {
    **SAMPLING,
    "top_k": ("gen_ai.request.top_k", number),
    "random_seed": ("gen_ai.request.seed", whole),
    "stop": ("gen_ai.request.stop_sequences", words),
    "n": ("gen_ai.request.choice.count", several),
    "reasoning_effort": ("gen_ai.request.reasoning.level", word),
    "response_format": ("gen_ai.output.type", output_type),
    "output_dimension": ("gen_ai.embeddings.dimension.count", whole),
    "encoding_format": ("gen_ai.request.encoding_formats", words),
    "agent_id": ("gen_ai.agent.id", word),
    "conversation_id": ("gen_ai.conversation.id", word),
}


def read_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, PARAMETERS)


def read_conversation_request(call: Call, body: Mapping[str, Any]) -> None:
    """What a chat is asked by arguments is inside `completion_args` here, a dict or a model of the SDK's."""
    read_request(call, body)
    read_parameters(call, mapping(body.get("completion_args")), PARAMETERS)


def read_plain_response(call: Call, answer: Any) -> None:
    """Embeddings and others that have at most a model, an id and a usage."""
    call.response_model = text(answer, "model") or call.response_model
    call.response_id = text(answer, "id") or call.response_id
    _read_usage(call, field(answer, "usage"))


def _read_usage(call: Call, usage: Any) -> None:
    """A count that the answer lacks is 0 in the SDK's object: only what was answered is read."""
    if usage is None:
        return
    names = getattr(usage, "model_fields_set", None)
    said = usage if names is None else {name: getattr(usage, name) for name in names}
    call.service_tier = text(said, "service_tier") or call.service_tier
    read_usage(call, said)


def read_chat_response(call: Call, answer: Any) -> None:
    read_plain_response(call, answer)
    choices = field(answer, "choices")
    if isinstance(choices, list | tuple):
        call.finish_reasons = tuple(reason for choice in choices if (reason := text(choice, "finish_reason")))


def read_transcription(call: Call, answer: Any) -> None:
    """Billed by the length of the sound."""
    read_plain_response(call, answer)
    seconds = count(field(answer, "usage"), "prompt_audio_seconds")
    if seconds is not None:
        call.usage = call.usage._replace(input_audio_seconds=Decimal(seconds))
        call.usage_source = "provider"


def read_conversation(call: Call, answer: Any) -> None:
    read_plain_response(call, answer)
    conversation = text(answer, "conversation_id")
    if conversation is not None:
        call.parameters["gen_ai.conversation.id"] = conversation
    outputs = field(answer, "outputs")
    for output in outputs if isinstance(outputs, list | tuple) else ():
        call.response_model = text(output, "model") or call.response_model


def _texts(content: Any) -> Iterator[str]:
    """The texts of a message: a string, or a list of pieces."""
    if isinstance(content, str):
        yield content
    for piece in content if isinstance(content, list | tuple) else (content,):
        if (said := text(piece, "text")) is not None:
            yield said
        thoughts = field(piece, "thinking")
        for thought in thoughts if isinstance(thoughts, list | tuple) else ():
            if (said := text(thought, "text")) is not None:
                yield said


class ChatFold:
    """The events of a chat or of a completion. The last chunk has the usage."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._last: Any = None
        self._usage: Any = None
        self._texts: list[str] = []
        self._reasons: dict[int, str] = {}

    def __call__(self, chunk: Any) -> bool | None:
        data = field(chunk, "data")
        self._last = data
        usage = field(data, "usage")
        if usage is not None:
            self._usage = usage
        for choice in field(data, "choices") or ():
            self._read_choice(choice)
        return None

    def _read_choice(self, choice: Any) -> None:
        delta = field(choice, "delta")
        self._texts += _texts(field(delta, "content"))
        for tool_call in field(delta, "tool_calls") or ():
            function = field(tool_call, "function")
            self._texts += (str(field(function, "name")), str(field(function, "arguments")))
        reason = text(choice, "finish_reason")
        if reason is not None:
            self._reasons[count(choice, "index") or 0] = reason

    def end(self, call: Call) -> bool:
        read_plain_response(call, self._last)
        _read_usage(call, self._usage)
        call.finish_reasons = tuple(self._reasons[index] for index in sorted(self._reasons))
        if call.usage == NOTHING and (self._last is not None or call.error_type is None):
            estimate(call, self._request.body, self._texts, NOTHING)
        return bool(self._reasons) or self._usage is not None


class ConversationFold:
    """The events of a turn of a conversation. The one that ends it has the usage, of all the models that took part."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._usage: Any = None
        self._ended = False
        self._failed: str | None = None
        self._seen = False
        self._model: str | None = None
        self._conversation: str | None = None
        self._texts: list[str] = []

    def __call__(self, chunk: Any) -> bool | None:
        self._seen = True
        data = field(chunk, "data")
        kind = text(data, "type")
        self._model = text(data, "model") or self._model
        if kind == "conversation.response.started":
            self._conversation = text(data, "conversation_id")
        elif kind == "conversation.response.done":
            self._ended, self._usage = True, field(data, "usage")
        elif kind == "conversation.response.error":
            self._failed = str(field(data, "code") or kind)
        elif kind == "message.output.delta":
            self._texts += _texts(field(data, "content"))
        elif kind == "function.call.delta":
            self._texts += [piece for name in ("name", "arguments") if (piece := text(data, name))]
        return None

    def end(self, call: Call) -> bool:
        call.response_model = self._model or call.response_model
        call.error_type = call.error_type or self._failed
        if self._conversation is not None:
            call.parameters["gen_ai.conversation.id"] = self._conversation
        _read_usage(call, self._usage)
        if call.usage == NOTHING and (self._seen or call.error_type is None):
            body = self._request.body
            estimate(call, {**body, "input": body.get("inputs")}, self._texts, NOTHING)
        return self._ended or self._failed is not None


class TranscriptionFold:
    """The events of a transcription. Cut short, nobody says how long the sound was: the usage stays unknown."""

    def __init__(self, request: Request) -> None:
        self._done: Any = None

    def __call__(self, chunk: Any) -> bool | None:
        data = field(chunk, "data")
        if text(data, "type") == "transcription.done":
            self._done = data
        return None

    def end(self, call: Call) -> bool:
        if self._done is not None:
            read_transcription(call, self._done)
        return self._done is not None
