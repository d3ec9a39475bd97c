"""What the API answers. Money is `Decimal`, exact; what is unknown is `None`, never zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over some calls; money in US dollars, `average_cost` of a call whose cost is known.

    The last two count the calls of which something is not known.
    """

    calls: int
    failed_calls: int
    tokens: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: Decimal | None
    cost_nano_usd: int | None
    average_cost: Decimal | None
    average_duration_ms: int | None
    unpriced_calls: int
    unmeasured_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(Sums):
    """A day of the zone's calendar."""

    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Sums):
    """One group in one interval; `start` is `None` where no interval was asked for."""

    start: datetime | None
    group: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used from `start` (included) to `end` (not included)."""

    start: datetime
    end: datetime
    zone: str
    total_calls: int
    failed_calls: int
    total_tokens: int | None
    total_prompt_tokens: int | None
    total_completion_tokens: int | None
    total_cost: Decimal | None
    total_cost_nano_usd: int | None
    average_cost: Decimal | None
    unpriced_calls: int
    unmeasured_calls: int
    by_model: dict[str, Sums]
    by_day: list[Day]
    group_by: list[str]
    interval: str | None
    groups: list[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentHour:
    """The hour of the clock that is running, and the one before."""

    since: datetime
    requests: int
    tokens: int | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The limits that hold for everybody; `None` where none is set."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_cost_per_request: Decimal | None = None
    daily_spending_limit: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """All calls that the ledger has."""

    total_requests: int
    failed_requests: int
    total_tokens: int | None
    total_cost: Decimal | None
    total_cost_nano_usd: int | None
    average_cost: Decimal | None
    unpriced_requests: int
    unmeasured_requests: int
    recent_hour: RecentHour
    daily_costs: dict[str, Decimal | None]
    rate_limits: RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider, and how to begin with it if it is not in use yet."""

    name: str
    status: str
    model: str | None = None
    calls: int = 0
    last_seen: datetime | None = None
    setup_guide: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Which providers are in use."""

    configured: bool
    configured_count: int
    total_providers: int
    default_provider: str | None
    providers: list[Provider]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One attempt of a call."""

    id: str
    attempt: int
    started_at: datetime
    provider: str
    model: str | None
    request_model: str | None
    operation: str
    outcome: str
    status_code: int | None
    error_type: str | None
    stream: bool
    duration_ms: float | None
    time_to_first_chunk_ms: float | None
    tokens: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str
    cost: Decimal | None
    cost_nano_usd: int | None
    price_status: str | None
    price_version: str | None
    tenant: str | None
    project: str | None
    user: str | None
    session: str | None
    service: str | None
    feature: str | None
    config: str | None
    tags: dict[str, str]
    response_id: str | None
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPage:
    """One page of the log; `next_cursor` is for the next one, `None` on the last."""

    calls: list[CallRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a cost: `amount` = `quantity` x `unit_price`, in US dollars, exact."""

    meter: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    model: str | None
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A later change of what a call costs."""

    repricing_id: str
    recorded_at: datetime
    delta: Decimal
    delta_nano_usd: int
    cost: Decimal | None
    cost_nano_usd: int | None
    old_price_version: str | None
    new_price_version: str | None
    line_items: list[Item]
    reason: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Another report under the same id, with other content."""

    recorded_at: datetime
    emitter: str
    record: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(CallRow):
    """One attempt, with how its cost comes about."""

    recorded_at: datetime
    emitter: str
    endpoint: str | None
    service_tier: str | None
    response_model: str | None
    finish_reasons: list[str]
    abandoned: bool
    chunks: int
    parameters: dict[str, Any]
    price_context: dict[str, str]
    cost_source: str | None
    provider_cost: Decimal | None
    usage: dict[str, Decimal]
    line_items: list[Item]
    formula: str
    adjustments: list[Correction]
    conflicts: list[Conflict]
    retracted: str | None
    trace_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    """A call; each of its attempts is billed by itself."""

    id: str
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A call that was begun and never reported."""

    id: str
    started_at: datetime
    provider: str
    model: str | None
    operation: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Calls that were begun and never reported, newest first."""

    orphans: list[Orphan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """What the sidecar's process has received since it started."""

    received: int
    recorded: int
    duplicates: int
    conflicts: int
    refused: int
    waiting: int
    lag_seconds: float | None
    last_recorded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """The ledger's database."""

    kind: str
    reachable: bool
    revision: str | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """A spool of an app process that had to drop records."""

    name: str
    dropped: int
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """What a sidecar has sent on since it started, and what it could not, in requests."""

    sent: int
    dropped: int
    waiting: int
    waiting_bytes: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The health of the sidecar, and of what it holds; `attention` says what somebody should look at."""

    status: str
    attention: list[str]
    version: str
    versions: dict[str, str]
    started_at: datetime
    uptime_seconds: int
    calls: int | None
    unpriced_calls: int | None
    unmeasured_calls: int | None
    orphans: int | None
    conflicts: int | None
    ingest: Ingest
    database: DatabaseState
    forwarding: Forwarding | None = None
    spools: list[Spool] = field(default_factory=list)
    failing_channels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The process answers."""

    status: str
    version: str
