"""OpenAI, and whatever else speaks its API to the `openai` SDK through a base URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.contract import Request, Surface
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.identity import is_of_response, response_call_id
from tollkeeper.capture.parameters import (
    SAMPLING,
    effort,
    number,
    output_type,
    read_parameters,
    several,
    whole,
    word,
    words,
)
from tollkeeper.capture.payload import as_count, count, encodable, field, mapping, model_slots, text
from tollkeeper.capture.providers import openai_realtime
from tollkeeper.capture.providers.openai_usage import read_usage
from tollkeeper.capture.providers.services import find_endpoint, is_refusal, takes_include_usage
from tollkeeper.capture.results import results_surface
from tollkeeper.capture.stainless import Endpoint, StainlessAdapter
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

CHAT_PARAMETERS = {
    **SAMPLING,
    "max_completion_tokens": ("gen_ai.request.max_tokens", whole),
    "stop": ("gen_ai.request.stop_sequences", words),
    "n": ("gen_ai.request.choice.count", several),
    "reasoning_effort": ("gen_ai.request.reasoning.level", word),
    "response_format": ("gen_ai.output.type", output_type),
    "service_tier": ("openai.request.service_tier", lambda value: word(value) if value != "auto" else None),
}
RESPONSES_PARAMETERS = {
    **SAMPLING,
    "max_output_tokens": ("gen_ai.request.max_tokens", whole),
    "reasoning": ("gen_ai.request.reasoning.level", effort),
    "text": ("gen_ai.output.type", output_type),
    "previous_response_id": ("gen_ai.request.previous_response.id", word),
    "service_tier": CHAT_PARAMETERS["service_tier"],
}
EMBEDDINGS_PARAMETERS = {
    "dimensions": ("gen_ai.embeddings.dimension.count", whole),
    "encoding_format": ("gen_ai.request.encoding_formats", words),
}
CHARACTERS = "tollkeeper.request.input_characters"
SPEECH_PARAMETERS = {"speed": ("tollkeeper.request.speech_speed", number)}


def read_chat_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, CHAT_PARAMETERS)


def read_responses_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, RESPONSES_PARAMETERS)
    conversation = body.get("conversation")
    identity = conversation if isinstance(conversation, str) else field(conversation, "id")
    if isinstance(identity, str):
        call.parameters["gen_ai.conversation.id"] = identity


def read_embeddings_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, EMBEDDINGS_PARAMETERS)


def read_speech_request(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, SPEECH_PARAMETERS)
    spoken = body.get("input")
    if isinstance(spoken, str):
        call.parameters[CHARACTERS] = len(spoken)


def read_speech(call: Call, answer: Any) -> None:
    """Speech is billed by the characters that went in, or by tokens; the answer is sound, and says nothing."""
    read_plain_response(call, answer)
    characters = call.parameters.get(CHARACTERS)
    if call.usage is NOTHING and characters:
        call.usage, call.usage_source = Usage(input_characters=characters), "estimated"


def read_nothing(call: Call, body: Mapping[str, Any]) -> None:
    """A request of which the conventions name nothing but the model."""


def _read_head(call: Call, said: Mapping[str, Any]) -> None:
    call.response_model = text(said, "model") or call.response_model
    call.response_id = text(said, "id") or call.response_id
    call.service_tier = text(said, "service_tier") or call.service_tier


def _finish_reasons(choices: Any) -> tuple[str, ...]:
    if not isinstance(choices, list | tuple):
        return ()
    return tuple(reason for choice in choices if (reason := text(choice, "finish_reason")))


def read_chat_response(call: Call, answer: Any) -> None:
    said = mapping(answer)
    _read_head(call, said)
    call.finish_reasons = _finish_reasons(said.get("choices"))
    usage = said.get("usage")
    read_usage(call, usage if usage is not None else field(said.get("x_groq"), "usage"))


def read_response(call: Call, answer: Any) -> None:
    """A Responses object. One that is still queued or running has no usage yet: whoever fetches it will count it."""
    said = mapping(answer)
    _read_head(call, said)
    status = text(said, "status")
    if status is not None:
        call.finish_reasons = (status,)
    if status == "failed":
        call.error_type = text(said.get("error"), "code") or "failed"
    read_usage(call, said.get("usage"))
    if call.usage is not NOTHING and call.response_id and said.get("background") is True:
        call.id = response_call_id(call.provider, call.response_id)
    searches = _web_search_calls(said.get("output"))
    if searches and call.usage.web_searches is None:
        call.usage = call.usage._replace(web_searches=searches)


def read_fetched_response(call: Call, answer: Any) -> None:
    """A response that was made by another call. Only one made in the background has not been counted by that call."""
    read_response(call, answer)
    call.request_model = call.response_model
    if not is_of_response(call.id):
        call.usage, call.usage_source = NOTHING, "unknown"


def read_batch_line(call: Call, line: Any) -> bool:
    """One line of a batch's output file. Says whether it is one that was answered."""
    response = field(line, "response")
    body = field(response, "body")
    if field(line, "custom_id") is None or field(response, "status_code") != 200:
        return False
    kind = text(body, "object")
    call.operation = {"list": "embeddings", "text_completion": "text_completion"}.get(kind or "", "chat")  # type: ignore[assignment]
    (read_response if kind == "response" else read_chat_response)(call, body)
    if call.response_id is None:
        call.response_id = text(line, "id")
    return True


