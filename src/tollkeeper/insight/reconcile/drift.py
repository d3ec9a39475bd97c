"""Settled days in sum over all models, and those on which a provider's bill and the ledger do not agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tollkeeper.insight.reconcile.cell import CauseKind, Cell
from tollkeeper.insight.reconcile.reconcile import Reconciliation, Terms


class Day(NamedTuple):
    """In nano-dollars: by how much the invoice is higher, what is billed, and the causes, the weightiest first.

    What is other clients', where it is known whose keys are ours, is in none of it. `drifts`: it differs by more than
    the tolerance.
    """

    day: date
    difference: int
    billed: int
    causes: Mapping[CauseKind, int]
    drifts: bool


def settled_days(found: Reconciliation, terms: Terms) -> tuple[Day, ...]:
    """Those of which money is told, the oldest first."""
    days: dict[date, list[Cell]] = defaultdict(list)
    for cell in found.cells:
        if cell.status == "settled" and cell.invoice.nano_usd is not None:
            days[cell.day].append(cell)
    return tuple(_day(day, cells, terms) for day, cells in sorted(days.items()))


def _day(day: date, cells: list[Cell], terms: Terms) -> Day:
    causes: dict[CauseKind, int] = defaultdict(int)
    for cell in cells:
        for cause in cell.causes:
            causes[cause.kind] += cause.nano_usd or 0
    theirs = causes.pop("another_client", 0) if terms.own else 0
    billed = sum(cell.invoice.nano_usd or 0 for cell in cells) - theirs
    difference = sum(cell.difference or 0 for cell in cells) - theirs
    weighty = sorted(causes.items(), key=lambda each: -abs(each[1]))
    ledger = sum(cell.ledger.nano_usd for cell in cells)
    drifts = not terms.tolerance.holds(difference, max(billed, ledger))
    return Day(day, difference, billed, dict(weighty), drifts)
