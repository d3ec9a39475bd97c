"""The ledger: every attempt of every call, exactly once, at the price in force when it was made."""

from tollkeeper.storage.ledger.contract import (
    DIMENSIONS,
    CallQuery,
    Entry,
    Ledger,
    Recorded,
    Started,
    Totals,
    UsageQuery,
    UsageRow,
)

__all__ = ["DIMENSIONS", "CallQuery", "Entry", "Ledger", "Recorded", "Started", "Totals", "UsageQuery", "UsageRow"]
