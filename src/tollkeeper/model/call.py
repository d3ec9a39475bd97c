"""One call to a model: what was asked, what came back, what it used and cost, and on whose behalf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from tollkeeper.model.cost import Cost, PriceStatus
from tollkeeper.model.usage import NOTHING, Pass, Usage

Operation = Literal[
    "chat",
    "generate_content",
    "text_completion",
    "embeddings",
    "fetch_response",
    "batch",
    "image_generation",
    "speech",
    "transcription",
    "moderation",
    "rerank",
    "realtime",
]
"""`gen_ai.operation.name`. The conventions have no well-known value for the last seven."""

UsageSource = Literal["provider", "partial", "estimated", "unknown"]
"""Who counted. `provider`: its final report. `partial`: its report of the input, and our estimate of the output of a
stream that was cut short. `estimated`: our estimate of both. `unknown`: nobody; the counts are `None`, not zero."""


@dataclass(slots=True)
class Call:
    """One call through a provider's SDK, retries included. Written to by its own flow only; then it is final.

    Prompts and answers are never in it. `id` is a UUIDv7 and the idempotency key. `started_at` is in nanoseconds since
    the epoch; `duration`, `time_to_first_chunk` and `time_per_chunk` are in seconds. `cost` is `None` when the call is
    unpriced or has failed: unknown is never zero.
    """

    id: str
    provider: str
    operation: Operation
    started_at: int
    request_model: str | None = None
    endpoint: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    attempt: int = 1
    stream: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    duration: float | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    service_tier: str | None = None
    price_context: Mapping[str, str] = field(default_factory=dict)
    status_code: int | None = None
    error_type: str | None = None
    abandoned: bool = False
    time_to_first_chunk: float | None = None
    time_per_chunk: float | None = None
    chunks: int = 0
    usage: Usage = NOTHING
    billed_usage: Usage | None = None
    """What is charged, where the provider says that this is less than what was used (Cohere)."""
    passes: tuple[Pass, ...] = ()
    usage_source: UsageSource = "unknown"
    provider_cost: Decimal | None = None
    cost: Cost | None = None
    price_status: PriceStatus | None = None
    trace_id: str | None = None
    span_id: str | None = None
