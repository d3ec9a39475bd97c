"""Meters times unit prices. Pure, exact, and on the path of every call: nothing here looks anything up."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tollkeeper.model.cost import LineItem
from tollkeeper.model.usage import OUTPUT_METERS, Meter, Quantity, Usage
from tollkeeper.pricing.rates import EXACT, ZERO, Rates, Unpriced

_multiply = EXACT.multiply
_add = EXACT.add
_NOT_TOKENS: tuple[Meter, ...] = ("input_audio_seconds", "input_characters", "output_images")


def line_items(usage: Usage, rates: Rates, model: str | None = None) -> list[LineItem] | Unpriced:
    """One item for each meter that is billed, or the meter that has no price."""
    if rates.free:
        return []
    table = rates.table(usage.input_tokens or 0)
    meters = usage.billable()
    items = []
    for meter, quantity in meters.items():
        price = table.get(meter)
        if price is not None:
            if meter == "input_audio_seconds" and rates.least_seconds is not None:
                quantity = max(quantity, rates.least_seconds)
            items.append(LineItem(meter, quantity, price, _multiply(price, quantity), model))
        elif meter != "requests" and not _billed_by_another(meter, meters, table):
            return Unpriced(f"no price for {meter}")
    return items


def total(items: list[LineItem]) -> Decimal:
    """The exact sum."""
    usd = ZERO
    for item in items:
        usd = _add(usd, item.amount)
    return usd


def counted_otherwise(usage: Usage, rates: Rates) -> bool:
    """Whether something is measured and priced that is not a token."""
    meters, table = usage.billable(), rates.table(0)
    return any(of in meters and of in table for of in _NOT_TOKENS)


def _billed_by_another(meter: Meter, meters: Mapping[Meter, Quantity], table: Mapping[Meter, Decimal]) -> bool:
    """Whether another priced meter bills the same thing.

    Models that are billed by token also report seconds of audio, characters or the number of images, and models that
    are billed by the second or character also report tokens. What is billed is what has a price.
    """
    match meter:
        case "output_images":
            return "output_image" in table and ("output_image" in meters or "output" in meters)
        case "input_audio_seconds":
            return any(of in meters and of in table for of in ("input_audio", "input", "cache_read_audio"))
        case "input_characters":
            return any(of in meters and of in table for of in ("input", *OUTPUT_METERS))
        case "web_searches":
            return False
    return "input" not in table and any(of in meters and of in table for of in _NOT_TOKENS)
