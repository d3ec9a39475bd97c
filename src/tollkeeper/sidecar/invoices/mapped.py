"""CSV files of any form, by a mapping that says which column is what: those of Google and Azure, and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tollkeeper.insight.reconcile.line import InvoiceLine, Item, in_dollars, tier_of
from tollkeeper.sidecar.invoices.sheet import Row, Sheet, SheetError, missing

TOKENS: Mapping[str, Item] = {
    "prompt": "prompt", "input": "input", "cache_read": "cache_read", "cache_write": "cache_write", "output": "output",
    "tokens": "total",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Names of columns; what is not named is not told. `day` may be a moment, and is one of `zone` if it names none.

    `prompt` is all input, `input` what no cache had. `cents`: amounts are in cents. `decimal_comma`: as in 1.234,56.
    `only` are cells that a row must have to be read.
    """

    provider: str
    source: str
    day: str
    model: str | None = None
    amount: str | None = None
    currency: str | None = None
    prompt: str | None = None
    input: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    output: str | None = None
    tokens: str | None = None
    requests: str | None = None
    project: str | None = None
    key: str | None = None
    tier: str | None = None
    label: str | None = None
    day_format: str | None = None
    zone: str = "UTC"
    cents: bool = False
    decimal_comma: bool = False
    only: Mapping[str, str] | None = None

    @property
    def columns(self) -> list[str]:
        """Those that have to be there."""
        names = (
            self.day, self.model, self.amount, self.currency, self.prompt, self.input, self.cache_read,
            self.cache_write, self.output, self.tokens, self.requests, self.project, self.key, self.tier, self.label,
        )  # fmt: skip
        return [*(name for name in names if name is not None), *(self.only or {})]


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "azure": {
        "provider": "azure.ai.openai", "source": "azure-csv", "day": "date", "day_format": "%m/%d/%Y",
        "model": "meterName", "amount": "costInUsd", "project": "resourceId", "label": "meterSubCategory",
    },
    "google": {
        "provider": "gcp.gemini", "source": "google-csv", "day": "usage_start_time", "model": "sku.description",
        "amount": "cost", "currency": "currency", "project": "project.id", "label": "service.description",
    },
}  # fmt: skip
"""Azure: cost details of Cost Management (the date is month/day/year). Google: Cloud Billing, detailed usage cost, as
CSV. Both name meters and not models: aliases of an account say which model is meant.
"""


def read_mapped(sheet: Sheet, mapping: Mapped) -> Iterator[InvoiceLine]:
    """The lines of a file. Raises `SheetError` for columns that are not there, and a zone that there is not."""
    if gone := missing(sheet.columns, mapping.columns):
        there = ", ".join(sheet.columns)
        raise SheetError(f"{sheet.name} has no column {', '.join(map(repr, gone))}; there are {there:.500}")
    try:
        ZoneInfo(mapping.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise SheetError(f"zone is {mapping.zone!r:.60}; expected an IANA time zone such as UTC") from None
    _check_form(mapping.day_format)
    for row in sheet.rows:
        if all(row.text(column) == wanted for column, wanted in (mapping.only or {}).items()):
            yield from _lines(row, mapping)


def _check_form(form: str | None) -> None:
    try:
        if form is not None:
            datetime.strptime(date(2026, 1, 31).strftime(form), form)
    except (ValueError, re.error):
        raise SheetError(f"day_format is {form!r:.60}; expected one such as %d.%m.%Y") from None


def _lines(row: Row, mapping: Mapped) -> Iterator[InvoiceLine]:
    day = row.day(mapping.day, mapping.day_format, mapping.zone)
    if mapping.currency is not None and row.text(mapping.currency).upper() != "USD":
        row.note(f"line {row.number}: {mapping.currency} is {row.text(mapping.currency)!r:.20}; expected USD")
    if day is None:
        return
    about = InvoiceLine(
        mapping.source, mapping.provider, day, "cost", _text(row, mapping.model),
        tier=tier_of(_text(row, mapping.tier)),
        project=_text(row, mapping.project), key=_text(row, mapping.key), label=_text(row, mapping.label),
        raw=dict(row.cells),
    )  # fmt: skip
    if mapping.amount is not None and (money := row.money(mapping.amount, mapping.decimal_comma)) is not None:
        item: Item = "total" if about.model else "credit" if money < 0 else "other"
        yield about._replace(item=item, amount=in_dollars(money) if mapping.cents else money)
    for name, item in TOKENS.items():
        column = getattr(mapping, name)
        if column is not None and (tokens := row.count(column)) is not None:
            yield about._replace(item=item, tokens=tokens)
    if mapping.requests is not None and (requests := row.count(mapping.requests)) is not None:
        yield about._replace(item="requests", requests=requests)


def _text(row: Row, column: str | None) -> str:
    return "" if column is None else row.text(column)
