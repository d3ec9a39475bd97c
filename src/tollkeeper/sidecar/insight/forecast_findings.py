"""Budgets that will be used up before their period ends, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tollkeeper.insight.forecast.published import Published
from tollkeeper.model.finding import Finding, Severity
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.storage.insight.forecasts import Forecasts, budget_of

NEARLY_SURE: Final = 0.95


def forecast_findings(forecasts: Forecasts) -> Callable[[int], Iterator[Finding]]:
    """What is told of now: of periods that are running, and whose budget is not used up yet."""

    def found(now: int) -> Iterator[Finding]:
        for one in forecasts.latest().forecasts:
            if one.foreseen and one.end > now and one.amount is not None and one.spent < one.amount:
                yield finding_of(one)

    return found


def finding_of(forecast: Published) -> Finding:
    """What there is to tell of a budget that will not last."""
    assert forecast.limit is not None
    severity: Severity = "critical" if (forecast.exceeds or 0.0) >= NEARLY_SURE else "warning"
    return Finding(
        "forecast", forecast.limit, forecast.scope, severity, 0, forecast.start, forecast.end, facts_of(forecast)
    )


def facts_of(forecast: Published) -> dict[str, Any]:
    """The figures, for people and templates."""
    early, median, late = forecast.exhaustion or (None, None, None)
    return {
        "measure": forecast.measure,
        "amount": forecast.amount,
        "used": forecast.spent,
        "forecast": forecast.middle,
        "forecast_low": forecast.low,
        "forecast_high": forecast.high,
        "probability": forecast.exceeds,
        "exhausted_early": early,
        "exhausted": median,
        "exhausted_late": late,
        "method": forecast.method,
    }


def foreseen(forecasts: Forecasts, use: LimitUse) -> dict[str, Any]:
    """What is told of where a limit's period will end besides how it stands; empty where nobody can tell."""
    known = forecasts.latest().budgets.get(budget_of(use.limit.name, use.scope, use.period_start))
    if known is None or known.middle is None or known.amount != use.limit.amount:
        return {}
    facts = facts_of(known)
    # Since it was made, more may have been used than it foresaw.
    facts["forecast"] = max(known.middle, use.used)
    shown = (
        "forecast",
        "forecast_low",
        "forecast_high",
        "probability",
        "exhausted",
        "exhausted_early",
        "exhausted_late",
    )
    return {name: facts[name] for name in shown}
