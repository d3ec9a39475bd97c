"""The questions about how providers do. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tollkeeper.client.alerting import Severity
from tollkeeper.client.ask import Ask, body_of, query_of, reader

Window = Literal["5m", "1h", "24h", "7d"]
Fault = Literal["429", "5xx", "timeout", "connection", "caller"]
Measure = Literal[
    "success_rate", "rate_limited_share", "latency_p50", "latency_p95", "latency_p99", "first_chunk_p50",
    "first_chunk_p95", "first_chunk_p99", "output_tokens_per_second", "streamed_tokens_per_second",
    "usd_per_1k_tokens", "usd_per_answer",
]  # fmt: skip
"""Shares are of one, times are in seconds, money is US dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Seconds."""

    calls: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """How calls have failed, and whose fault it was."""

    status: int | None
    error: str
    fault: Fault
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOf:
    """How a provider does (empty: all), a model (else `None`), or a service tier of one (else `None`)."""

    provider: str
    model: str | None
    tier: str | None
    calls: int
    answered_calls: int
    failed_calls: int
    success_rate: float | None
    rate_limited_share: float | None
    faults: dict[str, int]
    errors: list[ErrorCount]
    latency: Quantiles
    first_chunk: Quantiles
    output_tokens_per_second: float | None
    streamed_tokens_per_second: float | None
    cost: Decimal | None
    cost_nano_usd: int | None
    calls_with_cost: int
    unpriced_calls: int
    unmeasured_calls: int
    cost_per_1k_tokens: Decimal | None
    cost_per_answer: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """How fast an error budget is used up, over a long window and a short one; both must reach the threshold."""

    long_seconds: int
    short_seconds: int
    threshold: float
    long: float | None
    short: float | None
    burning: bool
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudgetOf:
    """How much a provider may fail, and what of that is used (1 is all)."""

    provider: str
    objective: float
    period_seconds: int
    calls: int
    failed_calls: int
    allowed_failures: float
    used: float | None
    severity: Severity | None
    burns: list[BurnRate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """How everybody does over a window, the busiest first."""

    window: Window
    evaluated_at: datetime | None
    start: datetime | None
    end: datetime | None
    total: HealthOf | None
    providers: list[HealthOf]
    models: list[HealthOf]
    tiers: list[HealthOf]
    budgets: list[ErrorBudgetOf]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMeasure:
    """One measure, against the best of all and against what was expected."""

    measure: Measure
    value: float | None
    calls: int
    best: str | None
    of_best: float | None
    benchmark: float | None
    source: str | None
    of_benchmark: float | None
    verdict: Literal["better", "as_said", "worse", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedOne:
    """A provider or a model (else `None`), by every measure."""

    provider: str
    model: str | None
    calls: int
    measures: list[ComparedMeasure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Providers with providers, and models with models."""

    window: Window
    evaluated_at: datetime | None
    start: datetime | None
    end: datetime | None
    providers: list[ComparedOne]
    models: list[ComparedOne]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkState:
    """What is expected, of whom (`model` of `None`: of all of the provider's), and who says so."""

    provider: str
    model: str | None
    measure: Measure
    value: Decimal
    source: str
    changed_at: datetime
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarks:
    """By provider, model and measure."""

    benchmarks: list[BenchmarkState]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentOn:
    """Some calls, and what those cost of which that is known (`calls_with_cost`)."""

    calls: int
    calls_with_cost: int
    cost: Decimal
    cost_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSlot:
    """An hour (else `None`) of a weekday (0 is Monday; else `None`), as often as it came."""

    weekday: int | None
    hour: int | None
    times: int
    calls: int
    calls_a_time: float | None
    tokens: int
    cost: Decimal | None
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """Who has spent the most; `share` is of all."""

    name: str
    calls: int
    failed_calls: int
    cost: Decimal | None
    cost_nano_usd: int | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSession(SpentOn):
    """A session, counted on the days on which it was among the dearest."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeavyTail:
    """The dearest calls: such a `part` of all."""

    part: float
    calls: int
    of: int
    least_cost: Decimal | None
    cost: Decimal
    cost_nano_usd: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Tokens that were written to a cache, and that nobody has read; `extra_cost` is what plain input would save."""

    writes: int
    tokens: int
    cost: Decimal
    cost_nano_usd: int
    extra_cost: Decimal
    extra_cost_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePattern:
    """How prompt caches were used."""

    hit_ratio: float | None
    input_tokens: int
    read_tokens: int
    written_tokens: int
    writes: int
    priced_writes: int
    write_cost: Decimal
    write_cost_nano_usd: int
    waiting_writes: int
    unjudged_writes: int
    saved: Decimal | None
    saved_nano_usd: int | None
    weighed_calls: int
    unread_at_least: Unread
    unread_at_most: Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """How prompt caches were used in a window; `evaluated_at` of `None`: not evaluated yet."""

    window: Literal["7d", "30d"]
    evaluated_at: datetime | None
    cache: CachePattern | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasted:
    """What was paid for to little purpose."""

    retries: SpentOn
    failed: SpentOn
    billed_failures: SpentOn
    truncated: SpentOn
    finish_known: int
    large_input: SpentOn
    tiny_output: SpentOn
    tiny_output_input_tokens: int
    long_context: SpentOn
    long_context_surcharge: SpentOn


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """When and who, up to now; and, as of `evaluated_at`, how spend is spread, and what was in vain."""

    window: Literal["7d", "30d"]
    zone: str
    start: datetime
    end: datetime
    peaks: list[TimeSlot]
    peak_hours: list[TimeSlot]
    hours: list[TimeSlot]
    weekdays: list[TimeSlot]
    heat_map: list[TimeSlot]
    top: dict[str, list[Top]]
    evaluated_at: datetime | None
    evaluated_start: datetime | None
    evaluated_end: datetime | None
    total: SpentOn | None
    heavy_tail: HeavyTail | None
    top_sessions: list[TopSession]
    cache: CachePattern | None
    wasted: Wasted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """What the processes of a service have said of one key. `last_four`: `None` if none is set, or it is too short."""

    provider: str
    variable: str
    service: str
    is_set: bool
    last_four: str | None
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """By variable and service, what was said last first."""

    keys: list[ProviderKey]


