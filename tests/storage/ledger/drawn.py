"""Calls that are made up for a test of the ledger, and what they sum to, computed naively."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.storage.ledger import DIMENSIONS, Entry, Totals
from tollkeeper.telemetry.record import encode

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOON = 1_762_171_200 * SECOND  # Monday, 3 November 2025, 12:00 UTC


def uuid7(number: int, moment: int = NOON) -> str:
    """A UUIDv7 of its moment (nanoseconds), the same for the same number."""
    milliseconds = moment // 1_000_000
    tail = hashlib.sha256(str(number).encode()).hexdigest()[:15]
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{tail[:3]}-8{tail[3:6]}-{tail[3:15]}"


def call(number: int, **changes: Any) -> Call:
    """An ordinary call. `tags` are added to; all else is replaced."""
    moment = changes.get("started_at", NOON + number * SECOND)
    sent, received = 100 + number, 10 + number
    price = Decimal("0.00000015")
    cost = Cost(sent * price, "catalog", (LineItem("input", sent, price, sent * price),), "v1")
    plain: dict[str, Any] = {
        "id": uuid7(number, moment),
        "provider": "openai",
        "operation": "chat",
        "started_at": moment,
        "request_model": "gpt-4o-mini",
        "endpoint": "api.openai.com/v1/chat/completions",
        "duration": 0.25 + number,
        "usage": Usage(sent, received, cache_read_tokens=number),
        "usage_source": "provider",
        "status_code": 200,
        "cost": cost,
        "price_status": "priced",
        "tags": {"tenant": f"t{number % 3}", "user": f"u{number % 7}"},
    }
    return Call(**{**plain, **changes})


def entry(made: Call, emitter: str = "tollkeeper", parent: str | None = None) -> Entry:
    """As the sidecar hands it to the ledger."""
    return Entry(made, hashlib.sha256(encode(made).encode()).digest()[:16], emitter, parent)


def entries(count: int, start: int = 0, **changes: Any) -> list[Entry]:
    return [entry(call(number, **changes)) for number in range(start, start + count)]


def changed(one: Entry, **changes: Any) -> Entry:
    """The same id and attempt with other content."""
    return entry(dataclasses.replace(one.call, **changes), one.emitter)


def totals(calls: Iterable[Call]) -> Totals:
    """The sums, by the words of the contract."""
    found = list(calls)

    def summed(values: Iterable[Any]) -> int:
        return sum(value for value in values if value is not None)

    return Totals(
        calls=len(found),
        failed=sum(one.error_type is not None for one in found),
        unmeasured=sum(one.error_type is None and one.usage_source == "unknown" for one in found),
        unpriced=sum(one.price_status == "unpriced" and one.usage_source != "unknown" for one in found),
        input_tokens=summed(one.usage.input_tokens for one in found),
        output_tokens=summed(one.usage.output_tokens for one in found),
        cache_read_tokens=summed(one.usage.cache_read_tokens for one in found),
        cache_write_tokens=summed(one.usage.cache_write_tokens for one in found),
        reasoning_tokens=summed(one.usage.reasoning_tokens for one in found),
        nano_usd=summed(one.cost and one.cost.nano_usd for one in found),
        costed=sum(one.cost is not None for one in found),
        duration_ns=sum(int((one.duration or 0) * 1e9) for one in found),
        timed=sum(one.duration is not None for one in found),
    )


def value_of(made: Call, dimension: str) -> str:
    """The value of a call in a dimension, '' where it has none."""
    assert dimension in DIMENSIONS
    if dimension == "model":
        return made.response_model or made.request_model or ""
    if dimension in ("provider", "operation"):
        return str(getattr(made, dimension))
    return made.tags.get(dimension, "")
