"""By how much spending changes with prices that will change: what was used lately, at the prices of days to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from tollkeeper.model import Call, Usage
from tollkeeper.pricing.catalog import Priced


class Model(NamedTuple):
    """Whose price it is."""

    provider: str
    name: str


class Used(NamedTuple):
    """What the calls of a model used lately, and what they cost: sums. Money is nano-dollars."""

    calls: int
    nano_usd: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def mean(self) -> Usage:
        """Of one of these calls."""
        return Usage(
            input_tokens=round(self.input_tokens / self.calls),
            output_tokens=round(self.output_tokens / self.calls),
            cache_read_tokens=round(self.cache_read_tokens / self.calls),
            cache_write_tokens=round(self.cache_write_tokens / self.calls),
        )


Price = Callable[[Model, Usage, int], Decimal | None]
"""What a call costs that uses so much at a moment; `None` where nobody knows."""


def price_of(priced: Callable[[Call], Priced]) -> Price:
    """By what prices calls, of one as most are: in the standard tier, with nothing special asked for."""

    def price(model: Model, usage: Usage, at: int) -> Decimal | None:
        call = Call(
            "", model.provider, "chat", at, model.name, response_model=model.name, usage=usage, usage_source="provider"
        )
        cost, _ = priced(call)
        return None if cost is None else cost.usd

    return price


def ratios(used: Mapping[Model, Used], price: Price, now: int, moments: Sequence[int]) -> dict[Model, list[float]]:
    """Of models whose price will be another: how many times what it is now, at each moment.

    What is not known, now or then, or is free now, is taken to stay as it is.
    """
    found: dict[Model, list[float]] = {}
    for model, sums in used.items():
        if not sums.calls:
            continue
        usage = sums.mean()
        today = price(model, usage, now)
        if not today:
            continue
        then = [price(model, usage, moment) for moment in moments]
        changes = [1.0 if cost is None else float(cost / today) for cost in then]
        if any(change != 1.0 for change in changes):
            found[model] = changes
    return found


def factors(spent: Mapping[Model, int], changes: Mapping[Model, Sequence[float]], moments: int) -> list[float]:
    """By how much all spending changes at each moment, if as much of each model is used as was lately.

    `spent` are nano-dollars by model, `changes` as `ratios` gives them.
    """
    total = sum(spent.values())
    if not total or not changes.keys() & spent.keys():
        return [1.0] * moments
    kept = total - sum(amount for model, amount in spent.items() if model in changes)
    return [
        (kept + sum(amount * changes[model][at] for model, amount in spent.items() if model in changes)) / total
        for at in range(moments)
    ]
