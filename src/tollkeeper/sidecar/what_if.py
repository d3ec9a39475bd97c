"""What a past period would have cost otherwise: its calls are read one by one, and only sums are kept."""

from __future__ import annotations

from tollkeeper.insight.what_if import Outcome, Scenario, WhatIf
from tollkeeper.pricing import Catalog
from tollkeeper.sidecar.repricing import Period
from tollkeeper.storage.ledger import Ledger
from tollkeeper.storage.prices import PriceBook


def what_if(scenario: Scenario, period: Period, ledger: Ledger, price_book: PriceBook) -> Outcome:
    """By the price book as it is. Raises `ValueError` for a scenario that is none, and `LedgerUnavailable`."""
    if mistakes := scenario.mistakes():
        raise ValueError("\n".join(mistakes))
    # A catalogue of its own: those that price calls remember what they look up.
    asked = WhatIf(scenario, Catalog(price_book.overlay()))
    for kept in ledger.select_calls(period.start, period.end, period.filters):
        asked.add(kept.call, kept.nano_usd)
    return asked.outcome()
