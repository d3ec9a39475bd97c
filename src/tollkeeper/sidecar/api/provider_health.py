"""`GET /providers/health` and `/providers/comparison`: how providers and models do. Evaluated every minute."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from tollkeeper.insight.comparison import FEWEST_CALLS, Compared, Measure, Verdict, compare
from tollkeeper.insight.error_budget import ErrorBudget
from tollkeeper.insight.health import Fault, Figures, Key
from tollkeeper.model.finding import Severity
from tollkeeper.sidecar.api.answer import Answer, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.versioned import IfNoneMatch, is_known, version_headers
from tollkeeper.sidecar.insight.health import Evaluated, Window, budgets_of, latest, windows_of

router = APIRouter(tags=["insight"])

BELIEVED_FOR = 300 * 10**9
"""Nanoseconds. An app cannot tell by its own clock how old an evaluation is; one that starts would take it for new."""

Share = Annotated[float, Field(ge=0, le=1)]


class HealthParams(BaseModel):
    """Over which time, and whose."""

    window: Window = Field(
        default="24h",
        description="`5m`: the last 5 minutes. `1h`: the last 60 (fewer, where they have very many calls)."
        " `24h`: the last 24 full hours, and the one under way. `7d`: today and the six days of UTC before it.",
    )
    provider: list[Annotated[str, Field(max_length=LONGEST)]] = Field(
        default=[], description="Only these.", examples=[["openai"]]
    )


class Quantiles(BaseModel):
    """Seconds, to 3 %; null where nothing was measured."""

    calls: int = Field(description="Those that were measured.")
    p50: float | None
    p95: float | None
    p99: float | None


class ErrorCount(BaseModel):
    """How calls have failed."""

    status: int | None = Field(description="Of HTTP, where there was an answer.", examples=[429])
    error: str = Field(description="The provider's own word, else the exception's name.", examples=["rate_limit_error"])
    fault: Fault = Field(description="`caller`: the call was refused as wrong. All others are the provider's.")
    calls: int


class HealthOf(BaseModel):
    """Of a provider, a model, or a service tier of one."""

    provider: str = Field(description="Empty: of all.", examples=["openai"])
    model: str | None = Field(description="As it was asked for; null: all of the provider's.", examples=["gpt-4o-mini"])
    tier: str | None = Field(description="As the provider names it; null: all, and those without.", examples=["flex"])
    calls: int
    answered_calls: int
    failed_calls: int
    success_rate: Share | None = Field(
        description="Of the calls that could be answered, those that were: what a caller did wrong is left out."
    )
    rate_limited_share: Share | None = Field(description="Of all calls, those that ended with a 429.")
    faults: dict[Fault, int] = Field(description="Failed calls, by whose fault it was.", examples=[{"429": 3}])
    errors: list[ErrorCount] = Field(description="The 20 most frequent.")
    latency: Quantiles = Field(description="Until the answer, or the stream, was complete.")
    first_chunk: Quantiles = Field(description="Of streams, until their first chunk.")
    output_tokens_per_second: float | None = Field(description="Over whole calls.")
    streamed_tokens_per_second: float | None = Field(description="Of streams, from the first chunk on.")
    cost: Usd | None = Field(description="Of all calls whose cost is known, failed ones too.")
    cost_nano_usd: NanoUsd | None
    calls_with_cost: int
    unpriced_calls: int
    unmeasured_calls: int
    cost_per_1k_tokens: Usd | None = Field(description="Over input and output, rounded to the nano-dollar.")
    cost_per_answer: Usd | None = Field(description="What failed calls cost is in it. Rounded to the nano-dollar.")


class BurnRate(BaseModel):
    """How fast a budget is used up: 1 is just so that it lasts for the period."""

    long_seconds: int
    short_seconds: int
    threshold: float = Field(description="Both must reach it.", examples=[14.4])
    long: float | None
    short: float | None
    burning: bool
    severity: Severity


class ErrorBudgetOf(BaseModel):
    """How much a provider may fail, and what of that is used."""

    provider: str
    objective: Share = Field(description="The benchmark of the provider's `success_rate`; 0.99 where there is none.")
    period_seconds: int
    calls: int = Field(description="Of the period, without those that a caller did wrong.")
    failed_calls: int
    allowed_failures: float
    used: float | None = Field(description="1 is all of it.")
    severity: Severity | None = Field(description="Of the worst burn; null: all is well.")
    burns: list[BurnRate]


class ProviderHealth(BaseModel):
    """How everybody does, the busiest first."""

    window: Window
    evaluated_at: datetime | None = Field(description="Null: not yet; then all else is empty.")
    start: datetime | None
    end: datetime | None
    total: HealthOf | None = Field(description="Of all providers together, whichever were asked for.")
    providers: list[HealthOf]
    models: list[HealthOf]
    tiers: list[HealthOf] = Field(description="Of the calls whose service tier is known.")
    budgets: list[ErrorBudgetOf] = Field(description="Whatever the window is: over 30 days.")


class Recent(BaseModel):
    """How a model does: over an hour, and over the newest five minutes of it."""

    provider: str
    model: str = Field(description="As it was asked for.")
    calls: int
    success_rate: Share | None
    latency_p50: float | None = Field(description="Seconds.")
    latency_p95: float | None
    newest_calls: int
    newest_success_rate: Share | None


class RecentHealth(BaseModel):
    """The busiest first."""

    evaluated_at: datetime | None
    models: list[Recent]


class ComparedMeasure(BaseModel):
    """One measure, against the best of all and against what was expected."""

    measure: Measure
    value: float | None
    calls: int = Field(description=f"Behind the value. Of fewer than {FEWEST_CALLS} nothing is said.")
    best: str | None = Field(description="Who has the best value.", examples=["groq/llama-3.3-70b-versatile"])
    of_best: float | None = Field(description="The value, divided by the best one.")
    benchmark: float | None = Field(description="What was expected: of the model, else of its provider.")
    source: str | None = Field(description="Who says so.")
    of_benchmark: float | None = Field(description="The value, divided by the benchmark.")
    verdict: Verdict = Field(
        description="`as_said`: within a tenth; of shares, where the benchmark is within the 95 % interval (Wilson)."
    )


class ComparedOne(BaseModel):
    """A provider or a model, by every measure."""

    provider: str
    model: str | None
    calls: int
    measures: list[ComparedMeasure]


class Comparison(BaseModel):
    """Providers with providers, and models with models."""

    window: Window
    evaluated_at: datetime | None
    start: datetime | None
    end: datetime | None
    providers: list[ComparedOne]
    models: list[ComparedOne]


@router.get("/providers/health", response_model=ProviderHealth, summary="How providers and models do")
def provider_health(given: Given, params: Annotated[HealthParams, Query()]) -> Answer:
    """Success, latency, speed, errors and cost, as all apps together have seen them; and error budgets."""
    at, window = _window(given, params)
    levels = window.levels if window is not None else {}
    evaluation = latest(given.insight.evaluations)
    budgets = budgets_of(evaluation) if evaluation is not None else {}
    return Answer(
        ProviderHealth(
            window=params.window,
            evaluated_at=at,
            start=moment(window.start) if window is not None else None,
            end=moment(window.end) if window is not None else None,
            total=next((_health(key, each) for key, each in levels.get("all", {}).items()), None),
            providers=[_health(key, each) for key, each in _of(levels.get("providers", {}).items(), params)],
            models=[_health(key, each) for key, each in _of(levels.get("models", {}).items(), params)],
            tiers=[_health(key, each) for key, each in _of(levels.get("tiers", {}).items(), params)],
            budgets=[
                _budget(provider, budget)
                for provider, budget in budgets.items()
                if not params.provider or provider in params.provider
            ],
        )
    )


@router.get(
    "/providers/recent",
    response_model=RecentHealth,
    summary="How models do, for apps",
    responses={304: {"description": "It is the same still."}},
)
def recent_health(given: Given, if_none_match: IfNoneMatch = None) -> Response:
    """What `tollkeeper.cheapest` and the failover of apps go by, besides what they see themselves."""
    evaluation = latest(given.insight.evaluations)
    if evaluation is None or given.now_nanoseconds() - evaluation.at > BELIEVED_FOR:
        return Answer(RecentHealth(evaluated_at=None, models=[]))
    if is_known(evaluation.at, if_none_match):
        return Response(status_code=304, headers=version_headers(evaluation.at))
    windows = windows_of(evaluation)
    newest = windows["5m"].levels["models"]
    models = [_recent(key, each, newest.get(key)) for key, each in windows["1h"].levels["models"].items()]
    return Answer(
        RecentHealth(evaluated_at=moment(evaluation.at), models=models), headers=version_headers(evaluation.at)
    )


@router.get("/providers/comparison", response_model=Comparison, summary="Providers and models, compared")
def provider_comparison(given: Given, params: Annotated[HealthParams, Query()]) -> Answer:
    """With each other, and with the benchmarks that people have set: `GET benchmarks`."""
    at, window = _window(given, params)
    levels = window.levels if window is not None else {}
    benchmarks = [kept.benchmark for kept in given.insight.benchmarks.all()]
    providers, models = (dict(_of(levels.get(level, {}).items(), params)) for level in ("providers", "models"))
    return Answer(
        Comparison(
            window=params.window,
            evaluated_at=at,
            start=moment(window.start) if window is not None else None,
            end=moment(window.end) if window is not None else None,
            providers=[_compared(key, providers[key], each) for key, each in compare(providers, benchmarks).items()],
            models=[_compared(key, models[key], each) for key, each in compare(models, benchmarks).items()],
        )
    )


def _window(given: Services, params: HealthParams) -> tuple[datetime | None, Evaluated | None]:
    evaluation = latest(given.insight.evaluations)
    if evaluation is None:
        return None, None
    return moment(evaluation.at), windows_of(evaluation)[params.window]


def _of(found: Iterable[tuple[Key, Figures]], params: HealthParams) -> list[tuple[Key, Figures]]:
    return [(key, each) for key, each in found if not params.provider or key.provider in params.provider]


def _health(key: Key, each: Figures) -> HealthOf:
    return HealthOf(
        provider=key.provider,
        model=key.model or None,
        tier=key.tier or None,
        calls=each.calls,
        answered_calls=each.answered,
        failed_calls=each.failed,
        success_rate=each.success_rate,
        rate_limited_share=each.rate_limited_share,
        faults=dict(each.faults),
        errors=[
            ErrorCount(status=failed.status, error=failed.error, fault=failed.fault, calls=calls)
            for failed, calls in each.errors
        ],
        latency=Quantiles(calls=each.timed, p50=each.latency_p50, p95=each.latency_p95, p99=each.latency_p99),
        first_chunk=Quantiles(
            calls=each.streams, p50=each.first_chunk_p50, p95=each.first_chunk_p95, p99=each.first_chunk_p99
        ),
        output_tokens_per_second=each.output_tokens_per_second,
        streamed_tokens_per_second=each.streamed_tokens_per_second,
        cost=_dollars(each.nano_usd),
        cost_nano_usd=each.nano_usd,
        calls_with_cost=each.costed,
        unpriced_calls=each.unpriced,
        unmeasured_calls=each.unmeasured,
        cost_per_1k_tokens=_dollars(each.nano_usd_per_1k_tokens),
        cost_per_answer=_dollars(each.nano_usd_per_answer),
    )


def _recent(key: Key, each: Figures, newest: Figures | None) -> Recent:
    return Recent(
        provider=key.provider,
        model=key.model,
        calls=each.calls,
        success_rate=each.success_rate,
        latency_p50=each.latency_p50,
        latency_p95=each.latency_p95,
        newest_calls=newest.calls if newest is not None else 0,
        newest_success_rate=newest.success_rate if newest is not None else None,
    )


def _budget(provider: str, budget: ErrorBudget) -> ErrorBudgetOf:
    return ErrorBudgetOf(
        provider=provider,
        objective=budget.objective,
        period_seconds=budget.period,
        calls=budget.calls,
        failed_calls=budget.failed,
        allowed_failures=budget.allowed,
        used=budget.used,
        severity=budget.severity,
        burns=[
            BurnRate(
                long_seconds=burn.pair.long,
                short_seconds=burn.pair.short,
                threshold=burn.threshold,
                long=burn.long,
                short=burn.short,
                burning=burn.burning,
                severity=burn.pair.severity,
            )
            for burn in budget.burns
        ],
    )


def _compared(key: Key, figures: Figures, measures: Iterable[Compared]) -> ComparedOne:
    return ComparedOne(
        provider=key.provider,
        model=key.model or None,
        calls=figures.calls,
        measures=[
            ComparedMeasure(
                measure=each.measure,
                value=each.value,
                calls=each.calls,
                best="/".join(filter(None, each.best)) if each.best is not None else None,
                of_best=each.of_best,
                benchmark=float(each.benchmark.value) if each.benchmark is not None else None,
                source=each.benchmark.source if each.benchmark is not None else None,
                of_benchmark=each.of_benchmark,
                verdict=each.verdict,
            )
            for each in measures
        ],
    )


def _dollars(nano: int | None) -> Usd | None:
    return None if nano is None else usd(nano)
