"""Sums of usage at the prices of one moment: exact, as each call of a sum is priced alike."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from tollkeeper.insight.what_if import place_of, put_in_tier
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import Meter
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import EXACT, Rates, Unpriced

if TYPE_CHECKING:
    from tollkeeper.insight.advice.facts import Use

NANO = Decimal(1_000_000_000)


class PricesNow:
    """What models cost at a moment, in nanoseconds since the epoch, by a catalogue."""

    def __init__(self, catalog: Catalog, at: int) -> None:
        self._catalog = catalog
        self._at = at

    def of(self, use: Use, *, provider: str = "", model: str = "", tier: str | None = None) -> int | None:
        """What the calls of a use cost now, in nano-dollars: as they were made, or by another model, in another tier.

        `None`: there is no price for what they used.
        """
        rates = self.rates(use, provider, model, use.tier if tier is None else tier)
        return None if isinstance(rates, Unpriced) else cost_of(use, rates)

    def rates(self, use: Use, provider: str = "", model: str = "", tier: str = "") -> Rates | Unpriced:
        """What each meter costs."""
        tags = {"tenant": use.tenant} if use.tenant else {}
        call = Call("", provider or use.task.provider, "chat", self._at, model or use.task.asked, tags=tags)
        if not model and use.model != use.task.asked:
            call.response_model = use.model
        if tier:
            put_in_tier(call, tier)
        return self._catalog.rates(call)

    def place(self, name: str, provider: str) -> tuple[str, str]:
        """The provider and the model that a name means to who asks this provider."""
        return place_of(name, provider, self._at, self._catalog)

    def text_models(self, provider: str) -> list[str]:
        """The models of a provider's price list that take and make text."""
        return self._catalog.text_models(provider, self._at)


def meters_of(use: Use) -> Mapping[Meter, int | Decimal]:
    """The disjoint meters of a use; of requests, all there were."""
    usage = Usage(
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        cache_read_tokens=use.cache_read_tokens,
        cache_write_tokens=use.cache_write_tokens,
        cache_write_1h_tokens=use.cache_write_1h_tokens,
        reasoning_tokens=use.reasoning_tokens,
    )
    return {**usage.billable(), "requests": use.calls}


def cost_of(use: Use, rates: Rates) -> int | None:
    """In nano-dollars, rounded half to even; `None`: something of it has no price."""
    if rates.free:
        return 0
    table = rates.table(use.above + 1)
    usd = Decimal(0)
    for meter, quantity in meters_of(use).items():
        price = table.get(meter)
        if price is not None:
            usd = EXACT.add(usd, EXACT.multiply(price, quantity))
        elif meter != "requests":
            return None
    return nano(usd)


def nano(usd: Decimal) -> int:
    """US dollars in billionths, rounded half to even."""
    return int(EXACT.multiply(usd, NANO).to_integral_value(ROUND_HALF_EVEN, EXACT))
