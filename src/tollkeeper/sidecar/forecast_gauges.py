"""Gauges of forecasts: of what is spent, and of where limits will end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

from tollkeeper.insight.forecast.published import Published
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.sidecar.metrics import NANO, Sample
from tollkeeper.sidecar.samples import Family
from tollkeeper.storage.insight.forecasts import Foreseen, budget_of
from tollkeeper.telemetry import sidecar_metrics as names

MOST_SCOPES: Final = 20
"""With series of their own, of each dimension: those that will spend the most."""
STALE: Final = 3 * 3600 * NANO
"""An older forecast is not shown any more: nobody makes new ones."""
QUANTILES: Final = ("0.025", "0.1", "0.5", "0.9", "0.975")
CASES: Final = ("early", "median", "late")

FORECAST_GAUGES: Mapping[str, Family] = {
    names.FORECAST_USD: Family(
        "What will have been spent by the end of this day, week or month (of UTC), in US dollars: of the total, and of "
        "those who spend the most.",
        names.FORECAST_LABELS,
    ),
    names.FORECAST_MADE: Family("When forecasts were made."),
    names.LIMIT_FORECAST: Family(
        "What will have been used at the end of the limit's period: of usd, in dollars.",
        (*names.LIMIT_LABELS, "quantile"),
    ),
    names.LIMIT_EXCEEDED: Family(
        "How probable it is that more than the amount is used in its period, or would be.", names.LIMIT_LABELS
    ),
    names.LIMIT_EXHAUSTED: Family(
        "When the limit will be used up: early, median and late of 80 of 100 cases. None: not in its period.",
        (*names.LIMIT_LABELS, "case"),
    ),
}
"""By name: what they mean, and their labels."""


def spend_samples(foreseen: Foreseen, now: int) -> Iterator[Sample]:
    """Of what is spent, whatever limits there are."""
    if not foreseen.at or now - foreseen.at > STALE:
        return
    yield _sample(names.FORECAST_MADE, foreseen.at / NANO)
    ours = sorted((one for one in foreseen.forecasts if one.limit is None and one.end > now), key=_place)
    for (dimension, horizon), group in groupby(ours, key=lambda one: _place(one)[:2]):
        for one in list(group)[:MOST_SCOPES]:
            labels = (horizon, dimension, next(iter(one.scope.values()), ""))
            yield from _quantiles(names.FORECAST_USD, one, labels)


def limit_samples_of(foreseen: Foreseen, use: LimitUse, labels: tuple[str, ...], now: int) -> Iterator[Sample]:
    """Of one limit, and one of those it counts for. `labels` are those of all its series."""
    one = foreseen.budgets.get(budget_of(use.limit.name, use.scope, use.period_start))
    if one is None or now - foreseen.at > STALE or one.amount != use.limit.amount:
        return
    yield from _quantiles(names.LIMIT_FORECAST, one, labels)
    if one.exceeds is not None:
        yield _sample(names.LIMIT_EXCEEDED, one.exceeds, *labels)
    for case, at in zip(CASES, one.exhaustion or (), strict=False):
        if at is not None:
            yield _sample(names.LIMIT_EXHAUSTED, at / NANO, *labels, case)


def _place(one: Published) -> tuple[str, str, int]:
    return next(iter(one.scope), "total"), one.horizon, -(one.middle or 0)


def _quantiles(name: str, one: Published, labels: tuple[str, ...]) -> Iterator[Sample]:
    unit = NANO if one.measure == "usd" else 1
    amounts = (one.lowest, one.low, one.middle, one.high, one.highest)
    for quantile, amount in zip(QUANTILES, amounts, strict=True):
        if amount is not None:
            yield _sample(name, amount / unit, *labels, quantile)


def _sample(name: str, value: float, *labels: str) -> Sample:
    family = FORECAST_GAUGES[name]
    return Sample(name, "gauge", family.meaning, tuple(zip(family.labels, labels, strict=True)), value)
