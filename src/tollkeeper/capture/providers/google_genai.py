"""Google's Gen AI SDK: the Gemini API and Vertex AI.

Chats, automatic function calling and automatic continuation all send through a few private methods of `Models`, one
call of one of them for one request to a model. So that is where calls are seen, each once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry import context as otel_context

from tollkeeper.capture import errors
from tollkeeper.capture.attribution import Tags, call_tags
from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.demand import is_open_ended
from tollkeeper.capture.denied import STATUS_CODE, Denied, denied_as, never_let_through, response_of
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.identity import new_call_id
from tollkeeper.capture.lazy import GeneratorTap
from tollkeeper.capture.methods import with_field
from tollkeeper.capture.model_keyword import ask_model
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.parameters import number, read_parameters, several, whole, word, words
from tollkeeper.capture.payload import estimate_tokens, field, parse_json, text
from tollkeeper.capture.providers import google_genai_interactions as interactions
from tollkeeper.capture.providers import google_genai_live as live
from tollkeeper.capture.providers import google_genai_retries as retries
from tollkeeper.capture.providers.google_genai_usage import (
    TIER_HEADER,
    address_of,
    embedding_usage,
    in_snake_case,
    read_usage,
    web_searches,
)
from tollkeeper.config import Settings
from tollkeeper.model import Call, Denial, Usage
from tollkeeper.model.ladder import Endpoint
from tollkeeper.model.usage import NOTHING
from tollkeeper.policy.wording import message_of

EMPTY: Mapping[str, Any] = {}
_END = object()


def _thinking_level(value: Any) -> str | None:
    return text(value, "thinking_level")


def _whole_or_float(value: Any) -> int | None:
    """`top_k` is a float here, and a whole number everywhere else."""
    return int(value) if type(value) is float and value.is_integer() else whole(value)


def _mime_type(value: Any) -> str | None:
    return OUTPUT_TYPES.get(value) if type(value) is str else None


OUTPUT_TYPES = {"application/json": "json", "text/x.enum": "json", "text/plain": "text"}

PARAMETERS = {
    "temperature": ("gen_ai.request.temperature", number),
    "top_p": ("gen_ai.request.top_p", number),
    "top_k": ("gen_ai.request.top_k", _whole_or_float),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", number),
    "presence_penalty": ("gen_ai.request.presence_penalty", number),
    "seed": ("gen_ai.request.seed", whole),
    "max_output_tokens": ("gen_ai.request.max_tokens", whole),
    "stop_sequences": ("gen_ai.request.stop_sequences", words),
    "candidate_count": ("gen_ai.request.choice.count", several),
    "thinking_config": ("gen_ai.request.reasoning.level", _thinking_level),
    "response_mime_type": ("gen_ai.output.type", _mime_type),
    "output_dimensionality": ("gen_ai.embeddings.dimension.count", whole),
    "cached_content": ("tollkeeper.request.cached_content", word),
}


def read_config(call: Call, config: Mapping[str, Any]) -> None:
    read_parameters(call, config, PARAMETERS)
    tier = text(config, "service_tier")
    if tier:
        call.price_context = {**call.price_context, "service_tier": tier.lower()}


def _head(call: Call, answer: Any) -> None:
    call.response_model = text(answer, "model_version") or call.response_model
    call.response_id = call.response_id or text(answer, "response_id")
    headers = field(field(answer, "sdk_http_response"), "headers")
    if isinstance(headers, Mapping) and isinstance(tier := headers.get(TIER_HEADER), str):
        call.service_tier = tier.lower()


def read_answer(call: Call, answer: Any) -> None:
    """A `GenerateContentResponse`; if the caller wanted the raw one, the body is in it as text."""
    body = field(field(answer, "sdk_http_response"), "body")
    if isinstance(body, str | bytes) and field(answer, "usage_metadata") is None:
        answer = in_snake_case(parse_json(body))
    _head(call, answer)
    candidates = field(answer, "candidates")
    call.finish_reasons = tuple(
        reason for one in (candidates if isinstance(candidates, list) else ()) if (reason := text(one, "finish_reason"))
    )
    if blocked := text(field(answer, "prompt_feedback"), "block_reason"):
        call.finish_reasons = call.finish_reasons or (blocked,)
    read_usage(call, field(answer, "usage_metadata"))
    _add_searches(call, candidates)


def _add_searches(call: Call, candidates: Any) -> None:
    searches = web_searches(call.response_model or call.request_model, candidates)
    if searches is not None:
        call.usage = call.usage._replace(web_searches=searches)


def read_embeddings(call: Call, answer: Any) -> None:
    _head(call, answer)
    call.usage = embedding_usage(answer)
    call.usage_source = "provider" if call.usage != NOTHING else "unknown"


def read_images(call: Call, answer: Any) -> None:
    """Billed by the image. What was filtered out is in the answer too, without an image in it."""
    images = field(answer, "generated_images")
    made = sum(1 for one in images if _has_image(field(one, "image"))) if isinstance(images, list) else 0
    if made:
        call.usage = Usage(output_images=made)
        call.usage_source = "provider"


def _has_image(image: Any) -> bool:
    return field(image, "image_bytes") is not None or field(image, "gcs_uri") is not None


class ChunksFold:
    """The chunks of a streamed answer. Each may report the usage so far: the last word wins, and nothing is summed."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._first: Any = None
        self._last: Any = None
        self._usage: Any = None
        self._grounded: Any = None
        self._texts: list[str] = []
        self._reasons: dict[int, str] = {}

    def __call__(self, chunk: Any) -> bool | None:
        self._last = chunk
        if self._first is None:
            self._first = chunk
        usage = chunk.usage_metadata
        # On Vertex AI, all chunks but the last have a usage that names the kind of traffic, and no counts.
        if usage is not None and (self._usage is None or usage.prompt_token_count is not None):
            self._usage = usage
        for candidate in chunk.candidates or ():
            self._read_candidate(candidate)
            if candidate.grounding_metadata is not None and candidate.grounding_metadata.web_search_queries:
                self._grounded = chunk.candidates
        return None

    def _read_candidate(self, candidate: Any) -> None:
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                if part.text:
                    self._texts.append(part.text)
                elif part.function_call is not None:
                    self._texts.append(f"{part.function_call.name}{part.function_call.args}")
        if candidate.finish_reason is not None:
            self._reasons[candidate.index or 0] = text(candidate, "finish_reason") or ""

    def end(self, call: Call) -> bool:
        if self._first is not None:
            call.status_code = call.status_code or 200
            _head(call, self._first)
            _head(call, self._last)
        blocked = text(field(self._first, "prompt_feedback"), "block_reason")
        call.finish_reasons = tuple(self._reasons[index] for index in sorted(self._reasons)) or (
            (blocked,) if blocked else ()
        )
        finished = bool(call.finish_reasons)
        if self._usage is not None:
            read_usage(call, self._usage)
        if not finished and (self._first is not None or call.error_type is None):
            self._estimate(call)
        _add_searches(call, self._grounded)
        return finished

    def _estimate(self, call: Call) -> None:
        """A stream that broke off: what it has counted so far stands; the rest is ours."""
        said = call.usage
        if said.input_tokens is None:
            estimate(call, sent_texts(self._request.kwargs), self._texts, NOTHING)
            return
        call.usage_source = "partial"
        if field(self._usage, "candidates_token_count") is None:
            written = estimate_tokens(*self._texts)
            call.usage = said._replace(output_tokens=written + (said.reasoning_tokens or 0))


