"""The most that a call can use and cost, known before it is sent. A hard limit holds because this is never too low."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import NamedTuple

from tollkeeper.model.decision import Bound
from tollkeeper.model.usage import INPUT_METERS, OUTPUT_METERS, Meter
from tollkeeper.pricing.rates import ZERO, Rates, Unpriced

_AUDIO: frozenset[Meter] = frozenset(("input_audio", "cache_read_audio", "output_audio"))
_CACHE_WRITES: frozenset[Meter] = frozenset(("cache_write_5m", "cache_write_1h"))
PARTS = 1_000_000_000
"""Of a nano-dollar: fine enough that rounding each price up to one adds nothing that is seen."""

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
    writes_cache: bool = True
    why: str | None = None


class _Dearest(NamedTuple):
    """What one table asks at the most, in billionths of a nano-dollar and rounded up: whole numbers are quick.

    `None` where nobody can tell beforehand.
    """

    above: int
    input_token: int
    output_token: int
    request: int
    choice: int


def bound_of(demand: Demand, rates: Rates | Unpriced | None) -> Bound:
    """The most tokens, and nano-dollars (rounded up), of a request at these prices; without prices, the tokens."""
    taken, made = demand.input_tokens, demand.output_tokens
    output = None if made is None else made * demand.choices
    why = demand.why or ("it names no most output tokens" if output is None else None)
    if rates is None:
        return Bound(taken, output, None, why)
    if isinstance(rates, Unpriced):
        return Bound(taken, output, None, rates.reason, True)
    if rates.free:
        return Bound(taken, output, 0, why)
    dearest = _dearest(rates, demand.has_audio, demand.writes_cache)
    if taken is None or dearest is None:
        return Bound(taken, output, None, why or "it is billed by what nobody can tell beforehand")
    most = 0
    for above, input_token, output_token, request, choice in dearest:
        if above < taken or above < 0:
            if output is None and output_token:
                return Bound(taken, output, None, why)
            cost = taken * input_token + (output or 0) * output_token + request + demand.choices * choice
            most = max(most, cost)
    return Bound(taken, output, -(-most // PARTS), why)


def with_likely(bound: Bound, demand: Demand, rates: Rates | Unpriced | None, output_tokens: int) -> Bound:
    """The same, and what the call is likely to use if its answers have so many tokens: never more than the most."""
    likely = output_tokens if bound.output_tokens is None else min(output_tokens, bound.output_tokens)
    each = -(-likely // demand.choices)
    cost = bound_of(demand._replace(output_tokens=each), rates).nano_usd
    most = bound.nano_usd
    return bound._replace(likely_output=likely, likely_usd=cost if cost is None or most is None else min(cost, most))


def _dearest(rates: Rates, has_audio: bool, writes_cache: bool) -> tuple[_Dearest, ...] | None:
    """The most that each table of these rates asks; worked out once."""
    key = (has_audio, writes_cache)
    if key not in rates.dearest:
        # Sound and what is written to a cache cost more than text, so they count only where there is any.
        left_out = (frozenset() if has_audio else _AUDIO) | (frozenset() if writes_cache else _CACHE_WRITES)
        tables = [_most(above, table, left_out) for above, table in rates.bands]
        rates.dearest[key] = None if None in tables else tuple(tables)
    found: tuple[_Dearest, ...] | None = rates.dearest[key]
    return found


def _most(above: int, table: Mapping[Meter, Decimal], left_out: frozenset[Meter]) -> _Dearest | None:
    if "input_audio_seconds" in table:
        return None
    # A character of speech is at least one byte of the request, as a token is.
    read = max(_price(table, INPUT_METERS, left_out), table.get("input_characters", ZERO))
    return _Dearest(
        above,
        _parts(read),
        _parts(_price(table, OUTPUT_METERS, left_out)),
        _parts(table.get("requests", ZERO)),
        _parts(table.get("output_images", ZERO)),
    )


def _price(table: Mapping[Meter, Decimal], meters: tuple[Meter, ...], left_out: frozenset[Meter]) -> Decimal:
    """The dearest of these meters."""
    return max((table[meter] for meter in meters if meter in table and meter not in left_out), default=ZERO)


def _parts(usd: Decimal) -> int:
    return int(_UP.to_integral_value(_UP.scaleb(usd, 18)))
