"""Sums over calls, as answers show them: what is unknown is null, never zero."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field

from tollkeeper.sidecar.api.answer import EXACT, NanoUsd, Usd, usd
from tollkeeper.sidecar.totals import add, nano_usd, tokens_known
from tollkeeper.storage.ledger import Totals

__all__ = ["Sums", "add", "average_usd", "nano_usd", "sums", "tokens_known"]

NANOSECONDS_A_MILLISECOND = 1_000_000

UNKNOWN_COST = "Null if no call in it has a known cost; see `unpriced_calls`. Never a guess."


class Sums(BaseModel):
    """Sums over some calls. Tokens and money sum what is known; the last counts say of how many calls it is not."""

    calls: int = Field(description="Attempts, failed ones included.", examples=[150])
    failed_calls: int = Field(description="Those that ended with an error.", examples=[2])
    tokens: int | None = Field(description="Prompt and completion tokens.", examples=[45000])
    prompt_tokens: int | None = Field(description="Input, cached tokens included.", examples=[30000])
    completion_tokens: int | None = Field(description="Output, reasoning included.", examples=[15000])
    cache_read_tokens: int | None = Field(description="The part of the input that was read from a cache.")
    cache_write_tokens: int | None = Field(description="The part of the input that was written to a cache.")
    reasoning_tokens: int | None = Field(description="The part of the output that was reasoning.")
    cost: Usd | None = Field(description=f"US dollars, exact. {UNKNOWN_COST}", examples=[2.45])
    cost_nano_usd: NanoUsd | None = Field(examples=[2_450_000_000])
    average_cost: Usd | None = Field(description="Of a call whose cost is known, rounded to the nano-dollar.")
    average_duration_ms: int | None = Field(
        description="Milliseconds, streams to their end; of the calls whose duration is known.", examples=[820]
    )
    unpriced_calls: int = Field(description="Calls with usage and without a price: their cost is unknown.")
    unmeasured_calls: int = Field(description="Answered calls whose usage nobody knows.")


def sums(totals: Totals) -> Sums:
    """The sums of an answer."""
    known = tokens_known(totals)
    cost = nano_usd(totals)
    return Sums(
        calls=totals.calls,
        failed_calls=totals.failed,
        tokens=totals.input_tokens + totals.output_tokens if known else None,
        prompt_tokens=totals.input_tokens if known else None,
        completion_tokens=totals.output_tokens if known else None,
        cache_read_tokens=totals.cache_read_tokens if known else None,
        cache_write_tokens=totals.cache_write_tokens if known else None,
        reasoning_tokens=totals.reasoning_tokens if known else None,
        cost=None if cost is None else usd(cost),
        cost_nano_usd=cost,
        average_cost=average_usd(totals),
        average_duration_ms=round(totals.duration_ns / totals.timed / NANOSECONDS_A_MILLISECOND)
        if totals.timed
        else None,
        unpriced_calls=totals.unpriced,
        unmeasured_calls=totals.unmeasured,
    )


def average_usd(totals: Totals) -> Decimal | None:
    """The cost of a call, over those whose cost is known, rounded half to even to the nano-dollar."""
    if not totals.costed:
        return None
    return usd(int(EXACT.to_integral_value(EXACT.divide(Decimal(totals.nano_usd), Decimal(totals.costed)))))
