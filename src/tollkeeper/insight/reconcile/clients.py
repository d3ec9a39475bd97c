"""Whose lines on a bill are not ours: keys and projects without which the rest agrees."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tollkeeper.insight.reconcile.invoiced import OF_LEDGER, Invoiced
from tollkeeper.insight.reconcile.recorded import Sums

MOST_CLIENTS = 50
EXPLAINED = 0.6
"""Of the cells that differ and have a key's lines, this part has to agree without them."""
CLOSE = 0.001
"""Tokens agree when they differ by no more than this part; requests, too."""


class Compared(NamedTuple):
    """A cell before it is judged."""

    ledger: Sums
    invoice: Invoiced


def others(cells: Collection[Compared]) -> set[str]:
    """The keys and projects of other clients, one after the other, as long as one explains most of where it is."""
    found: set[str] = set()
    names = sorted({name for cell in cells for name in cell.invoice.clients()})
    for _ in range(min(len(names), MOST_CLIENTS)):
        shares = {name: _explained(cells, found, name) for name in names if name not in found}
        best = max(shares, key=lambda name: (shares[name], name), default=None)
        if best is None or shares[best] < EXPLAINED:
            return found
        found.add(best)
    return found


def _explained(cells: Collection[Compared], known: set[str], name: str) -> float:
    """Of the cells that have its lines and differ, the part that agrees without them."""
    differing = agreeing = 0
    for ledger, invoice in cells:
        left = invoice.without(known)
        # Where the ledger has nothing, whoever is billed would explain it.
        if name not in left.clients() or not ledger.tokens or is_close(ledger, left):
            continue
        differing += 1
        agreeing += is_close(ledger, left.without({name}))
    return agreeing / differing if differing else 0.0


def is_close(ledger: Sums, invoice: Invoiced) -> bool:
    """Whether tokens, by the groups that the invoice tells, and requests are the same, but for very little."""
    told = invoice.tokens() or {}
    have = OF_LEDGER[invoice.form](ledger)
    if not all(_near(have[group], told.get(group, 0)) for group in have):
        return False
    requests = invoice.requests()
    return requests is None or _near(ledger.requests, requests)


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= CLOSE * max(one, other)
