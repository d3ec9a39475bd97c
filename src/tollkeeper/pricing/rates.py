"""What one model charges a meter, at one moment, in one context: `Rates`, ready to multiply.

Price lists name few of the meters, so `rates_of` fills in the others where, and only where, providers bill by the more
general price. A meter that is left without a price makes a call that uses it unpriced: text prices for audio tokens
would be too low by a factor of ten, silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from typing import Any

from tollkeeper.model.cost import CostSource
from tollkeeper.model.usage import TOKEN_METERS, Meter

EXACT = Context(prec=60)
"""Money is never rounded on the way, whatever the host program has set as its own decimal context."""

ZERO = Decimal(0)

GENERAL: Mapping[Meter, tuple[Meter, ...]] = {
    "input_image": ("input",),
    "input_video": ("input",),
    "cache_read": ("input",),
    "cache_read_image": ("input_image", "cache_read", "input"),
    "cache_read_audio": ("input_audio",),
    "cache_write_5m": ("input",),
    "reasoning": ("output",),
}
"""Meter -> the more general ones whose price it takes, in this order, when it has none of its own. Reading or writing a
cache falls back to plain input: a provider that lists no cache price gives no discount, and charges nothing extra."""

HOUR_WRITE = Decimal("1.6")
"""Anthropic: an entry of one hour costs 2x the input price, one of five minutes 1.25x.
https://docs.claude.com/en/docs/build-with-claude/prompt-caching#pricing"""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a unit. Of `steps`, (more than so many input tokens, price), the last one passed prices all units."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """The price for a call with this many input tokens in all."""
        price = self.base
        for above, step in self.steps:
            if input_tokens > above:
                price = step
        return price

    def times(self, factor: Decimal) -> Price:
        """The same steps at another level."""
        return Price(
            EXACT.multiply(self.base, factor),
            tuple((above, EXACT.multiply(price, factor)) for above, price in self.steps),
        )


Prices = Mapping[Meter, Price]


@dataclass(frozen=True, slots=True)
class Rates:
    """Unit prices by meter, one table for each range of input tokens: (more than so many, table), ascending."""

    bands: tuple[tuple[int, Mapping[Meter, Decimal]], ...]
    source: CostSource
    version: str
    free: bool = False
    least_seconds: Decimal | None = None
    dearest: dict[tuple[bool, bool], Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """The most that each table asks, kept for whoever has worked it out."""

    def table(self, input_tokens: int) -> Mapping[Meter, Decimal]:
        """The unit prices of a call with this many input tokens in all."""
        bands = self.bands
        table = bands[0][1]
        if len(bands) > 1:
            for above, dearer in bands[1:]:
                if input_tokens > above:
                    table = dearer
        return table

    def times(self, factor: Decimal, version: str) -> Rates:
        """The same rates after a discount that the price file gives."""
        bands = tuple(
            (above, {meter: EXACT.multiply(price, factor) for meter, price in table.items()})
            for above, table in self.bands
        )
        return replace(self, bands=bands, source="overlay", version=version, free=self.free or not factor)

    @property
    def by_token(self) -> bool:
        """Whether tokens are billed at all."""
        return any(meter in self.bands[0][1] for meter in TOKEN_METERS)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Why a call has no price."""

    reason: str


def rates_of(prices: Prices, provider: str, model: str, source: CostSource, version: str) -> Rates:
    """A price list with its gaps filled. `provider` is a genai-prices id, or any name where none is known."""
    filled = _fill(prices, provider, model)
    starts = sorted({above for price in filled.values() for above, _ in price.steps})
    return Rates(
        bands=tuple((above, _table(filled, above + 1)) for above in (-1, *starts)),
        source=source,
        version=version,
        free=bool(prices) and not any(price.base or price.steps for price in prices.values()),
        # Groq bills ten seconds at least: https://console.groq.com/docs/speech-to-text
        least_seconds=Decimal(10) if provider == "groq" else None,
    )


def _table(prices: Prices, input_tokens: int) -> dict[Meter, Decimal]:
    return {meter: price.at(input_tokens) for meter, price in prices.items()}


def _fill(prices: Prices, provider: str, model: str) -> Prices:
    filled = dict(prices)
    for meter, candidates in (*GENERAL.items(), *_by_provider(provider, model)):
        if meter not in filled:
            general = next((filled[other] for other in candidates if other in filled), None)
            if general is not None:
                filled[meter] = general
    if "cache_write_1h" not in filled and "cache_write_5m" in prices and "claude" in model.lower():
        filled["cache_write_1h"] = filled["cache_write_5m"].times(HOUR_WRITE)
    return filled


def _by_provider(provider: str, model: str) -> tuple[tuple[Meter, tuple[Meter, ...]], ...]:
    model = model.lower()
    rows: list[tuple[Meter, tuple[Meter, ...]]] = []
    if provider == "google":
        # One input price for all modalities, unless the list names the exception (audio of the Flash models).
        rows += (("input_audio", ("input",)), ("cache_read_audio", ("cache_read",)))
    if "tts" in model:
        rows.append(("output_audio", ("output",)))
    if "gpt-image" in model:
        rows.append(("output_image", ("output",)))
    return tuple(rows)