def _web_search_calls(output: Any) -> int:
    if not isinstance(output, list | tuple):
        return 0
    return sum(1 for item in output if field(item, "type") == "web_search_call" and _is_search(field(item, "action")))


def _is_search(action: Any) -> bool:
    """Searches are billed; opening a page or looking something up in it is not."""
    return action is None or field(action, "type") in (None, "search")


def read_plain_response(call: Call, answer: Any) -> None:
    """Embeddings, moderations and others that have at most a model and a usage."""
    said = mapping(answer)
    _read_head(call, said)
    read_usage(call, said.get("usage"))


def read_embeddings_response(call: Call, answer: Any) -> None:
    """Embeddings have no output, so where only a total is named (Voyage) it is the input."""
    read_plain_response(call, answer)
    stated = count(field(answer, "usage"), "total_tokens")
    if call.usage.input_tokens is None and stated is not None:
        call.usage, call.usage_source = call.usage._replace(input_tokens=stated), "provider"


def read_image_response(call: Call, answer: Any) -> None:
    read_plain_response(call, answer)
    images = field(answer, "data")
    if call.usage_source == "unknown" and isinstance(images, list | tuple) and images:
        call.usage = Usage(output_images=len(images))
        call.usage_source = "provider"


def read_transcription(call: Call, answer: Any) -> None:
    """Billed by tokens, or by the second: then the usage says how many, or the answer has its duration."""
    read_plain_response(call, answer)
    if call.usage == NOTHING:
        read_usage(call, {"duration": field(answer, "duration")})


