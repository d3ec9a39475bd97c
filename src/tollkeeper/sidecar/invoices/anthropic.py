"""Anthropic's usage and cost Admin API.

Source: Anthropic's API reference, "Get Messages Usage Report" and "Get Cost Report", and its guide "Usage and Cost
API": an admin key in `x-api-key`, buckets of UTC days, at most 31 of them on a page. Amounts are in cents, as decimal
texts: "123.45" is $1.2345. Usage appears within about 5 minutes. Costs of the priority tier are in no report; costs of
searches and code execution have no model. The usage report counts no requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tollkeeper.insight.reconcile.line import InvoiceLine, Item, in_dollars, tier_of
from tollkeeper.sidecar.invoices.contract import Asker, Source, SourceMalformed, amount, count, field, name_of, rows
from tollkeeper.sidecar.invoices.openai import pages

VERSION = "2023-06-01"
MOST_DAYS = 31
USAGE_GROUPS = ("model", "workspace_id", "api_key_id", "service_tier")
COST_GROUPS = ("workspace_id", "description")
ITEMS: Mapping[str, Item] = {
    "uncached_input_tokens": "input",
    "cache_read_input_tokens": "cache_read",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h",
    "output_tokens": "output",
}


def _headers(key: str) -> Mapping[str, str]:
    return {"x-api-key": key, "anthropic-version": VERSION}


def fetch(ask: Asker, first: date, last: date) -> list[InvoiceLine]:
    """Usage and costs of these days, both included."""
    used = _rows(ask, "/v1/organizations/usage_report/messages", USAGE_GROUPS, first, last)
    lines = [line for day, row in used for line in _used(ask, day, row)]
    costs = _rows(ask, "/v1/organizations/cost_report", COST_GROUPS, first, last)
    return lines + [_cost(ask, day, row) for day, row in costs]


def _rows(
    ask: Asker, path: str, group_by: Sequence[str], first: date, last: date
) -> Iterator[tuple[date, Mapping[str, Any]]]:
    asked = [
        ("starting_at", f"{first}T00:00:00Z"),
        ("ending_at", f"{last + timedelta(days=1)}T00:00:00Z"),
        ("bucket_width", "1d"),
        ("limit", str(min((last - first).days + 1, MOST_DAYS))),
        *(("group_by[]", name) for name in group_by),
    ]
    for page in pages(ask, path, asked):
        for bucket in field(page, "data", list, path):
            day = _day(field(bucket, "starting_at", str, path), path)
            for row in rows(bucket, f"{path} of {day}"):
                if first <= day <= last:
                    yield day, row


def _day(said: str, path: str) -> date:
    try:
        return datetime.fromisoformat(said).date()
    except ValueError:
        raise SourceMalformed(f"{path}: starting_at is {said!r:.40}; expected a moment") from None


def _used(ask: Asker, day: date, row: Mapping[str, Any]) -> Iterator[InvoiceLine]:
    where = f"{ask.account.name}: usage of {day}"
    about = InvoiceLine(
        ask.account.name, ask.account.provider, day, "usage", name_of(row, "model"),
        tier=tier_of(row.get("service_tier")), project=name_of(row, "workspace_id"), key=name_of(row, "api_key_id"),
        label="messages", raw=row,
    )  # fmt: skip
    created = row.get("cache_creation") or {}
    if not isinstance(created, Mapping):
        raise SourceMalformed(f"{where}: cache_creation is {created!r:.80}; expected an object")
    flat = {**row, **{f"cache_creation.{name}": value for name, value in created.items()}}
    for name, item in ITEMS.items():
        yield about._replace(item=item, tokens=count(flat, name, where))


def _cost(ask: Asker, day: date, row: Mapping[str, Any]) -> InvoiceLine:
    where = f"{ask.account.name}: costs of {day}"
    if str(row.get("currency", "")).upper() != "USD":
        raise SourceMalformed(f"{where}: the currency is {row.get('currency')!r}; expected USD")
    dollars = in_dollars(amount(field(row, "amount", str, where), where))
    model = name_of(row, "model")
    other: Item = "total" if model else "credit" if dollars < 0 else "other"
    return InvoiceLine(
        ask.account.name, ask.account.provider, day, "cost", model, ITEMS.get(name_of(row, "token_type"), other),
        amount=dollars, tier=tier_of(row.get("service_tier")), project=name_of(row, "workspace_id"),
        label=name_of(row, "description") or name_of(row, "cost_type"), raw=row,
    )  # fmt: skip


SOURCE = Source("anthropic", _headers, fetch)
