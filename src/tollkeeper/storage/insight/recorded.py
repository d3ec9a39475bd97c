"""What the ledger has of a provider, as a reconciliation needs it: by hour and model, and tokens by tariff."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import text

from tollkeeper.insight.reconcile.line import tier_of
from tollkeeper.insight.reconcile.reconcile import Recorded
from tollkeeper.insight.reconcile.recorded import Model, Sums
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.invoices import day_of, nanoseconds
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Totals
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.tables import NS_A_DAY, NS_AN_HOUR

AROUND = timedelta(days=1)
"""A provider's days may begin at another hour."""

_TARIFFS = f"""
    SELECT c.started_at / {NS_A_DAY}, c.model,
           CASE WHEN c.operation = 'batch' THEN 'batch' ELSE coalesce(c.service_tier, 'standard') END,
           sum(coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0))
    FROM calls c
    WHERE c.provider = :provider AND c.started_at >= :start AND c.started_at < :end AND c.error_type IS NULL
    GROUP BY 1, 2, 3
"""


def recorded(ledger: Ledger, provider: str, first: date, last: date) -> Recorded:
    """Of the days, both included, and those around them. Raises `LedgerUnavailable`."""
    start, end = nanoseconds(first - AROUND), nanoseconds(last + 2 * AROUND)
    rows = ledger.usage(UsageQuery(start, end, ("model",), {"provider": (provider,)}, "hour"))
    hours: dict[Model, dict[int, Sums]] = {}
    for row in rows:
        if row.bucket is not None:
            hours.setdefault((provider, row.group[0]), {})[row.bucket // NS_AN_HOUR] = _sums(row.totals)
    return Recorded(hours)


def _sums(totals: Totals) -> Sums:
    uncached = totals.input_tokens - totals.cache_read_tokens - totals.cache_write_tokens
    return Sums(
        totals.calls - totals.failed,
        uncached,
        totals.cache_read_tokens,
        totals.cache_write_tokens,
        totals.output_tokens,
        totals.nano_usd,
        totals.unpriced,
        totals.unmeasured,
    )


def tariffs(database: Database, provider: str, days: Collection[date]) -> dict[tuple[str, date, str], dict[str, int]]:
    """The tokens of these days by tariff, day and model; of the calls as they were recorded. It reads every call."""
    found: dict[tuple[str, date, str], dict[str, int]] = {}
    with told_apart(database), database.read() as connection:
        for day in sorted(days):
            asked = {"provider": provider, "start": nanoseconds(day), "end": nanoseconds(day + AROUND)}
            for number, model, said, tokens in connection.execute(text(_TARIFFS), asked):
                by_tier = found.setdefault((provider, day_of(int(number) * NS_A_DAY), model), {})
                tier = tier_of(said) or "standard"
                by_tier[tier] = by_tier.get(tier, 0) + int(tokens)
    return found
