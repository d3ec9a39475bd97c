"""The most that a call can use and cost, known before it is sent. A hard limit holds because this is never too low."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import NamedTuple

from tollkeeper.model.decision import Bound
from tollkeeper.model.usage import INPUT_METERS, OUTPUT_METERS, Meter
from tollkeeper.pricing.rates import EXACT, ZERO, Rates, Unpriced

_AUDIO: frozenset[Meter] = frozenset(("input_audio", "cache_read_audio", "output_audio"))
_UP = Context(prec=60, rounding=ROUND_CEILING)


class Demand(NamedTuple):
    """What a request asks for. `None` is what cannot be told from it; `why` says the reason.

    `output_tokens` is the most of one answer, and `choices` how many answers are asked for. A character is never more
    than one of `input_tokens`, which come from bytes.
    """

    input_tokens: int | None
    output_tokens: int | None
    choices: int = 1
    has_audio: bool = False
    why: str | None = None


def bound_of(demand: Demand, rates: Rates | Unpriced | None) -> Bound:
    """The most tokens, and nano-dollars (rounded up), of a request at these prices; without prices, the tokens."""
    taken, made = demand.input_tokens, demand.output_tokens
    output = None if made is None else made * demand.choices
    why = demand.why or ("it names no most output tokens" if output is None else None)
    if rates is None:
        return Bound(taken, output, None, why)
    if isinstance(rates, Unpriced):
        return Bound(taken, output, None, rates.reason, unpriced=True)
    if rates.free:
        return Bound(taken, output, 0, why)
    if taken is None:
        return Bound(taken, output, None, why)
    usd = _most(rates, taken, output, demand)
    return Bound(taken, output, None if usd is None else _nano(usd), why)


def output_for(nano_usd: int, demand: Demand, rates: Rates) -> int:
    """How many tokens each answer may have, at the most, for a request to cost no more than `nano_usd`."""
    if demand.input_tokens is None:
        return 0
    least = _most(rates, demand.input_tokens, 0, demand)
    if least is None:
        return 0
    dearest = max(_price(table, OUTPUT_METERS, demand) for table in _tables(rates, demand.input_tokens))
    left = EXACT.subtract(_UP.scaleb(Decimal(nano_usd), -9), least)
    if not dearest or left <= 0:
        return 0
    return int(EXACT.divide_int(left, EXACT.multiply(dearest, demand.choices)))


def _most(rates: Rates, taken: int, output: int | None, demand: Demand) -> Decimal | None:
    """The cost at the dearest table that such a call can come under; `None` where nobody can tell."""
    costs = [_cost(table, taken, output, demand) for table in _tables(rates, taken)]
    known = [cost for cost in costs if cost is not None]
    return max(known) if len(known) == len(costs) else None


def _tables(rates: Rates, taken: int) -> list[Mapping[Meter, Decimal]]:
    return [table for above, table in rates.bands if above < max(taken, 1)]


def _cost(table: Mapping[Meter, Decimal], taken: int, output: int | None, demand: Demand) -> Decimal | None:
    if "input_audio_seconds" in table:
        return None
    made = _price(table, OUTPUT_METERS, demand)
    if made and output is None:
        return None
    usd = EXACT.multiply(_price(table, INPUT_METERS, demand), taken)
    usd = EXACT.add(usd, EXACT.multiply(made, output or 0))
    usd = EXACT.add(usd, EXACT.multiply(table.get("input_characters", ZERO), taken))
    usd = EXACT.add(usd, EXACT.multiply(table.get("output_images", ZERO), demand.choices))
    return EXACT.add(usd, table.get("requests", ZERO))


def _price(table: Mapping[Meter, Decimal], meters: tuple[Meter, ...], demand: Demand) -> Decimal:
    """The dearest of these meters. Sound costs many times what text does, so it counts only where there is any."""
    return max((table[meter] for meter in meters if meter in table and (demand.has_audio or meter not in _AUDIO)),
               default=ZERO)  # fmt: skip


def _nano(usd: Decimal) -> int:
    return int(_UP.to_integral_value(_UP.scaleb(usd, 9)))
