"""Settled days on which a provider's bill and the ledger do not agree: what people are to be told of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tollkeeper.insight.reconcile.cell import CauseKind, Cell
from tollkeeper.insight.reconcile.reconcile import Reconciliation, Terms


class Drift(NamedTuple):
    """A day, in nano-dollars: by how much the invoice is higher, what is billed, and the causes, the weightiest first.

    What is other clients', where it is known whose keys are ours, is in none of it.
    """

    day: date
    difference: int
    billed: int
    causes: Mapping[CauseKind, int]


def drifts(found: Reconciliation, terms: Terms) -> tuple[Drift, ...]:
    """The settled days that differ, in sum over all models, by more than the tolerance; the oldest first."""
    days: dict[date, list[Cell]] = defaultdict(list)
    for cell in found.cells:
        if cell.status == "settled" and cell.invoice.nano_usd is not None:
            days[cell.day].append(cell)
    made = (_drift(day, cells, bool(terms.own)) for day, cells in sorted(days.items()))
    return tuple(one for one in made if not terms.tolerance.holds(one.difference, one.billed))


def _drift(day: date, cells: list[Cell], own_are_known: bool) -> Drift:
    causes: dict[CauseKind, int] = defaultdict(int)
    for cell in cells:
        for cause in cell.causes:
            causes[cause.kind] += cause.nano_usd or 0
    theirs = causes.pop("another_client", 0) if own_are_known else 0
    billed = sum(cell.invoice.nano_usd or 0 for cell in cells) - theirs
    difference = sum(cell.difference or 0 for cell in cells) - theirs
    weighty = sorted(causes.items(), key=lambda each: -abs(each[1]))
    ledger = sum(cell.ledger.nano_usd for cell in cells)
    return Drift(day, difference, max(billed, ledger), dict(weighty))
