"""Models that were called and have no price: how often, since when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tollkeeper.model.calendar import Interval
from tollkeeper.storage.ledger import CallQuery, Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension, Kept
from tollkeeper.storage.prices.pricer import Pricer

NS_AN_HOUR = 3_600_000_000_000

Filters = Mapping[Dimension, tuple[str, ...]]


class UnpricedModel(NamedTuple):
    """A model without a price, in some period. Moments are nanoseconds; tokens are those of all its calls then.

    `reason` is why the last such call has no price by now. `None`: it has one, and the period can be priced again.
    """

    provider: str
    model: str
    calls: int
    tokens: int
    first_seen: int
    last_seen: int
    reason: str | None


def unpriced_models(ledger: Ledger, pricer: Pricer, start: int, end: int, limit: int = 100) -> list[UnpricedModel]:
    """The models of a period that have no price, the most called first. Read from the ledger's sums."""
    rows = ledger.usage(UsageQuery(start, end, group_by=("provider", "model")))
    found = sorted((row for row in rows if row.totals.unpriced), key=lambda row: (-row.totals.unpriced, row.group))
    pricer.refresh()
    models = []
    for row in found[:limit]:
        provider, model = row.group
        filters: Filters = {"provider": (provider,), "model": (model,)}
        seen = _first_and_last_hour(ledger, filters, start, end)
        first = _first(ledger, filters, max(seen[0], start), min(seen[0] + NS_AN_HOUR, end))
        last = _last(ledger, filters, max(seen[-1], start), min(seen[-1] + NS_AN_HOUR, end)) or first
        models.append(
            UnpricedModel(
                provider,
                model,
                row.totals.unpriced,
                row.totals.input_tokens + row.totals.output_tokens,
                first.call.started_at if first is not None else seen[0],
                last.call.started_at if last is not None else seen[-1],
                pricer.reason(last.call) if last is not None else None,
            )
        )
    return models


def _first_and_last_hour(ledger: Ledger, filters: Filters, start: int, end: int) -> tuple[int, int]:
    """Those with a call that has no price: first the days, as a call of a wrong clock is many hours away."""

    def seen(start: int, end: int, interval: Interval) -> list[int]:
        rows = ledger.usage(UsageQuery(start, end, filters=filters, interval=interval))
        return [row.bucket for row in rows if row.totals.unpriced and row.bucket is not None]

    days = seen(start, end, "day")
    first, last = (seen(max(day, start), min(day + 24 * NS_AN_HOUR, end), "hour") for day in (days[0], days[-1]))
    return first[0], last[-1]


def _first(ledger: Ledger, filters: Filters, start: int, end: int) -> Kept | None:
    return next((kept for kept in ledger.select_calls(start, end, filters) if kept.nano_usd is None), None)


def _last(ledger: Ledger, filters: Filters, start: int, end: int) -> Kept | None:
    page, _ = ledger.calls(CallQuery(start, end, filters, outcome="unpriced", limit=1))
    if not page:
        return None
    at = int(page[0]["started_at"])
    return next((kept for kept in ledger.select_calls(at, at + 1, filters) if kept.call.id == page[0]["id"]), None)