class ChatFold:
    """The chunks of a chat completion. Usage comes last, in a chunk without choices, if at all; the last word wins."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._injected = request.original is not None
        self._fields_of, self._names_set_in = model_slots()
        self._model = self._id = ""
        self._last: Any = None
        self._usage: Any = None
        self.texts: list[str] = []
        self._reasons: dict[int, str] = {}

    def __call__(self, chunk: Any) -> bool | None:
        # This runs for every chunk, so it reads the usual shape only; whatever else comes is read with care.
        fields_of, before = self._fields_of, len(self.texts)
        said: Mapping[str, Any]
        try:
            said = fields_of(chunk)
            for choice in said["choices"]:
                told = fields_of(choice)
                piece = fields_of(told["delta"])["content"]
                if piece:
                    self.texts.append(piece)
                else:
                    self._read_rest(told["delta"])
                if told["finish_reason"] is not None:
                    self._read_reason(told)
        except (KeyError, TypeError):
            del self.texts[before:]
            said = mapping(chunk)
            self._read_choices(said.get("choices"))
        self._last = said
        if not self._model:
            # Azure's first chunk has filter results only, and neither name nor id.
            self._model, self._id = said.get("model") or "", self._id or said.get("id") or ""
        usage = said.get("usage")
        if usage is not None:
            self._usage = usage
            return self._injected and not said.get("choices")
        if self._injected:
            self._names_set_in(chunk).discard("usage")
        if not said.get("choices"):
            self._read_groq(chunk)
        return None

    def _read_choices(self, choices: Any) -> None:
        for choice in choices or ():
            delta = field(choice, "delta")
            piece = field(choice, "text") if delta is None else field(delta, "content")
            if type(piece) is str and piece:
                self.texts.append(piece)
            elif delta is not None:
                self._read_rest(delta)
            self._read_reason(mapping(choice))

    def _read_reason(self, choice: Mapping[str, Any]) -> None:
        if (reason := choice.get("finish_reason")) is not None:
            self._reasons[as_count(choice.get("index")) or 0] = encodable(str(reason))

    def _read_rest(self, delta: Any) -> None:
        """What else a model is paid for: reasoning, refusals, the arguments of tool calls."""
        for name in ("reasoning_content", "reasoning", "refusal"):
            piece = field(delta, name)
            if type(piece) is str:
                self.texts.append(piece)
        for tool_call in field(delta, "tool_calls") or ():
            function = field(tool_call, "function")
            self.texts += [piece for name in ("name", "arguments") if (piece := text(function, name))]

    def _read_groq(self, chunk: Any) -> None:
        usage = field(field(chunk, "x_groq"), "usage")
        if usage is not None:
            self._usage = usage

    def failed_with(self, event: Any) -> None:
        """The event that ended the stream with an error may name the usage all the same (OpenRouter)."""
        self._usage = field(event, "usage") or self._usage

    def end(self, call: Call) -> bool:
        if self._last is not None:
            _read_head(call, {**self._last, "model": self._model, "id": self._id})
        call.finish_reasons = tuple(self._reasons[index] for index in sorted(self._reasons))
        read_usage(call, self._usage)
        if call.usage == NOTHING and (self._last is not None or call.error_type is None):
            estimate(call, self._request.body, self.texts, NOTHING)
        return bool(self._reasons) or self._usage is not None


class ResponsesFold:
    """The events of a streamed response. The last one that carries the response object says everything."""

    ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "response.cancelled"})

    def __init__(self, request: Request) -> None:
        self._request = request
        self._response: Any = None
        self.texts: list[str] = []
        self._ended = False

    def __call__(self, event: Any) -> bool | None:
        if type(event) is dict:
            kind, delta, response = event.get("type"), event.get("delta"), event.get("response")
        else:
            kind, delta, response = event.type, getattr(event, "delta", None), getattr(event, "response", None)
        if delta is not None:
            if type(delta) is str:
                self.texts.append(delta)
        elif response is not None:
            self._response = response
            self._ended = kind in self.ENDS
        return None

    def end(self, call: Call) -> bool:
        if self._response is not None:
            self._request.surface.read_response(call, self._response)
        if not self._ended:
            call.finish_reasons = ()
            if (
                call.operation == "chat"
                and call.usage == NOTHING
                and (self._response is not None or call.error_type is None)
            ):
                estimate(call, self._request.body, self.texts, NOTHING)
        return self._ended


class LastUsageFold:
    """Streams of images and transcriptions: what the last event with a usage says."""

    def __init__(self, request: Request) -> None:
        self._last: Any = None
        self._request = request
        self._seen = False

    def __call__(self, event: Any) -> bool | None:
        self._seen = True
        if field(event, "usage") is not None:
            self._last = event
        return None

    def end(self, call: Call) -> bool:
        if self._last is not None or self._seen:
            self._request.surface.read_response(call, self._last)
        return self._last is not None


CHAT = Surface("chat", read_chat_request, read_chat_response, ChatFold, output_cap="max_completion_tokens")
RESPONSES = Surface("chat", read_responses_request, read_response, ResponsesFold, output_cap="max_output_tokens")
COMPLETIONS = Surface("text_completion", read_chat_request, read_chat_response, ChatFold, output_cap="max_tokens")
EMBEDDINGS = Surface("embeddings", read_embeddings_request, read_embeddings_response)
IMAGES = Surface("image_generation", read_nothing, read_image_response, LastUsageFold)

SURFACES = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/responses/compact": RESPONSES,
    "/completions": Surface(
        "text_completion", read_chat_request, read_chat_response, ChatFold, output_cap="max_tokens"
    ),
    "/embeddings": EMBEDDINGS,
    "/images/generations": IMAGES,
    "/images/edits": IMAGES,
    "/images/variations": IMAGES,
    "/audio/speech": Surface("speech", read_speech_request, read_speech, LastUsageFold),
    "/audio/transcriptions": Surface("transcription", read_nothing, read_transcription, LastUsageFold),
    "/audio/translations": Surface("transcription", read_nothing, read_transcription),
    "/moderations": Surface("moderation", read_nothing, read_plain_response),
}


FETCHED_RESPONSE = Surface("fetch_response", read_nothing, read_fetched_response, ResponsesFold)
BATCH_RESULTS = results_surface(read_batch_line, fold_lines=False)


def find_surface(method: str, url: str) -> Surface | None:
    url = url.partition("?")[0]
    if method == "post":
        return FETCHED_RESPONSE if url.startswith("/responses/") and url.endswith("/cancel") else SURFACES.get(url)
    if method == "get":
        if url.startswith("/responses/") and url.count("/") == 2:
            return FETCHED_RESPONSE
        if url.startswith("/files/") and url.endswith("/content"):
            return BATCH_RESULTS
    return None


def add_to_request(endpoint: Endpoint, surface: Surface, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Ask for the usage of a chat stream, unless the caller has said what he wants or the service does not take it."""
    if surface is CHAT and takes_include_usage(endpoint) and body.get("stream_options") is None:
        return {"stream_options": {"include_usage": True}}
    return None


class OpenAIAdapter(StainlessAdapter):
    def __init__(self) -> None:
        super().__init__("openai", find_surface, find_endpoint, add_to_request, is_refusal)

    def error_said(self, body: dict[str, Any]) -> Any:
        return body["error"]


ADAPTER = OpenAIAdapter()
ADAPTER.targets += openai_realtime.TARGETS
