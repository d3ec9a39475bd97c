"""Which price applies to a call, and when.

A price is looked up once for each provider, model, context and day, and kept as a table of `Rates`; after that, a call
costs some multiplications. What cannot be known is unpriced, with a reason: never zero, and never a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType

from tollkeeper.model.call import Call
from tollkeeper.model.cost import Cost, LineItem, PriceStatus
from tollkeeper.pricing.book import Book, Schedule
from tollkeeper.pricing.cost import counted_otherwise, line_items, total
from tollkeeper.pricing.lookup import NANOSECONDS_A_DAY, Lookup
from tollkeeper.pricing.overlay import Overlay
from tollkeeper.pricing.rates import ZERO, Rates, Unpriced

logger = logging.getLogger(__name__)

SCHEDULES_KEPT = 4096
REASONS_KEPT = 1024

Priced = tuple[Cost | None, PriceStatus | None]
NO_COST: Priced = (None, None)
UNPRICED: Priced = (None, "unpriced")

_Key = tuple[object, ...]
"""Provider, model, its other name, tier, context, address, day; and the tenant, if it has a discount of its own."""


@dataclass(slots=True)
class Reason:
    """Why calls of a model were unpriced, the last time, and how many there were."""

    reason: str = ""
    calls: int = 0
    _count: Iterator[int] = field(default_factory=lambda: count(1), repr=False, compare=False)

    def again(self, reason: str) -> None:
        """One more. `next` is atomic where `+= 1` is not."""
        self.reason = reason
        self.calls = next(self._count)


class _List:
    """Somebody's own prices, and what was looked up with them: replaced together, so that nothing old stays."""

    __slots__ = ("overlay", "schedules", "tenants")

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self.tenants = overlay.tenants
        self.schedules: dict[_Key, Schedule] = {}

    def keep(self, key: _Key, schedule: Schedule) -> Schedule:
        if len(self.schedules) >= SCHEDULES_KEPT:
            self.schedules = {}
        self.schedules[key] = schedule
        return schedule


class Catalog:
    """Prices calls: the user's own prices first, then genai-prices.

    Shared between threads without a lock, which a fork could leave taken: an entry that two threads look up at once is
    the same entry, and a table that is full is replaced rather than emptied.
    """

    def __init__(self, overlay: Overlay | None = None) -> None:
        self._own = _List(overlay or Overlay())
        self._book: Book | None = None
        self._unpriced: dict[tuple[str, str], Reason] = {}

    @property
    def overlay(self) -> Overlay:
        """The prices that go before the catalogue's."""
        return self._own.overlay

    def use(self, overlay: Overlay) -> None:
        """Have other prices go before the catalogue's, from the next call on. Any thread may do it at any time."""
        self._own = _List(overlay)

    @property
    def unpriced(self) -> Mapping[tuple[str, str], Reason]:
        """(provider, model) -> why its calls had no price, for the first models that had none."""
        return MappingProxyType(self._unpriced)

    @property
    def listed_version(self) -> str:
        """The version of the price lists that come after them."""
        return self._loaded().version

    def load(self) -> None:
        """Import genai-prices (0.4 s) now, best in a background thread, rather than with the first call."""
        self._loaded()

    def provider_of(self, model: str) -> str | None:
        """Whose model this is, by its name alone, as the price lists tell; `None` where they do not."""
        return self._loaded().provider_of(model)

    def listed_models(self) -> Iterator[tuple[str, str]]:
        """Provider and model of everything that is in the price lists."""
        return self._loaded().models()

    def listed_since(self, provider: str, model: str, at: int) -> int | None:
        """The moment since when the price lists have said what they say at a moment; `None`: always."""
        day = self._loaded().since(provider, model, at // NANOSECONDS_A_DAY)
        return None if day is None else day * NANOSECONDS_A_DAY

    def text_models(self, provider: str, at: int) -> list[str]:
        """The models of a provider that its price list has at a moment with prices for text in and out."""
        return self._loaded().text_models(provider, at // NANOSECONDS_A_DAY)

    def price(self, call: Call) -> Priced:
        """What a call cost, and whether that is a price; `(None, None)` where nobody knows what was used."""
        if call.provider_cost is not None:
            return Cost(call.provider_cost, "provider"), "priced" if call.provider_cost else "free"
        if call.error_type is not None and call.usage_source == "unknown":
            return NO_COST
        rates = self.rates(call)
        if isinstance(rates, Unpriced):
            return self._without(call, rates)
        if rates.free and not call.passes:
            return Cost(ZERO, rates.source, (), rates.version), "free"
        usage = call.billed_usage or call.usage
        if usage.input_tokens is None and rates.by_token and not counted_otherwise(usage, rates):
            if usage.output_tokens is None:
                return NO_COST
            return self._without(call, Unpriced("the input tokens are not known"))
        items = self._items(call, rates)
        if isinstance(items, Unpriced):
            return self._without(call, items)
        if not items and not usage.known:
            return NO_COST
        return Cost(total(items), rates.source, tuple(items), rates.version), "priced"

    def rates(self, call: Call) -> Rates | Unpriced:
        """What each meter of a call costs, whatever it used; or why it has no price."""
        return self._rates(call, call.response_model, call.request_model)

    def _items(self, call: Call, rates: Rates) -> list[LineItem] | Unpriced:
        items = line_items(call.billed_usage or call.usage, rates)
        if call.passes and not isinstance(items, Unpriced):
            for extra in call.passes:
                own = rates if extra.model is None else self._rates(call, extra.model, None)
                more = own if isinstance(own, Unpriced) else line_items(extra.usage, own, extra.model)
                if isinstance(more, Unpriced):
                    return Unpriced(f"{extra.kind} by {extra.model}: {more.reason}")
                # The call is one request, however many passes it took.
                items += (item for item in more if item.meter != "requests")
        return items

    def _rates(self, call: Call, model: str | None, other: str | None) -> Rates | Unpriced:
        own = self._own
        day, since_midnight = divmod(call.started_at, NANOSECONDS_A_DAY)
        asked = tuple(call.price_context.items()) if call.price_context else ()
        key: _Key = (call.provider, model, other, call.service_tier, asked, call.server_address, day)
        tenant = None
        if own.tenants and (tenant := call.tags.get("tenant")) in own.tenants:
            key = (*key, tenant)
        schedule = own.schedules.get(key)
        if schedule is None:
            lookup = Lookup(own.overlay, self._loaded, call, [name for name in (model, other) if name], tenant)
            schedule = own.keep(key, lookup.schedule(day))
        rates = schedule[0][1]
        for start, later in schedule[1:]:
            if since_midnight >= start:
                rates = later
        return rates

    def _loaded(self) -> Book:
        if self._book is None:
            self._book = Book()
        return self._book

    def _without(self, call: Call, why: Unpriced) -> Priced:
        name = (call.provider, call.response_model or call.request_model or "")
        known = self._unpriced.get(name)
        if known is None:
            if len(self._unpriced) >= REASONS_KEPT:
                return UNPRICED
            known = self._unpriced.setdefault(name, Reason())
        if known.reason != why.reason:
            logger.debug("no price for %s %s: %s", *name, why.reason)
        known.again(why.reason)
        return UNPRICED
