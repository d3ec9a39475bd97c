"""How any dialect is read: its table of names, what it counts and how, and the `Call` that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tollkeeper.model import Call, Operation
from tollkeeper.model.usage import NOTHING
from tollkeeper.telemetry.attributes import EVENT_NAME, TAG_PREFIX
from tollkeeper.telemetry.dialects.accounting import Convention, Counts, usage_of
from tollkeeper.telemetry.dialects.names import OPERATIONS, error_word, host_of, maker_of, provider_of
from tollkeeper.telemetry.dialects.observed import (
    ACCOUNTING,
    RAW_COST,
    RAW_INPUT,
    RAW_OUTPUT,
    Observed,
    call_id,
)
from tollkeeper.telemetry.dialects.said import LONGEST_SECONDS, Names, Said
from tollkeeper.telemetry.emission import Emission
from tollkeeper.telemetry.services import service_at

CLIENT: Final = 3
LARGEST_MOMENT = 2**63 - 1
UNKNOWN = "unknown"
SDKS = frozenset({UNKNOWN, "openai", "anthropic", "gcp.gen_ai"})
"""Providers whose SDK is used for others too: the host tells who is behind it."""
OTHER_ERROR = "_OTHER"

PARAMETERS = (
    "gen_ai.request.max_tokens", "gen_ai.request.temperature", "gen_ai.request.top_p", "gen_ai.request.top_k",
    "gen_ai.request.seed", "gen_ai.request.choice.count", "gen_ai.request.reasoning.level", "gen_ai.output.type",
    "gen_ai.embeddings.dimension.count", "gen_ai.agent.name", "gen_ai.prompt.name",
)  # fmt: skip
"""What is kept of the request as it was said."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where each thing stands: of these names, the first that holds something. The defaults are the conventions', new
    names before old ones, with Sentry's among them."""

    provider: Names = ("gen_ai.provider.name", "gen_ai.system")
    operation: Names = ("gen_ai.operation.name", "llm.request.type")
    request_model: Names = ("gen_ai.request.model",)
    response_model: Names = ("gen_ai.response.model",)
    response_id: Names = ("gen_ai.response.id",)
    finish_reasons: Names = ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason")
    service_tier: Names = (
        "openai.response.service_tier", "anthropic.response.service_tier", "gen_ai.openai.response.service_tier",
    )  # fmt: skip
    stream: Names = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
    first_chunk: Names = ("gen_ai.response.time_to_first_chunk",)
    address: Names = ("server.address",)
    error: Names = ("error.type",)
    cost: Names = ("gen_ai.usage.cost.amount", "gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost")
    user: Names = ("user.id", "enduser.id")
    session: Names = ("gen_ai.conversation.id", "session.id")
    tenant: Names = ("tenant.id", "tenant", "customer.id")

    input: Names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
    output: Names = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
    total: Names = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")
    cache_read: Names = (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached", "gen_ai.openai.usage.cached_tokens",
    )  # fmt: skip
    cache_write: Names = (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.input_tokens.cache_write",
    )  # fmt: skip
    cache_write_1h: Names = (
        "tollkeeper.usage.cache_write_1h.input_tokens", "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    )  # fmt: skip
    reasoning: Names = (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning", "llm.usage.reasoning_tokens",
    )  # fmt: skip
    input_audio: Names = ("gen_ai.usage.audio.input_tokens",)
    input_image: Names = ("gen_ai.usage.image.input_tokens",)
    cache_read_audio: Names = ("gen_ai.usage.audio.cache_read.input_tokens",)
    cache_read_image: Names = ("gen_ai.usage.image.cache_read.input_tokens",)
    output_audio: Names = ("gen_ai.usage.audio.output_tokens",)
    output_image: Names = ("gen_ai.usage.image.output_tokens",)


def operation_of(said: Said, names: Fields) -> Operation | None:
    """The operation by its name; a span that names none and has used tokens is a chat."""
    word = said.text(*names.operation)
    if word is not None:
        return OPERATIONS.get(word.lower())
    return "chat" if said.count(*names.input, *names.output) is not None else None


def by_the_conventions(said: Said, provider: str) -> Convention:
    """The input includes the caches."""
    return "inclusive"


def always(said: Said, provider: str) -> bool:
    """The output includes the thoughts, as in the conventions."""
    return True


def nothing_more(said: Said) -> dict[str, Any]:
    """The attributes say it all."""
    return {}


def from_start_to_end(said: Said) -> float | None:
    """A span lasted from its start to its end."""
    return None


def no_provider(said: Said) -> str | None:
    """Nothing but its attribute tells the provider."""
    return None


def no_tags(said: Said) -> dict[str, str]:
    """There are no tags but those of the table."""
    return {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One emitter's way of saying things. What is not given is as in the conventions."""

    name: str
    recognises: Callable[[Said], bool]
    fields: Fields = field(default_factory=Fields)
    operation: Callable[[Said, Fields], Operation | None] = operation_of
    provider: Callable[[Said], str | None] = no_provider
    """Who is meant, where no attribute of the table says."""
    input_has_caches: Callable[[Said, str], Convention] = by_the_conventions
    output_has_thoughts: Callable[[Said, str], bool] = always
    unpack: Callable[[Said], dict[str, Any]] = nothing_more
    """What stands inside other attributes, or follows from several, as attributes that `fields` names."""
    tags: Callable[[Said], dict[str, str]] = no_tags
    lasted: Callable[[Said], float | None] = from_start_to_end
    """How many seconds before its start the call began, where a span was written at the end of it only."""
    is_guess: Callable[[Said], bool] = field(default=lambda said: False)
    """Whether the emitter has made its counts up: then they are unknown."""
    events_may_guess: bool = False
    """Whether only its spans tell that counts were made up, so that no event of its own is better than a span."""


def read_as(dialect: Dialect, said: Said) -> Observed | None:
    """The call that an emission describes; `None` for one that is not to be counted."""
    emission, names = said.emission, dialect.fields
    if emission.kind == "event" and emission.name != EVENT_NAME:
        return None
    if more := dialect.unpack(said):
        said = said.with_more(more)
    is_aggregate = said.text("gen_ai.operation.name") == "invoke_agent" and emission.span_kind == CLIENT
    operation = "chat" if is_aggregate else dialect.operation(said, names)
    if operation is None:
        return None
    provider = provider_of(said.text(*names.provider)) or dialect.provider(said)
    request_model, response_model = said.text(*names.request_model), said.text(*names.response_model)
    call = Call(
        id="",
        provider=provider or maker_of(response_model, request_model) or UNKNOWN,
        operation=operation,
        started_at=min(max(emission.started_at, 0), LARGEST_MOMENT),
        request_model=request_model,
        response_model=response_model,
        response_id=said.text(*names.response_id),
        finish_reasons=said.texts(*names.finish_reasons),
        service_tier=said.text(*names.service_tier),
        stream=said.flag(*names.stream),
        time_to_first_chunk=said.seconds(*names.first_chunk),
        error_type=_error(said, names),
        tags=_tags(said, dialect),
        trace_id=emission.trace_id or None,
        span_id=emission.span_id or None,
        parameters=_parameters(said, names),
    )
    _place(call, said, names)
    _time(call, emission, dialect.lasted(said))
    _count(call, said, dialect)
    if is_aggregate and call.usage is NOTHING:
        return None
    is_known = bool(emission.trace_id or call.response_id)
    otherwise = "" if is_known else repr((emission.name, call))
    is_measured = call.usage.input_tokens is not None or call.usage.output_tokens is not None
    call.id = call_id(emission.trace_id, emission.span_id, call.response_id, otherwise, is_measured)
    ended_at = emission.ended_at if emission.kind == "span" else emission.started_at
    return Observed(call, dialect.name, emission.parent_span_id, ended_at, emission.kind, is_aggregate)


def _place(call: Call, said: Said, names: Fields) -> None:
    call.server_address, port = host_of(said.text(*names.address))
    port = said.count("server.port") or port
    if call.server_address and port is not None and 0 < port < 65536:
        call.server_port = port
    service = service_at(call.server_address) if call.server_address else None
    if service is not None and call.provider in SDKS:
        call.provider = service.provider
    status = said.count("http.response.status_code", "http.status_code")
    call.status_code = status if status is not None and 100 <= status <= 599 else None


def _time(call: Call, emission: Emission, lasted: float | None) -> None:
    if lasted is not None:
        call.duration = lasted
        call.started_at = max(0, call.started_at - int(lasted * 1e9))
        call.stream = True
    elif emission.kind == "span" and 0 < emission.started_at <= emission.ended_at <= LARGEST_MOMENT:
        seconds = (emission.ended_at - emission.started_at) / 1e9
        call.duration = seconds if seconds <= LONGEST_SECONDS else None


def _count(call: Call, said: Said, dialect: Dialect) -> None:
    names = dialect.fields
    raw = Counts(**{name: said.count(*getattr(names, name)) for name in Counts._fields})
    if raw.input is not None:
        call.parameters[RAW_INPUT] = raw.input
    if raw.output is not None:
        call.parameters[RAW_OUTPUT] = raw.output
    if dialect.is_guess(said):
        return
    has_caches = dialect.input_has_caches(said, call.provider)
    call.usage, accounting = usage_of(raw, has_caches, dialect.output_has_thoughts(said, call.provider))
    if call.usage is not NOTHING:
        call.usage_source = "provider"
        call.parameters[ACCOUNTING] = accounting


def _error(said: Said, names: Fields) -> str | None:
    """The error's word; a span that has failed without one may have it in its exception."""
    if word := error_word(said.text(*names.error)):
        return word
    if not said.emission.failed:
        return None
    for name, attributes in reversed(said.emission.events):
        kind = attributes.get("exception.type")
        if name == "exception" and isinstance(kind, str) and kind:
            return error_word(kind)
    return OTHER_ERROR


def _tags(said: Said, dialect: Dialect) -> dict[str, str]:
    names = dialect.fields
    tags = {**dialect.tags(said), **said.below(TAG_PREFIX)}
    service = said.text("service.name") or said.of_resource("service.name")
    for tag, value in (
        ("user", said.text(*names.user)),
        ("session", said.text(*names.session)),
        ("tenant", said.text(*names.tenant) or said.of_resource(*names.tenant, "service.namespace")),
        ("service", None if service and service.startswith("unknown_service") else service),
    ):
        if value is not None:
            tags.setdefault(tag, value)
    return tags


def _parameters(said: Said, names: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PARAMETERS:
        value = said.emission.attributes.get(name)
        if type(value) in (int, float, bool) or (isinstance(value, str) and 0 < len(value) <= 100):
            found[name] = value
    for name in names.cost:
        cost: Any = said.emission.attributes.get(name)
        # What it says it cost is its own estimate, and 0 often means that it knew no price.
        if type(cost) in (int, float) and cost > 0:
            found[RAW_COST] = str(cost)
            break
    return found