def sent_texts(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a request that cost tokens, as plain values, for an estimate."""
    config = kwargs.get("config")
    return {
        "contents": _plain(kwargs.get("contents")),
        "system": _plain(field(config, "system_instruction")),
        "tools": _plain(field(config, "tools")),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else value


GENERATE = Surface("generate_content", read_config, read_answer, ChunksFold)
EMBED = Surface("embeddings", read_config, read_embeddings)
IMAGES = Surface("image_generation", read_config, read_images)

METHODS = {
    "_generate_content": (GENERATE, "generateContent"),
    "_generate_content_stream": (GENERATE, "streamGenerateContent"),
    "_embed_content": (EMBED, "embedContent"),
    "_generate_images": (IMAGES, "predict"),
    "_edit_image": (IMAGES, "predict"),
}
OPTIONAL = ("_embed_content", "_generate_images", "_edit_image")
"""The first is there since 2.0; the other two are deprecated, and will go."""


CAPPED = (GENERATE, interactions.INTERACTION, interactions.IN_BACKGROUND)


def error_body(denial: Denial) -> dict[str, Any]:
    """In Google's form, which says when to come back as text: https://google.aip.dev/193"""
    wait = denial.retry_after
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "" if wait is None else f"{wait:.3f}s"}
    return {
        "error": {
            "code": STATUS_CODE,
            "message": message_of(denial),
            "status": "RESOURCE_EXHAUSTED",
            "details": [] if wait is None else [retry],
        }
    }


