"""Amazon Bedrock through boto3: Converse, ConverseStream, InvokeModel and InvokeModelWithResponseStream.

Every operation of every AWS service goes through one method of botocore; all but these four only pass.
"""

from __future__ import annotations

import base64
import binascii
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tollkeeper.capture import errors
from tollkeeper.capture.attribution import Tags, call_tags
from tollkeeper.capture.contract import Adapter, Request, Surface, Target
from tollkeeper.capture.denied import STATUS_CODE, Denied, denied_as, headers_of, never_let_through
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.estimate import estimate
from tollkeeper.capture.identity import new_call_id
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.parameters import number, read_parameters, whole, word, words
from tollkeeper.capture.payload import field, parse_json, text, texts_in
from tollkeeper.capture.providers.bedrock_body import Closing, EventTap, ReadAlong
from tollkeeper.capture.providers.bedrock_cap import capped
from tollkeeper.capture.providers.bedrock_usage import Reading, from_headers, read_usage, texts_written
from tollkeeper.capture.retries import admit_again, call_in_progress
from tollkeeper.config import Settings
from tollkeeper.model import Call, Denial, Operation
from tollkeeper.model.ladder import Endpoint
from tollkeeper.model.usage import NOTHING
from tollkeeper.policy.wording import message_of

SERVICE = "bedrock-runtime"
THROTTLED = "ThrottlingException"
LARGEST_REQUEST = 256 * 1024
"""A larger body is not parsed for its parameters: it is made of documents or images, and parsing would take a while."""

TEMPERATURE, TOP_P, TOP_K = "gen_ai.request.temperature", "gen_ai.request.top_p", "gen_ai.request.top_k"
MAX_TOKENS, STOPS = "gen_ai.request.max_tokens", "gen_ai.request.stop_sequences"
PARAMETERS = {
    "temperature": (TEMPERATURE, number),
    **dict.fromkeys(("top_p", "topP", "p"), (TOP_P, number)),
    **dict.fromkeys(("top_k", "topK", "k"), (TOP_K, whole)),
    **dict.fromkeys(
        ("max_tokens", "maxTokens", "max_new_tokens", "maxTokenCount", "max_gen_len", "max_tokens_to_sample"),
        (MAX_TOKENS, whole),
    ),
    **dict.fromkeys(("stop_sequences", "stopSequences", "stop"), (STOPS, words)),
    "dimensions": ("gen_ai.embeddings.dimension.count", whole),
}
"""The same few parameters, as the makers of the models spell them."""

NESTED = ("inferenceConfig", "textGenerationConfig", "additionalModelRequestFields")
GUARDRAIL = {"guardrailIdentifier": ("aws.bedrock.guardrail.id", word)}

NAMED_MODEL = (":foundation-model/", ":inference-profile/")
ROUTED = frozenset(("us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"))
"""What comes before the vendor in the names of inference profiles:
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html"""
"""An ARN of these kinds ends in the name of a model; one of the others (provisioned, imported) names none."""


def read_parameters_of(call: Call, body: Mapping[str, Any]) -> None:
    read_parameters(call, body, PARAMETERS)
    for name in NESTED:
        nested = body.get(name)
        if isinstance(nested, Mapping):
            read_parameters(call, nested, PARAMETERS)


def read_converse_request(call: Call, params: Mapping[str, Any]) -> None:
    read_parameters_of(call, params)
    read_parameters(call, params.get("guardrailConfig") or {}, GUARDRAIL)
    _read_price_context(call, text(params.get("serviceTier"), "type"), None)


def read_invoke_request(call: Call, params: Mapping[str, Any]) -> None:
    body = params.get("body")
    if isinstance(body, str | bytes | bytearray) and len(body) <= LARGEST_REQUEST:
        parsed = parse_json(body if isinstance(body, str) else bytes(body))
        if isinstance(parsed, dict):
            read_parameters_of(call, parsed)
            call.operation = _operation(call.request_model or "", parsed)
    read_parameters(call, params, GUARDRAIL)
    _read_price_context(call, text(params, "serviceTier"), None)


def _operation(model: str, body: Mapping[str, Any]) -> Operation:
    """What InvokeModel does depends on the model alone."""
    if "embed" in model:
        return "embeddings"
    if "rerank" in model:
        return "rerank"
    if "taskType" in body or "stability." in model or "image-generator" in model:
        return "image_generation"
    return "chat" if "messages" in body else "text_completion"


def _read_price_context(call: Call, tier: str | None, latency: str | None) -> None:
    context = {"service_tier": tier} if tier else {}
    if latency and latency != "standard":
        context["latency"] = latency
    if context:
        call.price_context = {**call.price_context, **context}


def read_converse(call: Call, answer: Any) -> None:
    """An answer of Converse, or the last event of its stream: both end with the same fields."""
    reason = text(answer, "stopReason")
    if reason:
        call.finish_reasons = (reason,)
    routed = text(field(field(answer, "trace"), "promptRouter"), "invokedModelId")
    call.response_model = _model_of(routed) if routed else call.response_model
    call.service_tier = text(field(answer, "serviceTier"), "type") or call.service_tier
    _read_price_context(call, None, text(field(answer, "performanceConfig"), "latency"))
    read_usage(call, field(answer, "usage"))


