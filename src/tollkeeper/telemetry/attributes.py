"""A `Call` as GenAI attributes, and back. What is written here is read here; nothing else spells an attribute name."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from tollkeeper.model import Call, Cost, Usage

Attributes = dict[str, Any]

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
STREAM = "gen_ai.request.stream"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
TOKEN_TYPE = "gen_ai.token.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
STATUS_CODE = "http.response.status_code"
ERROR_TYPE = "error.type"
USER_ID = "user.id"
SESSION_ID = "session.id"
CALL_ID = "tollkeeper.call.id"
USAGE_SOURCE = "tollkeeper.usage.source"
ABANDONED = "tollkeeper.stream.abandoned"
TAG_PREFIX = "tollkeeper.tag."
COST_AMOUNT = "gen_ai.usage.cost.amount"
COST_CURRENCY = "gen_ai.usage.cost.currency"
COST_SOURCE = "gen_ai.usage.cost.source"
ASKED_MODEL = "tollkeeper.asked.model"
STEPS = "tollkeeper.steps"
FALLBACK_REASON = "tollkeeper.fallback.reason"
PROMPT_DIGEST = "tollkeeper.prompt.digest"
NOTES = frozenset((ASKED_MODEL, STEPS, FALLBACK_REASON))
"""What a policy has made of a call: the model that the caller asked for, the steps that changed it, and what failed."""
EVENT_NAME = "gen_ai.client.inference.operation.details"

USAGE_NAMES = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "cache_write_1h_tokens": "tollkeeper.usage.cache_write_1h.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "input_video_tokens": "tollkeeper.usage.video.input_tokens",
    "cache_read_audio_tokens": "gen_ai.usage.audio.cache_read.input_tokens",
    "cache_read_image_tokens": "gen_ai.usage.image.cache_read.input_tokens",
    "output_audio_tokens": "gen_ai.usage.audio.output_tokens",
    "output_image_tokens": "gen_ai.usage.image.output_tokens",
    "web_searches": "tollkeeper.usage.web_searches",
    "input_audio_seconds": "tollkeeper.usage.audio.input_seconds",
    "input_characters": "tollkeeper.usage.input_characters",
    "output_images": "tollkeeper.usage.output_images",
}
INPUT_TOKENS, OUTPUT_TOKENS, *PART_NAMES = USAGE_NAMES.values()
parts_of = attrgetter(*list(USAGE_NAMES)[2:])
CACHE_CREATION = "gen_ai.usage.cache_creation.input_tokens"
"""The older name of `cache_write`, written beside it for the dashboards that know only that."""

SERVICE_TIER_NAMES = {"openai": "openai.response.service_tier", "azure.ai.openai": "openai.response.service_tier"}
SERVICE_TIER = "tollkeeper.response.service_tier"


def request_attributes(call: Call) -> Attributes:
    """What is known before the call is sent: samplers see these."""
    attributes = {OPERATION: call.operation, PROVIDER: call.provider, **call.parameters}
    if call.request_model is not None:
        attributes[REQUEST_MODEL] = call.request_model
    if call.server_address is not None:
        attributes[SERVER_ADDRESS] = call.server_address
        if call.server_port is not None:
            attributes[SERVER_PORT] = call.server_port
    if call.stream:
        attributes[STREAM] = True
    return attributes


def response_attributes(call: Call) -> Attributes:
    """What the answer adds. A `fetch_response` never shows tokens: they belong to the call that it fetches."""
    attributes: Attributes = {}
    if call.usage_source != "provider":
        attributes[USAGE_SOURCE] = call.usage_source
    if call.response_model is not None:
        attributes[RESPONSE_MODEL] = call.response_model
    if call.response_id is not None:
        attributes[RESPONSE_ID] = call.response_id
    if call.finish_reasons:
        attributes[FINISH_REASONS] = call.finish_reasons
    if call.service_tier is not None:
        attributes[SERVICE_TIER_NAMES.get(call.provider, SERVICE_TIER)] = call.service_tier
    if call.status_code is not None and call.status_code != 200:
        attributes[STATUS_CODE] = call.status_code
    if call.error_type is not None:
        attributes[ERROR_TYPE] = call.error_type
    if call.time_to_first_chunk is not None:
        attributes[TIME_TO_FIRST_CHUNK] = call.time_to_first_chunk
    if call.abandoned:
        attributes[ABANDONED] = True
    if call.operation != "fetch_response":
        write_usage(attributes, call.usage)
        write_cost(attributes, call.cost)
    if call.tags:
        _write_tags(attributes, call.tags)
    return attributes


def write_usage(attributes: Attributes, usage: Usage) -> None:
    """The two totals, and the parts of them that are not zero."""
    if usage.input_tokens is not None:
        attributes[INPUT_TOKENS] = usage.input_tokens
    if usage.output_tokens is not None:
        attributes[OUTPUT_TOKENS] = usage.output_tokens
    for value, name in zip(parts_of(usage), PART_NAMES, strict=True):
        if value:
            attributes[name] = value if type(value) is int else str(value)
    if usage.cache_write_tokens:
        attributes[CACHE_CREATION] = usage.cache_write_tokens


def write_cost(attributes: Attributes, cost: Cost | None) -> None:
    if cost is not None:
        attributes[COST_AMOUNT] = float(cost.usd)
        attributes[COST_CURRENCY] = "USD"
        attributes[COST_SOURCE] = "provider" if cost.source == "provider" else "local"


def _write_tags(attributes: Attributes, tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        attributes[TAG_PREFIX + name] = value
    if "user" in tags:
        attributes[USER_ID] = tags["user"]
    if "session" in tags:
        attributes[SESSION_ID] = tags["session"]