def provider_health(
    *, window: Window | None = None, provider: str | Sequence[str] | None = None
) -> Ask[ProviderHealth]:
    """Success, latency, speed, errors and cost of providers and models, and error budgets; evaluated every minute."""
    return Ask("GET", "/providers/health", reader(ProviderHealth), query_of(locals()))


def provider_comparison(
    *, window: Window | None = None, provider: str | Sequence[str] | None = None
) -> Ask[Comparison]:
    """Providers with each other, models with each other, and all with what is expected of them."""
    return Ask("GET", "/providers/comparison", reader(Comparison), query_of(locals()))


def patterns(
    *, window: Literal["7d", "30d"] | None = None, zone: str | None = None, top: int | None = None
) -> Ask[Patterns]:
    """Peak hours and weekdays, who spends the most; how spend is spread, and what was paid for in vain."""
    return Ask("GET", "/patterns", reader(Patterns), query_of(locals()))


def prompt_caches(*, window: Literal["7d", "30d"] | None = None) -> Ask[Caches]:
    """How prompt caches were used: the part of `patterns` that is quick to ask for."""
    return Ask("GET", "/patterns/cache", reader(Caches), query_of(locals()))


def provider_keys() -> Ask[ProviderKeys]:
    """Whether providers' keys are set where the apps run, as they say: never a key, only its last four characters."""
    return Ask("GET", "/provider-keys", reader(ProviderKeys))


def benchmarks() -> Ask[Benchmarks]:
    """What is expected of providers."""
    return Ask("GET", "/benchmarks", reader(Benchmarks))


def set_benchmark(
    provider: str,
    measure: Measure,
    value: Decimal | float | str,
    *,
    source: str,
    model: str | None = None,
    reason: str | None = None,
) -> Ask[BenchmarkState]:
    """Expect something of a provider, or of one of its models. `source` says who says so."""
    said = {"provider": provider, "measure": measure, "value": Decimal(str(value)), "source": source}
    return Ask(
        "PUT", "/benchmarks", reader(BenchmarkState), body={**said, **body_of({"model": model, "reason": reason})}
    )


def remove_benchmark(
    provider: str, measure: Measure, *, model: str | None = None, reason: str | None = None
) -> Ask[BenchmarkState]:
    """Expect it no more. Answers with the benchmark as it was; `NotFound` if there is none."""
    return Ask("DELETE", "/benchmarks", reader(BenchmarkState), query_of(locals()))
