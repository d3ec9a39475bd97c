"""One figure of a provider's own: what it says was used or billed on a day of UTC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal, NamedTuple, get_args

Item = Literal[
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write", "prompt", "output", "total", "requests",
    "credit", "other",
]  # fmt: skip
ITEMS: tuple[Item, ...] = get_args(Item)
"""`input` is what no cache had, `prompt` all input, `total` all of a model; `other` is nothing that is counted here."""

Told = Literal["usage", "cost"]
"""Where a source tells tokens twice, those of `usage` count, and those of `cost` say only what the money is for."""

Tier = Literal["", "standard", "batch", "flex", "priority"]
"""At which tariff; empty where the source does not say."""

_TIERS: Mapping[str, Tier] = {
    "standard": "standard", "default": "standard", "auto": "standard", "scale": "standard", "batch": "batch",
    "batches": "batch", "flex": "flex", "priority": "priority",
}  # fmt: skip
NANO_PLACES = 9
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class InvoiceLine(NamedTuple):
    """`amount` is in US dollars, as exact as the source says it. What the source does not say is `None`, or empty.

    `source` names where it was told, `provider` is as the ledger has it, `label` what the source calls the item. `raw`
    is all that the source said.
    """

    source: str
    provider: str
    day: date
    told: Told
    model: str = ""
    item: Item = "total"
    tokens: int | None = None
    requests: int | None = None
    amount: Decimal | None = None
    tier: Tier = ""
    project: str = ""
    key: str = ""
    label: str = ""
    raw: Mapping[str, Any] = {}

    @property
    def id(self) -> str:
        """The same for the same line of the same day, whatever its figures are by now."""
        said = [
            self.source, self.day.isoformat(), self.told, self.model, self.item, self.tier, self.project, self.key,
            self.label,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]

    @property
    def figures(self) -> tuple[int | None, int | None, Decimal | None]:
        """What it says: the rest is what it is of."""
        return self.tokens, self.requests, None if self.amount is None else self.amount.normalize(_EXACT)


def added(one: InvoiceLine, other: InvoiceLine) -> InvoiceLine:
    """Two of the same id as one, such as the rows of a day's hours."""
    known = [*one.raw.get("rows", [one.raw]), *other.raw.get("rows", [other.raw])]
    return one._replace(
        tokens=_sum(one.tokens, other.tokens),
        requests=_sum(one.requests, other.requests),
        amount=_amounts(one.amount, other.amount),
        raw={"rows": known},
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _amounts(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else _EXACT.add(one, other)


def in_dollars(cents: Decimal) -> Decimal:
    """Cents as dollars, exactly."""
    return _EXACT.scaleb(cents, -2)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum, exact."""
    found = Decimal(0)
    for amount in amounts:
        found = _EXACT.add(found, amount)
    return found


def tier_of(said: object) -> Tier:
    """A source's word for its tariff, as it is said here; of others, nothing is known."""
    return _TIERS.get(str(said or "").strip().lower(), "")


def nano_usd(amount: Decimal) -> int:
    """Dollars as billionths, rounded half to even. Sums are made before, not after it."""
    return int(_EXACT.to_integral_value(_EXACT.scaleb(amount, NANO_PLACES)))