def _model_of(name: str) -> str | None:
    """The model that an ARN names; `None` where it names none, or is no ARN."""
    return name.rpartition("/")[2] if any(kind in name for kind in NAMED_MODEL) else None


def read_invoke_head(call: Call, answer: Any) -> None:
    """What there is beside the body."""
    call.service_tier = text(answer, "serviceTier") or call.service_tier
    _read_price_context(call, None, text(answer, "performanceConfigLatency"))


class MessagesFold:
    """The messages of an event stream, kept as they came: they are parsed when the stream has ended, not in its way."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._payloads: list[tuple[str, bytes]] = []

    def __call__(self, chunk: Any) -> bool | None:
        self._payloads.append((chunk.headers.get(":event-type") or "", chunk.payload))
        return None

    def _estimate(self, call: Call, texts: list[str]) -> None:
        """Nothing comes before the first message of a stream that has failed: such a call has cost nothing."""
        if self._payloads or call.error_type is None:
            estimate(call, sent_texts(self._request.body), texts, call.usage)


class ConverseFold(MessagesFold):
    """The usage is in the very last message, `metadata`; what was written, in the `contentBlockDelta`s before it."""

    def end(self, call: Call) -> bool:
        has_usage = False
        for kind, payload in self._payloads:
            if kind in ("messageStop", "metadata"):
                read_converse(call, parse_json(payload))
                has_usage = has_usage or kind == "metadata"
        if call.usage == NOTHING:
            deltas = (parse_json(payload) for kind, payload in self._payloads if kind == "contentBlockDelta")
            self._estimate(call, list(texts_in([field(delta, "delta") for delta in deltas])))
        return has_usage or bool(call.finish_reasons)


class InvokeFold(MessagesFold):
    """Each `chunk` is a piece of the model's own stream, in base64; the last one has Bedrock's metrics as well."""

    def end(self, call: Call) -> bool:
        reading, pieces = Reading(), list(self._pieces())
        for piece in pieces:
            reading.add(piece)
        reading.write(call, {})
        finished = bool(reading.reasons) or reading.metrics is not None
        if call.usage == NOTHING or not finished:
            self._estimate(call, list(texts_written(pieces)))
        return finished

    def _pieces(self) -> Iterator[Any]:
        for _, payload in self._payloads:
            encoded = text(parse_json(payload), "bytes")
            if encoded is not None:
                try:
                    yield parse_json(base64.b64decode(encoded))
                except binascii.Error:
                    continue


def sent_texts(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a request that cost tokens, for an estimate. A body that is a file is the caller's to read."""
    body = params.get("body", params)
    if isinstance(body, str | bytes | bytearray):
        body = parse_json(body if isinstance(body, str) else bytes(body))
    if not isinstance(body, Mapping):
        return {}
    found = {name: body[name] for name in ("messages", "system", "prompt", "tools") if name in body}
    for name, other in (("prompt", "inputText"), ("prompt", "message"), ("tools", "toolConfig")):
        if other in body:
            found.setdefault(name, body[other])
    return found


CONVERSE = Surface("chat", read_converse_request, read_converse, ConverseFold)
INVOKE = Surface("chat", read_invoke_request, read_invoke_head, InvokeFold)
OPERATIONS = {
    "Converse": (CONVERSE, "converse"),
    "ConverseStream": (CONVERSE, "converse-stream"),
    "InvokeModel": (INVOKE, "invoke"),
    "InvokeModelWithResponseStream": (INVOKE, "invoke-with-response-stream"),
}


