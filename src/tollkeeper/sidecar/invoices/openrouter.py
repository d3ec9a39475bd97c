"""OpenRouter's activity API.

Source: OpenRouter's API reference, "Get user activity grouped by endpoint": a management key as a bearer; rows of the
last 30 days of UTC that are over, by model and endpoint. `usage` is in dollars of credit, without what was paid to
others under one's own keys (`byok_usage_inference`). Prompt tokens are all input, and completion tokens include
reasoning. A day's figures are to be asked for 30 minutes after its end, by the start of the calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.sidecar.invoices.contract import Asker, Source, SourceMalformed, amount, count, field, name_of

PATH = "/activity"


def _headers(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def fetch(ask: Asker, first: date, last: date) -> list[InvoiceLine]:
    """The activity of these days, as far as it is told."""
    rows = field(ask.get(PATH, []), "data", list, f"{ask.account.name}: {PATH}")
    return [line for row in rows for line in _lines(ask, row) if first <= line.day <= last]


def _lines(ask: Asker, row: Mapping[str, Any]) -> Iterator[InvoiceLine]:
    where = f"{ask.account.name}: {PATH}"
    day = _day(field(row, "date", str, where), where)
    model = field(row, "model", str, where)
    label = " ".join(filter(None, (name_of(row, "model_permaslug"), name_of(row, "provider_name"))))
    about = InvoiceLine(
        ask.account.name, ask.account.provider, day, "cost", model, key=name_of(row, "endpoint_id"), raw=row
    )  # fmt: skip
    # An endpoint is nobody's key, but keeps two of one provider apart.
    about = about._replace(key="", label=f"{label} {about.key}".strip())
    yield about._replace(item="total", amount=amount(row.get("usage"), f"{where}: usage of {day}"))
    yield about._replace(item="prompt", tokens=count(row, "prompt_tokens", where))
    yield about._replace(item="output", tokens=count(row, "completion_tokens", where))
    yield about._replace(item="requests", requests=count(row, "requests", where))


def _day(said: str, where: str) -> date:
    try:
        return date.fromisoformat(said[:10])
    except ValueError:
        raise SourceMalformed(f"{where}: date is {said!r:.40}; expected a day such as 2026-01-31") from None


SOURCE = Source("openrouter", _headers, fetch)
