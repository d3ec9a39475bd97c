"""One attempt of a call as answers show it, and how its cost comes about, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from tollkeeper.model.cost import CostSource
from tollkeeper.model.usage import TOKEN_METERS
from tollkeeper.sidecar.api.answer import EXACT, NanoUsd, Usd, moment, usd
from tollkeeper.sidecar.cells import plain

MILLION = Decimal(1_000_000)
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

Row = Mapping[str, Any]
"""As `Ledger.calls` and `Ledger.call` give them."""


class CallRow(BaseModel):
    """One attempt. What is unknown is null."""

    id: str
    attempt: int = Field(examples=[1])
    started_at: datetime
    provider: str = Field(examples=["openai"])
    model: str | None = Field(description="That answered, else that was asked for.", examples=["gpt-4o-mini"])
    request_model: str | None = Field(examples=["gpt-4o-mini"])
    operation: str = Field(examples=["chat"])
    outcome: Literal["succeeded", "failed"]
    status_code: int | None
    error_type: str | None = Field(examples=["RateLimitError"])
    stream: bool
    duration_ms: float | None = Field(description="Milliseconds, the reading of a stream included.", examples=[820.5])
    time_to_first_chunk_ms: float | None
    tokens: int | None = Field(examples=[1500])
    prompt_tokens: int | None = Field(description="Input, cached tokens included.", examples=[1200])
    completion_tokens: int | None = Field(description="Output, reasoning included.", examples=[300])
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str = Field(description="Who counted: provider, partial, estimated, or unknown.")
    cost: Usd | None = Field(description="US dollars, adjustments included; null if unknown.", examples=[0.00036])
    cost_nano_usd: NanoUsd | None = Field(examples=[360_000])
    price_status: str | None = Field(
        description="priced, free or unpriced, as adjusted; null if nobody knows what was used."
    )
    price_version: str | None = Field(
        description="Whose cost this is, that of the last adjustment included.", examples=["genai-prices 0.2.3"]
    )
    tenant: str | None
    project: str | None
    user: str | None
    session: str | None
    service: str | None
    feature: str | None
    config: str | None
    tags: dict[str, str] = Field(description="The other tags.")
    response_id: str | None
    trace_id: str | None
    span_id: str | None


class Item(BaseModel):
    """One line of a cost: quantity times unit price."""

    meter: str = Field(examples=["input"])
    quantity: int | Decimal = Field(examples=[1200])
    unit_price: Decimal = Field(description="US dollars a unit.", examples=["0.00000015"])
    amount: Decimal = Field(description="US dollars, exact.", examples=["0.00018"])
    model: str | None = Field(description="Whose price it is, if not the call's model's.")
    formula: str = Field(examples=["1,200 input tokens × $0.15 per million = $0.00018"])


class Correction(BaseModel):
    """A later change of what the call costs: its period was priced again."""

    repricing_id: str
    recorded_at: datetime
    delta: Usd = Field(description="What was added to the cost.")
    delta_nano_usd: NanoUsd
    cost: Usd | None = Field(description="What the call costs from then on.")
    cost_nano_usd: NanoUsd | None
    old_price_version: str | None
    new_price_version: str | None
    line_items: list[Item]
    reason: str
    author: str


class Conflict(BaseModel):
    """Another report under the same id, with other content. It is kept, and counted nowhere."""

    recorded_at: datetime
    emitter: str
    record: Any


class Attempt(CallRow):
    """One attempt, with how its cost comes about."""

    recorded_at: datetime
    emitter: str = Field(description="Who reported it.")
    endpoint: str | None
    service_tier: str | None
    response_model: str | None
    finish_reasons: list[str]
    abandoned: bool = Field(description="Whether a stream was left before its end.")
    chunks: int
    parameters: dict[str, Any] = Field(description="Of the request. Prompts are never kept.")
    price_context: dict[str, str] = Field(description="What the price depends on besides the model.")
    cost_source: CostSource | None = Field(
        description="Who named the price. `provider`: the answer itself. `catalog`: genai-prices. `overlay`: the price"
        " book. `app`: the app that made the call, as nobody has a price here.",
    )
    provider_cost: Usd | None = Field(description="What the provider's answer says that it costs.")
    usage: dict[str, int | Decimal] = Field(description="Everything that was counted, as the provider counts it.")
    line_items: list[Item] = Field(description="The cost as it was when the call was recorded.")
    formula: str = Field(examples=["$0.00018 + $0.00018 = $0.00036 (openai gpt-4o-mini, genai-prices 0.2.3)"])
    adjustments: list[Correction]
    conflicts: list[Conflict]
    retracted: str | None = Field(description="Why it is in no sum any more, if it is not.")
    trace_link: str | None = Field(description="Where its trace is shown, if the sidecar was told (`trace_url`).")


def row_of(row: Row) -> CallRow:
    """A row of the log."""
    return CallRow(**_shared(row))


def attempt_of(row: Row, trace_url: str | None = None) -> Attempt:
    """A row of `Ledger.call`, with all that belongs to it. `trace_url` has `{trace_id}` in it."""
    details, items = row["details"], [_item(item) for item in row["line_items"]]
    said = details.get("provider_cost")
    return Attempt(
        **_shared(row),
        recorded_at=moment(row["recorded_at"]),
        emitter=row["emitter"],
        endpoint=row["endpoint"],
        service_tier=row["service_tier"],
        response_model=row["response_model"],
        finish_reasons=details.get("finish_reasons", []),
        abandoned=details.get("abandoned", False),
        chunks=details.get("chunks", 0),
        parameters=details.get("parameters", {}),
        price_context=details.get("price_context", {}),
        cost_source=row["cost_source"],
        provider_cost=None if said is None else Decimal(said),
        usage=_usage(row),
        line_items=items,
        formula=_formula(row, items),
        adjustments=[_correction(one) for one in row["adjustments"]],
        conflicts=[
            Conflict(recorded_at=moment(one["recorded_at"]), emitter=one["emitter"], record=one["record"])
            for one in row["conflicts"]
        ],
        retracted=row["retracted"],
        trace_link=_trace_link(trace_url, row),
    )


def _trace_link(trace_url: str | None, row: Row) -> str | None:
    if trace_url is None or not row["trace_id"]:
        return None
    # What others call an id of a trace is to stay within its place in the address.
    link = trace_url.replace("{trace_id}", quote(row["trace_id"], safe=""))
    return link.replace("{span_id}", quote(row["span_id"] or "", safe=""))


def _shared(row: Row) -> dict[str, Any]:
    """What the log and the detail have in common."""
    cost = row["current_nano_usd"]
    known = {name: row[name] for name in CallRow.model_fields if name in row}
    counted = row["input_tokens"] is not None or row["output_tokens"] is not None
    return {
        **known,
        "started_at": moment(row["started_at"]),
        "model": row["model"] or None,
        "outcome": "succeeded" if row["error_type"] is None else "failed",
        "duration_ms": _milliseconds(row["duration"]),
        "time_to_first_chunk_ms": _milliseconds(row["time_to_first_chunk"]),
        "tokens": (row["input_tokens"] or 0) + (row["output_tokens"] or 0) if counted else None,
        "prompt_tokens": row["input_tokens"],
        "completion_tokens": row["output_tokens"],
        "cost": None if cost is None else usd(cost),
        "cost_nano_usd": cost,
        "price_status": row["current_price_status"],
        "price_version": row["current_price_version"],
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _usage(row: Row) -> dict[str, Any]:
    counted = {name: row[name] for name in COUNTS if row[name] is not None} | row["details"].get("usage", {})
    return {name: Decimal(value) if isinstance(value, str) else value for name, value in counted.items()}


def _item(item: Row) -> Item:
    return Item(**item, formula=_line(item))


def _line(item: Row) -> str:
    """`1,200 input tokens × $0.15 per million = $0.00018`."""
    meter, quantity, price = str(item["meter"]).replace("_", " "), item["quantity"], item["unit_price"]
    whose = f" of {item['model']}" if item["model"] else ""
    if item["meter"] in TOKEN_METERS:
        priced = f"${plain(EXACT.multiply(price, MILLION))} per million"
        return f"{quantity:,} {meter} tokens{whose} × {priced} = ${plain(item['amount'])}"
    return f"{quantity:,} {meter}{whose} × ${plain(price)} = ${plain(item['amount'])}"


def _formula(row: Row, items: Sequence[Item]) -> str:
    """How the cost comes about that the call was recorded with, and what became of it."""
    nano = row["nano_usd"]
    if nano is None:
        text = {
            "unpriced": "unknown: the model has no price",
            None: "unknown: the call has failed" if row["error_type"] else "unknown: nobody knows what was used",
        }.get(row["price_status"], "unknown")
    else:
        amounts = " + ".join(f"${plain(item.amount)}" for item in items)
        exact = EXACT.add(Decimal(0), sum((item.amount for item in items), Decimal(0)))
        sign = "=" if exact == usd(nano) else "≈"
        of = " ".join(filter(None, (row["provider"], row["model"])))
        version = f", {row['price_version']}" if row["price_version"] else ""
        total = f"${plain(usd(nano))}"
        summed = f"{amounts} {sign} {total}" if amounts else total
        stated = " as the provider states it" if row["cost_source"] == "provider" else ""
        text = f"{summed}{stated} ({of}{version})"
    for one in row["adjustments"]:
        delta = one["delta_nano_usd"]
        now = "unknown" if one["nano_usd"] is None else f"${plain(usd(one['nano_usd']))}"
        text += f"; {'+' if delta >= 0 else '−'} ${plain(usd(abs(delta)))} by re-pricing = {now}"
    return text


def _correction(one: Row) -> Correction:
    cost = one["nano_usd"]
    return Correction(
        repricing_id=one["repricing_id"],
        recorded_at=moment(one["recorded_at"]),
        delta=usd(one["delta_nano_usd"]),
        delta_nano_usd=one["delta_nano_usd"],
        cost=None if cost is None else usd(cost),
        cost_nano_usd=cost,
        old_price_version=one["old_price_version"],
        new_price_version=one["new_price_version"],
        line_items=[_item(item) for item in one["line_items"]],
        reason=one["reason"],
        author=one["author"],
    )