@functools.lru_cache(maxsize=64)
def _address(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def error_response(denial: Denial) -> dict[str, Any]:
    """What botocore makes of an answer of status 429."""
    message = message_of(denial)
    head = {"HTTPStatusCode": STATUS_CODE, "HTTPHeaders": headers_of(denial), "RetryAttempts": 0}
    return {"Error": {"Message": message, "Code": THROTTLED}, "ResponseMetadata": head, "message": message}


def _vendor(model: str) -> str:
    """`anthropic` of `eu.anthropic.claude-haiku-4-5-20251001-v1:0`, or what an ARN has in its place."""
    first, _, rest = model.rpartition("/")[2].partition(".")
    return rest.partition(".")[0] if first in ROUTED else first


def after_retry_decision(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`Endpoint._needs_retry`, which also waits: what it lets be sent again, in whatever mode, is admitted first."""

    @functools.wraps(original)
    def needs_retry(
        self: Any,
        attempts: Any,
        operation_model: Any,
        request_dict: Any,
        response: Any = None,
        caught_exception: Any = None,
        *more: Any,
        **named: Any,
    ) -> Any:
        is_needed = original(self, attempts, operation_model, request_dict, response, caught_exception, *more, **named)
        # Inside of a call there may be others, which fetch credentials.
        if is_needed and operation_model.service_model.service_name == SERVICE:
            observation = call_in_progress(adapter, emitter)
            if observation is not None:
                admit_again(observation, None if response is None else response[0].status_code, caught_exception)
        return is_needed

    return needs_retry


class BedrockAdapter:
    name = "bedrock"
    targets = (
        Target("botocore.client", "BaseClient._make_api_call"),
        Target("botocore.endpoint", "Endpoint._needs_retry", optional=True, wrap=after_retry_decision),
    )

    def __init__(self) -> None:
        self._default_tags: Tags = {}

    def configure(self, settings: Settings) -> None:
        self._default_tags = settings.tags

    def read_request(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        operation = args[1] if len(args) > 1 else kwargs.get("operation_name")
        known = OPERATIONS.get(operation) if isinstance(operation, str) else None
        if known is None or args[0].meta.service_model.service_name != SERVICE:
            return None
        surface, action = known
        params = args[2] if len(args) > 2 else kwargs.get("api_params") or {}
        host, port = _address(args[0].meta.endpoint_url)
        model, tags = text(params, "modelId"), params.get("requestMetadata")
        call = Call(
            id=new_call_id(),
            provider="aws.bedrock",
            operation=surface.operation,
            started_at=time.time_ns(),
            request_model=model,
            response_model=_model_of(model) if model else None,
            endpoint=f"{host}/{action}",
            server_address=host,
            server_port=port,
            stream=action.endswith("stream"),
            tags=call_tags(self._default_tags, {"metadata": tags} if isinstance(tags, Mapping) else None, None),
        )
        surface.read_request(call, params)
        return Request(call, surface, args, kwargs, params)

    def cap_output(self, request: Request, tokens: int) -> bool:
        params = capped(request.surface is CONVERSE, request.body, tokens)
        if params is None:
            return False
        if len(request.args) > 2:
            request.args = (*request.args[:2], params, *request.args[3:])
        else:
            request.kwargs = {**request.kwargs, "api_params": params}
        request.call.parameters[MAX_TOKENS] = tokens
        return True

    def change_model(self, request: Request, model: str, endpoint: Endpoint | None) -> bool:
        params, asked = request.body, request.call.request_model
        # Each vendor's models take a body of their own; only Converse is the same for all.
        if endpoint is not None or asked is None:
            return False
        if request.surface is not CONVERSE and _vendor(model) != _vendor(asked):
            return False
        params = {**params, "modelId": model}
        if len(request.args) > 2:
            request.args = (*request.args[:2], params, *request.args[3:])
        else:
            request.kwargs = {**request.kwargs, "api_params": params}
        request.body = params
        request.call.request_model, request.call.response_model = model, _model_of(model)
        return True

    @never_let_through
    def denied(self, request: Request, denial: Denial) -> Denied:
        operation = request.args[1] if len(request.args) > 1 else request.kwargs["operation_name"]
        kind = request.args[0].exceptions.from_code(THROTTLED)
        return denied_as(kind).of(denial, error_response(denial), operation)

    def refused(self, request: Request, error: BaseException) -> bool:
        """We add nothing to a request that could be refused."""
        return False

    def read_error(self, call: Call, error: BaseException) -> None:
        """A `ClientError` carries the service's word for it, and the status."""
        response = field(error, "response")
        code = text(field(response, "Error"), "Code")
        status = field(field(response, "ResponseMetadata"), "HTTPStatusCode")
        if code is None:
            errors.read_error(call, error)
            return
        call.error_type = code
        if type(status) is int:
            call.status_code = status

    def receive(self, observation: Observation, answer: Any) -> Any:
        request, call = observation.request, observation.call
        head = answer.get("ResponseMetadata") or {}
        call.status_code = head.get("HTTPStatusCode") or 200
        request.surface.read_response(call, answer)
        if call.stream:
            _tap_events(observation, answer["stream" if request.surface is CONVERSE else "body"])
        elif request.surface is INVOKE:
            _read_along(observation, answer["body"], head.get("HTTPHeaders"))
        else:
            observation.end()
        return answer


def _tap_events(observation: Observation, events: Any) -> None:
    request = observation.request
    assert request.surface.fold is not None
    events._event_generator = EventTap(events._event_generator, observation, request.surface.fold(request))
    events._raw_stream = Closing(events._raw_stream, observation)


def _read_along(observation: Observation, body: Any, headers: Any) -> None:
    call, counted = observation.call, from_headers(headers)

    def take(content: bytes | None) -> None:
        reading = Reading()
        reading.add(parse_json(content) if content is not None else None)
        reading.write(call, counted)

    if not hasattr(body, "_raw_stream"):  # a stand-in, such as botocore's stubber is given
        take(None)
        observation.end()
        return
    length = text(headers, "content-length") or ""
    body._raw_stream = ReadAlong(
        body._raw_stream, observation, int(length) if length.isascii() and length.isdigit() else None, take
    )


ADAPTER = BedrockAdapter()
