"""What models charge for, as people choose and read it: names, and prices per one, a thousand or a million."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple, get_args

from starlette.datastructures import QueryParams

EXACT = Context(prec=60)
MILLION = 1_000_000

Unit = Literal["1m", "1k", "1"]
UNITS: Mapping[Unit, int] = {"1m": MILLION, "1k": 1000, "1": 1}
UNIT_WORDS: Mapping[Unit, str] = {"1m": "per 1M tokens", "1k": "per 1K tokens", "1": "per token"}


class Meter(NamedTuple):
    """`field` is its name in a row of the price book, `rate` in unit prices. `each`: how many units it is priced by;
    0: tokens, by the unit that is chosen. `instead`: whose price applies where it has none."""

    field: str
    rate: str
    words: str
    each: int = 0
    instead: tuple[str, ...] = ()


METERS: Sequence[Meter] = (
    Meter("input", "input", "Input"),
    Meter("output", "output", "Output"),
    Meter("cache_read", "cache_read", "Cache read", 0, ("input",)),
    Meter("cache_write", "cache_write_5m", "Cache write", 0, ("input",)),
    Meter("cache_write_1h", "cache_write_1h", "Cache write, kept 1 hour"),
    Meter("reasoning", "reasoning", "Reasoning", 0, ("output",)),
    Meter("input_audio", "input_audio", "Audio in"),
    Meter("output_audio", "output_audio", "Audio out"),
    Meter("cache_read_audio", "cache_read_audio", "Audio from cache", 0, ("input_audio",)),
    Meter("input_image", "input_image", "Images in", 0, ("input",)),
    Meter("output_image", "output_image", "Images out"),
    Meter("cache_read_image", "cache_read_image", "Images from cache", 0, ("input_image", "cache_read", "input")),
    Meter("input_video", "input_video", "Video in", 0, ("input",)),
    Meter("per_request", "requests", "Request", 1),
    Meter("per_search", "web_searches", "Web search", 1),
    Meter("per_second", "input_audio_seconds", "Second of audio", 1),
    Meter("per_image", "output_images", "Image", 1),
    Meter("per_1k_characters", "input_characters", "1,000 characters", 1000),
)
BY_FIELD = {meter.field: meter for meter in METERS}
COLUMNS = METERS[:4]
"""Of the catalogue's table, and the first of the form."""


def unit_of(parameters: QueryParams | Mapping[str, Any]) -> Unit:
    """The unit that the URL, or a form, names."""
    return next((unit for unit in get_args(Unit) if unit == parameters.get("per")), "1m")


def scaled(meter: Meter, unit_price: Decimal, per: Unit) -> Decimal:
    """A price of one unit, as it is shown."""
    return EXACT.multiply(unit_price, Decimal(meter.each or UNITS[per]))


def as_kept(meter: Meter, amount: Decimal, per: Unit) -> Decimal:
    """A price as it was typed, for a row of the price book: of tokens, that of a million."""
    return amount if meter.each else EXACT.multiply(amount, Decimal(MILLION // UNITS[per]))


def as_shown(meter: Meter, kept: Decimal, per: Unit) -> Decimal:
    """A price of a row of the price book, by the unit that is chosen."""
    return kept if meter.each else EXACT.divide(kept, Decimal(MILLION // UNITS[per]))


def own_prices(unit_prices: Mapping[str, Decimal], per: Unit) -> Iterator[tuple[Meter, Decimal]]:
    """Those that are not merely the price of something more general, as they are shown."""
    for meter in METERS:
        price = unit_prices.get(meter.rate)
        general = (unit_prices[BY_FIELD[name].rate] for name in meter.instead if BY_FIELD[name].rate in unit_prices)
        if price is not None and price != next(general, None):
            yield meter, scaled(meter, price, per)
