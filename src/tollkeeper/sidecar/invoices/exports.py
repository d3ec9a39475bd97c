"""The CSV exports of the providers' consoles, each known by its columns.

OpenAI: usage page, Export, cost or activity data (UTC; up to 60 days). Anthropic: console, Cost and Usage pages, Export
(`usage_date_utc`; amounts in dollars, models by the names that people know). OpenRouter: Activity page, export of
generations (UTC; a row for each call). Columns as in exports of 2025 and 2026; other columns are kept, and not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from tollkeeper.insight.reconcile.line import InvoiceLine, Item, tier_of
from tollkeeper.insight.reconcile.names import family
from tollkeeper.sidecar.invoices.openai import UNITS, line_item
from tollkeeper.sidecar.invoices.sheet import Row, Sheet, amount

Read = Callable[[Sheet, "Export"], Iterator[InvoiceLine]]


PERSONAL = frozenset({"user_email", "user"})
"""Of people, and of no use here: these columns are not kept."""


def kept_of(row: Row) -> dict[str, str]:
    """What is kept of a row as it is."""
    return {column: cell for column, cell in row.cells.items() if column not in PERSONAL}


class Export(NamedTuple):
    """One kind of file: what is read of it, by whom it is from, and the columns that it is known by."""

    name: str
    source: str
    provider: str
    needed: tuple[str, ...]
    read: Read

    def line(self, row: Row, day: date, told: Any, model: str, **said: Any) -> InvoiceLine:
        """A line of this file."""
        return InvoiceLine(self.source, self.provider, day, told, model, raw=kept_of(row), **said)


def _openai_costs(sheet: Sheet, export: Export) -> Iterator[InvoiceLine]:
    said = [row.text("line_item") for row in sheet.rows]
    models = {family(item.partition(",")[0]) for item in said if "," in item}
    for row in sheet.rows:
        # A day without costs is a row without an amount.
        if not row.text("amount_value"):
            continue
        day, dollars = row.day("start_time"), row.money("amount_value")
        if row.text("amount_currency").lower() != "usd":
            row.note(f"line {row.number}: amount_currency is {row.text('amount_currency')!r:.20}; expected usd")
        if day is None or dollars is None:
            continue
        label = row.text("line_item")
        model, item, tier = line_item(label, models)
        unit = UNITS.get(row.text("quantity_unit") or None)
        quantity = row.money("quantity") if unit is not None and item not in ("total", "other", "credit") else None
        yield export.line(
            row, day, "cost", model, item="credit" if dollars < 0 and not model else item, amount=dollars, tier=tier,
            tokens=None if quantity is None or unit is None else int(quantity * unit), label=label,
            project=row.text("project_id"), key=row.text("api_key_id"),
        )  # fmt: skip


def _openai_usage(sheet: Sheet, export: Export) -> Iterator[InvoiceLine]:
    for row in sheet.rows:
        if not row.text("model"):
            continue
        day = row.day("start_time")
        counts = [row.count(name) or 0 for name in ("input_tokens", "input_cached_tokens", "output_tokens")]
        if day is None:
            continue
        is_batch = row.text("batch").lower() == "true"
        about: dict[str, Any] = {
            "tier": "batch" if is_batch else tier_of(row.text("service_tier")),
            "project": row.text("project_id"), "key": row.text("api_key_id"),
        }  # fmt: skip
        whole, cached, output = counts
        if cached > whole:
            row.note(f"line {row.number}: input_cached_tokens is {cached}; expected no more than {whole}, all input")
        items: Sequence[tuple[Item, int]] = (("input", whole - cached), ("cache_read", cached), ("output", output))
        for item, tokens in items:
            yield export.line(row, day, "usage", row.text("model"), item=item, tokens=tokens, **about)
        requests = row.count("num_model_requests")
        yield export.line(row, day, "usage", row.text("model"), item="requests", requests=requests, **about)


_ANTHROPIC_ITEMS: Mapping[str, Item] = {
    "input_no_cache": "input", "input_cache_read": "cache_read", "input_cache_write_5m": "cache_write_5m",
    "input_cache_write_1h": "cache_write_1h", "output": "output",
}  # fmt: skip
_ANTHROPIC_COLUMNS: Mapping[str, Item] = {
    "usage_input_tokens_no_cache": "input", "usage_input_tokens_cache_read": "cache_read",
    "usage_input_tokens_cache_write_5m": "cache_write_5m", "usage_input_tokens_cache_write_1h": "cache_write_1h",
    "usage_output_tokens": "output",
}  # fmt: skip


def _anthropic_cost(sheet: Sheet, export: Export) -> Iterator[InvoiceLine]:
    for row in sheet.rows:
        day, dollars = row.day("usage_date_utc"), row.needed("cost_usd", amount, "an amount such as 12.34")
        if day is None or dollars is None:
            continue
        model, token_type = row.text("model"), row.text("token_type")
        other: Item = "other" if not model and dollars >= 0 else "total" if model else "credit"
        yield export.line(
            row, day, "cost", model, item=_ANTHROPIC_ITEMS.get(token_type, other), amount=dollars,
            tier=tier_of(row.text("usage_type")), project=row.text("workspace"),
            key=row.text("api_key_id") or row.text("api_key"), label=token_type or row.text("cost_type"),
        )  # fmt: skip


def _anthropic_usage(sheet: Sheet, export: Export) -> Iterator[InvoiceLine]:
    for row in sheet.rows:
        day = row.day("usage_date_utc")
        for column, item in _ANTHROPIC_COLUMNS.items():
            tokens = row.count(column)
            if day is not None and tokens is not None:
                yield export.line(
                    row, day, "usage", row.text("model_version"), item=item, tokens=tokens,
                    tier=tier_of(row.text("usage_type")), project=row.text("workspace"), key=row.text("api_key"),
                )  # fmt: skip


def _openrouter_generations(sheet: Sheet, export: Export) -> Iterator[InvoiceLine]:
    for row in sheet.rows:
        day, dollars = row.day("created_at"), row.needed("cost_total", amount, "an amount such as 0.0012")
        tokens = row.count("tokens_prompt"), row.count("tokens_completion")
        if day is None or dollars is None:
            continue
        model, key = row.text("model_permaslug"), row.text("api_key_name")
        yield export.line(row, day, "cost", model, item="total", amount=dollars, key=key)
        yield export.line(row, day, "cost", model, item="prompt", tokens=tokens[0], key=key)
        yield export.line(row, day, "cost", model, item="output", tokens=tokens[1], key=key)
        yield export.line(row, day, "cost", model, item="requests", requests=1, key=key)


EXPORTS: tuple[Export, ...] = (
    Export("openai-costs", "openai-csv", "openai", ("start_time", "amount_value", "amount_currency"), _openai_costs),
    Export(
        "openai-usage", "openai-csv", "openai", ("start_time", "num_model_requests", "input_tokens", "model"),
        _openai_usage,
    ),
    Export(
        "anthropic-cost", "anthropic-csv", "anthropic", ("usage_date_utc", "model", "token_type", "cost_usd"),
        _anthropic_cost,
    ),
    Export(
        "anthropic-usage", "anthropic-csv", "anthropic",
        ("usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"), _anthropic_usage,
    ),
    Export(
        "openrouter-generations", "openrouter-csv", "openrouter",
        ("generation_id", "created_at", "cost_total", "model_permaslug"), _openrouter_generations,
    ),
)  # fmt: skip
