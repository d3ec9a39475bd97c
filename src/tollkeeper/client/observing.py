"""The questions about how providers do. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.observations import (
    Benchmarks,
    BenchmarkState,
    Comparison,
    Measure,
    Patterns,
    ProviderHealth,
    Window,
)


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
