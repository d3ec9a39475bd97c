"""Prices what comes in, by the price book as it is at that moment, whoever has changed it and in which process."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tollkeeper.model import Call, Cost
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.catalog import Priced
from tollkeeper.storage.prices.book import PriceBook


class Pricer:
    """A catalogue that follows the price book. Several threads may use it at once."""

    def __init__(self, price_book: PriceBook) -> None:
        self._book = price_book
        self._catalog = Catalog()
        self._catalog.load()
        self._revision = 0
        self._lock = threading.Lock()

    @property
    def revision(self) -> int:
        """The revision of the book that calls were last priced by."""
        return self._revision

    @property
    def catalog_version(self) -> str:
        """Which price lists are used where the book says nothing."""
        return self._catalog.listed_version

    def price(self, calls: Sequence[Call]) -> list[Call]:
        """The calls, with `cost` and `price_status` at the moments when they were made.

        What the provider itself named wins. Where there is no price here and the app had one, its cost is kept, and
        its source says so. Raises `LedgerUnavailable` when the book cannot be read: nothing is priced by guess.
        """
        self.refresh()
        for call in calls:
            call.cost, call.price_status = _price(self._catalog, call, call.cost)
        return list(calls)

    def refresh(self) -> int:
        """Read the book again if it has changed. Returns its revision."""
        revision = self._book.revision()
        if revision != self._revision:
            with self._lock:
                if revision > self._revision:
                    self._catalog.use(self._book.overlay())
                    self._revision = revision
        return self._revision

    def price_again(self, recorded: Call) -> Priced:
        """What a recorded call costs by the book as it is since the last `refresh`. The call is left as it is."""
        return price_recorded(self._catalog, recorded)

    def reason(self, call: Call) -> str | None:
        """Why this call has no price, or `None` if it has one by now."""
        _, status = self.price_again(call)
        if status != "unpriced":
            return None
        seen = self._catalog.unpriced.get((call.provider, call.response_model or call.request_model or ""))
        return "in no price list" if seen is None else seen.reason


def price_recorded(catalog: Catalog, recorded: Call) -> Priced:
    """What a recorded call costs by a catalogue. The call is left as it is."""
    cost = recorded.cost
    return _price(catalog, recorded, cost if cost is not None and cost.source == "app" else None)


def _price(catalog: Catalog, call: Call, said: Cost | None) -> Priced:
    cost, status = catalog.price(call)
    if status != "unpriced" or said is None:
        return cost, status
    return said._replace(source="app"), "priced" if said.usd else "free"
