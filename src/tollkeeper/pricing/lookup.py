"""What one model costs on one day: the user's own rows, then aliases, then the catalogue, discounts taken off.

Slow, and therefore done once for each model and day; the catalogue remembers what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tollkeeper.model.call import Call
from tollkeeper.pricing.book import Book, Schedule
from tollkeeper.pricing.context import context_of
from tollkeeper.pricing.overlay import Alias, Discount, Overlay
from tollkeeper.pricing.providers import runs_here
from tollkeeper.pricing.rates import ZERO, Price, Rates, Unpriced, rates_of

NANOSECONDS_A_DAY = 86_400_000_000_000

SELF_HOSTED = rates_of({"input": Price(ZERO)}, "", "", "catalog", "self-hosted")


class Lookup:
    """Asks for the prices of a call's model, by the names that it goes by, the better one first."""

    def __init__(
        self, overlay: Overlay, book: Callable[[], Book], call: Call, models: list[str], tenant: str | None
    ) -> None:
        self._overlay = overlay
        self._book = book
        self._call = call
        self._models = models
        self._tenant = tenant
        self._context = context_of(call.price_context, call.service_tier)

    def schedule(self, day: int) -> Schedule:
        """The prices of a day, counted from the epoch."""
        midnight = day * NANOSECONDS_A_DAY
        names = [(self._call.provider, model) for model in self._models]
        changes = self._overlay.changes(names, midnight, midnight + NANOSECONDS_A_DAY)
        starts = (0, *(change - midnight for change in changes))
        parts: list[tuple[int, Rates | Unpriced]] = []
        for start, end in zip(starts, (*starts[1:], NANOSECONDS_A_DAY), strict=True):
            own = self._from(midnight + start, day)
            # What holds at the start of this part, and what changes within it.
            parts.append((start, [rates for since, rates in own if since <= start][-1]))
            parts += ((since, rates) for since, rates in own if start < since < end)
        return tuple(parts)

    def _from(self, at: int, day: int) -> Schedule:
        overlay, provider = self._overlay, self._call.provider
        for model in self._models:
            if (own := self._own(provider, model, at)) is not None:
                return own
        for model in self._models:
            if (alias := overlay.alias(provider, model, at)) is not None:
                return self._meant(alias, at, day)
        if runs_here(provider, self._call.request_model, self._call.server_address):
            return ((0, SELF_HOSTED),)
        for model in self._models:
            if (listed := self._listed(provider, model, at, day)) is not None:
                return listed
        return _never("in no price list" if self._models else "no model is named")

    def _own(self, provider: str, model: str, at: int) -> Schedule | None:
        rates = self._overlay.rates(provider, model, self._context, at)
        if rates is None:
            return None
        discount = self._overlay.tenant_discount(provider, model, self._tenant, at)
        return ((0, rates if discount is None else self._reduced(rates, discount)),)

    def _meant(self, alias: Alias, at: int, day: int) -> Schedule:
        provider, model = alias.provider or self._call.provider, alias.model
        found = self._own(provider, model, at) or self._listed(provider, model, at, day)
        if found is None:
            return _never(f"its alias {model} is in no price list")
        return found if alias.version is None else _noted(found, alias.version)

    def _listed(self, provider: str, model: str, at: int, day: int) -> Schedule | None:
        schedule = self._book().schedule(provider, model, self._context, day)
        discount = self._overlay.discount(provider, model, self._tenant, at)
        if schedule is None or discount is None:
            return schedule
        return tuple(
            (start, self._reduced(rates, discount) if isinstance(rates, Rates) else rates) for start, rates in schedule
        )

    def _reduced(self, rates: Rates, discount: Discount) -> Rates:
        return rates.times(discount.factor, f"{rates.version}, {discount.version or self._overlay.name}")


def _noted(schedule: Schedule, version: str) -> Schedule:
    """The same prices; their version also says by which alias they were found."""
    return tuple(
        (start, replace(rates, version=f"{rates.version}, {version}") if isinstance(rates, Rates) else rates)
        for start, rates in schedule
    )


def _never(reason: str) -> Schedule:
    return ((0, Unpriced(reason)),)
