"""The questions about where periods will end. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.client.ask import Ask, query_of, reader
from tollkeeper.client.foreseen import By, Forecasts, Horizon


def forecasts(
    *,
    horizon: Horizon | None = None,
    by: By | Sequence[By] | None = None,
    subject: str | None = None,
    tenant: str | None = None,
    project: str | None = None,
    user: str | None = None,
    session: str | None = None,
    service: str | None = None,
    feature: str | None = None,
    config: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    most: int | None = None,
) -> Ask[Forecasts]:
    """Where days, weeks and months will end: of the total, or `by` others, or the budgets of the limit `subject`."""
    return Ask("GET", "/forecasts", reader(Forecasts), query_of(locals()))
