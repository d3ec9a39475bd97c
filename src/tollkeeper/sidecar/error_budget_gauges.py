"""Gauges of providers' error budgets: over 30 days of the ledger, which Prometheus may not keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tollkeeper.sidecar.insight.health import STALE, budgets_of
from tollkeeper.sidecar.metrics import Sample
from tollkeeper.sidecar.samples import Family
from tollkeeper.storage.insight.evaluations import Evaluation
from tollkeeper.telemetry import sidecar_metrics as names

ERROR_BUDGET_GAUGES: Mapping[str, Family] = {
    names.ERROR_BUDGET_USED: Family(
        "What a provider has used of its error budget in the last 30 days; 1 is all of it.", ("provider",)
    ),
    names.ERROR_BUDGET_OBJECTIVE: Family(
        "The part of its calls that a provider is expected to answer.", ("provider",)
    ),  # fmt: skip
}
"""By name: what they mean, and their labels."""


def error_budget_samples(kept: Evaluation | None, now: int) -> Iterator[Sample]:
    """Of the last evaluation, unless that is long ago."""
    if kept is None or now - kept.at > STALE:
        return
    for provider, budget in budgets_of(kept).items():
        if budget.used is not None:
            yield _sample(names.ERROR_BUDGET_USED, provider, budget.used)
        yield _sample(names.ERROR_BUDGET_OBJECTIVE, provider, budget.objective)


def _sample(name: str, provider: str, value: float) -> Sample:
    return Sample(name, "gauge", ERROR_BUDGET_GAUGES[name].meaning, (("provider", provider),), value)
