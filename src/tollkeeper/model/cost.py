"""What a call cost, in US dollars, as exact decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal, NamedTuple

from tollkeeper.model.usage import Meter, Quantity

PriceStatus = Literal["priced", "free", "unpriced"]
"""`free` is a price of zero that somebody stated; `unpriced` is no price at all, and never means zero."""

CostSource = Literal["provider", "catalog", "overlay", "app"]
"""`provider`: the answer itself named the cost. `catalog`: genai-prices. `overlay`: the user's own prices. `app`: the
prices that the app had, where the sidecar has none."""

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Ours, because the host program may have set its own decimal context to anything."""
_shift, _round = _ROUNDING.scaleb, _ROUNDING.to_integral_value


class LineItem(NamedTuple):
    """One meter of a cost: `amount = quantity x unit_price` (US dollars, and US dollars a unit)."""

    meter: Meter
    quantity: Quantity
    unit_price: Decimal
    amount: Decimal
    model: str | None = None


class Cost(NamedTuple):
    """The cost of one call. `usd` is the sum of `items`, except where the provider named the sum and no items."""

    usd: Decimal
    source: CostSource
    items: tuple[LineItem, ...] = ()
    price_version: str | None = None

    @property
    def nano_usd(self) -> int:
        """`usd` in billionths of a dollar, rounded half to even: the form in which money is stored."""
        return int(_round(_shift(self.usd, 9)))