class GoogleGenAIAdapter:
    name = "google_genai"
    targets = (
        *(
            Target("google.genai.models", f"{owner}.{method}", owner == "AsyncModels", optional=method in OPTIONAL)
            for owner in ("Models", "AsyncModels")
            for method in METHODS
        ),
        *interactions.TARGETS,
        *live.TARGETS,
        *retries.TARGETS,
    )

    def __init__(self) -> None:
        self.default_tags: Tags = {}

    def configure(self, settings: Settings) -> None:
        self.default_tags = settings.tags

    def read_request(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        if target.module == interactions.MODULE:
            return interactions.request_of(target, args, kwargs, self.default_tags)
        method = target.path.rpartition(".")[2]
        surface, action = METHODS[method]
        client = args[0]._api_client
        config = kwargs.get("config")
        options = config if type(config) is dict else getattr(config, "__dict__", EMPTY)
        own, http = client._http_options, options.get("http_options")
        base_url = text(http, "base_url") or own.base_url or ""
        host, port = address_of(base_url)
        model = kwargs.get("model")
        labels, headers = options.get("labels"), field(http, "headers")
        call = Call(
            id=new_call_id(),
            provider="gcp.vertex_ai" if client.vertexai else "gcp.gemini",
            operation=surface.operation,
            started_at=time.time_ns(),
            request_model=model if type(model) is str else None,
            endpoint=f"{host}/{text(http, 'api_version') or own.api_version}/models:{action}",
            server_address=host,
            server_port=port,
            stream=method.endswith("_stream"),
            tags=call_tags(self.default_tags, {"metadata": labels} if labels else None, headers),
        )
        surface.read_request(call, options)
        added = field(http, "extra_body") or own.extra_body
        return Request(call, surface, args, kwargs, {**kwargs, "extra_body": added} if added else kwargs)

    def cap_output(self, request: Request, tokens: int) -> bool:
        if request.surface not in CAPPED or is_open_ended(request.body):
            return False
        if request.surface in interactions.SURFACES:
            interactions.cap_output(request, tokens)
        else:
            config = with_field(request.kwargs.get("config"), "max_output_tokens", tokens)
            if type(config) is dict:
                config.pop("maxOutputTokens", None)
            request.kwargs = {**request.kwargs, "config": config}
        request.call.parameters["gen_ai.request.max_tokens"] = tokens
        return True

    def change_model(self, request: Request, model: str, endpoint: Endpoint | None) -> bool:
        return endpoint is None and ask_model(request, model)

    @never_let_through
    def denied(self, request: Request, denial: Denial) -> Denied:
        body = error_body(denial)
        package = interactions.ERRORS if request.surface in interactions.SURFACES else "google.genai.errors"
        errors = sys.modules[package]
        http = getattr(errors, "httpx2", None) or errors.httpx
        response = response_of(http, request.call, denial, body)
        if package == interactions.ERRORS:
            return denied_as(errors.RateLimitError).of(denial, message_of(denial), response=response, body=body)
        return denied_as(errors.ClientError).of(denial, STATUS_CODE, body, response)

    def refused(self, request: Request, error: BaseException) -> bool:
        """We add nothing to a request that could be refused."""
        return False

    def read_error(self, call: Call, error: BaseException) -> None:
        """`APIError` has a number in `code`, and a word such as RESOURCE_EXHAUSTED in `status`."""
        errors.read_error(call, error)
        code, status = field(error, "code"), field(error, "status")
        if type(code) is int:
            call.status_code = code
        if isinstance(status, str) and status:
            call.error_type = status

    def receive(self, observation: Observation, answer: Any) -> Any:
        request = observation.request
        if request.surface in interactions.SURFACES:
            return interactions.receive(observation, answer)
        if request.call.stream:
            assert request.surface.fold is not None
            if not hasattr(answer, "__anext__"):
                answer = _send_with_first_chunk(answer, observation)
            return GeneratorTap(answer, observation, request.surface.fold(request))
        observation.call.status_code = 200
        request.surface.read_response(observation.call, answer)
        observation.end()
        return answer


def _send_with_first_chunk(chunks: Iterator[Any], observation: Observation) -> Iterator[Any]:
    """A sync stream is sent when its first chunk is asked for: so long, the span is the current one."""
    token = observation.emitter.enter(observation)
    try:
        first = next(chunks, _END)
    finally:
        otel_context.detach(token)
    if first is not _END:
        yield first
        yield from chunks


ADAPTER = GoogleGenAIAdapter()
