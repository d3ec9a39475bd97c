"""The ledger against what providers bill: by day and model, what differs and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import median
from typing import NamedTuple

from tollkeeper.insight.reconcile.causes import Known, Ours, causes, price_ratio
from tollkeeper.insight.reconcile.cell import CaptureRate, Cause, CauseKind, Cell, Status, Tolerance
from tollkeeper.insight.reconcile.clients import Compared, others
from tollkeeper.insight.reconcile.invoiced import Invoiced, gathered, one_source, smallest_units
from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.insight.reconcile.names import matched
from tollkeeper.insight.reconcile.recorded import NONE, Hours, Model, Sums, day_sums
from tollkeeper.insight.reconcile.shift import shift_of

UNIFORM_CELLS, UNIFORM_BY, UNIFORM_MODELS = 2 / 3, 0.003, 2
"""A discount is for at least so many models, and for this part of the cells, to within so much of one ratio."""

Tiers = Mapping[tuple[str, date, str], Mapping[str, int]]
"""The ledger's tokens by tariff: by provider, day and model."""


class Terms(NamedTuple):
    """How the bill of a provider is to be read.

    `own` are the keys and projects whose calls the ledger is to have; empty: that is found out. `aliases` are models'
    names on the invoice -> in the ledger. Days before `settled_before` are complete. Where several sources tell of
    the same day, the first of `sources` counts.
    """

    provider: str
    settled_before: date
    tolerance: Tolerance = Tolerance()
    own: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = {}
    sources: tuple[str, ...] = ()


class Recorded(NamedTuple):
    """What the ledger has: sums by hour of UTC, from the day before the first to the one after the last."""

    hours: Mapping[Model, Hours]
    tiers: Tiers = {}


class Reconciliation(NamedTuple):
    """Cells by day, then model; and what of the bill the ledger has. `shift_hours`: when the provider's days begin.

    `names` are those under which the ledger has a cell's model.
    """

    provider: str
    cells: tuple[Cell, ...]
    capture: CaptureRate | None
    shift_hours: int = 0
    names: Mapping[str, tuple[str, ...]] = {}


def reconcile(lines: Sequence[InvoiceLine], recorded: Recorded, days: Collection[date], terms: Terms) -> Reconciliation:
    """One provider, on the days of which its figures were got: a day without lines is one without a bill."""
    ours = {model: hours for (provider, model), hours in recorded.hours.items() if provider == terms.provider}
    told = [line for line in lines if line.provider == terms.provider and line.day in days]
    lines = one_source(told, terms.sources)
    names = matched(ours, {line.model for line in lines}, terms.aliases)
    hours = _by_name(ours, names)
    billed = {
        (day, model): cell
        for (_, day, model), cell in gathered(lines, {(terms.provider, name): to for name, to in names.items()}).items()
    }
    pairs = _pairs(hours, billed, days)
    tiers = _tiers(recorded.tiers, names, terms.provider)
    known = _known(lines, hours, pairs, billed, tiers, days, terms)
    cells = [
        _cell(day, model, _ours(hours, tiers, day, model, known), billed.get((day, model)), known, terms, bool(ours))
        for day, model in pairs
        if hours.get(model) is not None or (day, model) in billed
    ]
    known_as = {model: tuple(sorted(name for name in ours if names[name] == model)) for model in hours}
    return Reconciliation(terms.provider, tuple(cells), _capture(cells, terms, billed), known.shift_hours, known_as)


def _by_name(ours: Mapping[str, Hours], names: Mapping[str, str]) -> dict[str, dict[int, Sums]]:
    found: dict[str, dict[int, Sums]] = {}
    for model, hours in ours.items():
        sums = found.setdefault(names[model], {})
        for hour, more in hours.items():
            sums[hour] = sums.get(hour, NONE).plus(more)
    return found


def _pairs(
    hours: Mapping[str, Hours], billed: Mapping[tuple[date, str], Invoiced], days: Collection[date]
) -> list[tuple[date, str]]:
    """Every day of a model on which either side has anything."""
    found = set(billed)
    found |= {(day, model) for model, sums in hours.items() for day in days if day_sums(sums, day) != NONE}
    return sorted(found)


def _known(
    lines: Sequence[InvoiceLine],
    hours: Mapping[str, Hours],
    pairs: Sequence[tuple[date, str]],
    billed: Mapping[tuple[date, str], Invoiced],
    tiers: Mapping[tuple[date, str], Mapping[str, int]],
    days: Collection[date],
    terms: Terms,
) -> Known:
    """What is seen only by looking at all cells of the provider at once; days that are not complete say nothing."""
    settled = [day for day in days if day < terms.settled_before]
    cells = {pair: billed[pair] for pair in pairs if pair in billed and pair[1] in hours and pair[0] in settled}
    counted = {(model, day): sum(tokens.values()) for (day, model), cell in cells.items() if (tokens := cell.tokens())}
    shift = shift_of(hours, counted, settled, terms.tolerance.percent / 100)
    offset = 0 if shift is None else shift.hours
    compared = {
        (day, model): Compared(day_sums(hours[model], day, offset), cell) for (day, model), cell in cells.items()
    }
    clients = frozenset() if terms.own else frozenset(others(list(compared.values())))
    units = smallest_units(lines)

    def ours(cell: Invoiced) -> Invoiced:
        return cell.of(terms.own) if terms.own else cell.without(clients)

    return Known(
        offset,
        clients,
        _uniform(
            {
                pair: ratio
                for pair, (sums, cell) in compared.items()
                if (ratio := price_ratio(sums, ours(cell), tiers.get(pair, {}))) is not None
            }
        ),
        max(units.values(), default=Decimal(0)),
        frozenset(hours),
        terms.own,
    )


def _uniform(ratios: Mapping[tuple[date, str], float]) -> float | None:
    """The part of the price that everything is billed at, where that is less than the price."""
    if len({model for _, model in ratios}) < UNIFORM_MODELS:
        return None
    middle = median(ratios.values())
    near = {pair for pair, ratio in ratios.items() if abs(ratio / middle - 1) <= UNIFORM_BY}
    models = {model for _, model in near}
    is_uniform = len(near) >= UNIFORM_CELLS * len(ratios) and len(models) >= UNIFORM_MODELS
    return middle if is_uniform and middle < 1 - UNIFORM_BY and abs(middle - 0.5) > 2 * UNIFORM_BY else None


def _tiers(tiers: Tiers, names: Mapping[str, str], provider: str) -> Mapping[tuple[date, str], Mapping[str, int]]:
    found: dict[tuple[date, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (whose, day, model), tokens in tiers.items():
        for tier, number in tokens.items() if whose == provider else ():
            found[day, names.get(model, model)][tier] += number
    return found


def _ours(
    hours: Mapping[str, Hours],
    tiers: Mapping[tuple[date, str], Mapping[str, int]],
    day: date,
    model: str,
    known: Known,
) -> Ours:
    sums = day_sums(hours.get(model, {}), day)
    shifted = day_sums(hours.get(model, {}), day, known.shift_hours) if known.shift_hours else sums
    return Ours(sums, shifted, tiers.get((day, model), {}))


def _cell(
    day: date, model: str, ours: Ours, invoice: Invoiced | None, known: Known, terms: Terms, has_calls: bool
) -> Cell:
    told = invoice or Invoiced()
    source = told.lines[0].source if told.lines else ""
    status: Status = "settled" if day < terms.settled_before else "open"
    billed = told.billed() if told.lines else told.billed()._replace(requests=0, tokens=0, nano_usd=0)
    cell = Cell(terms.provider, day, model, source, status, ours.sums, billed, True)
    cell = cell._replace(agrees=_agrees(cell, terms.tolerance))
    if cell.difference == 0 or (cell.difference is None and not cell.token_difference):
        return cell
    return cell._replace(causes=_causes(cell, ours, told, known, has_calls))


def _agrees(cell: Cell, tolerance: Tolerance) -> bool:
    """By money; where none is told, by tokens."""
    if cell.difference is not None and cell.invoice.nano_usd is not None:
        return tolerance.holds(cell.difference, max(cell.invoice.nano_usd, cell.ledger.nano_usd))
    tokens, billed = cell.token_difference, cell.invoice.tokens
    if tokens is not None and billed is not None:
        return abs(tokens) * 100 <= tolerance.percent * max(billed, cell.ledger.tokens)
    requests = cell.invoice.requests
    return requests is None or requests == cell.ledger.requests


def _causes(cell: Cell, ours: Ours, told: Invoiced, known: Known, has_calls: bool) -> tuple[Cause, ...]:
    difference = cell.difference
    if cell.status == "open":
        return (Cause("late_data", difference, {"tokens": cell.token_difference}),)
    if not cell.model:
        kind: CauseKind = "credit" if (difference or 0) < 0 else "unmatched_item"
        return (Cause(kind, difference, {"items": sorted({line.label for line in told.lines if line.label})}),)
    if not told.lines:
        return (Cause("not_invoiced", difference, {"requests": -cell.ledger.requests, "tokens": -cell.ledger.tokens}),)
    if has_calls and ours.sums == NONE and ours.shifted == NONE and cell.model not in known.models:
        evidence = {"model": cell.model, "tokens": cell.invoice.tokens, "clients": sorted(told.clients())}
        return (Cause("another_client", difference, evidence),)
    return causes(ours, told, known)


def _capture(cells: Sequence[Cell], terms: Terms, billed: Mapping[tuple[date, str], Invoiced]) -> CaptureRate | None:
    """Of settled days; calls of those that are known not to be ours are left out."""
    settled = [cell for cell in cells if cell.status == "settled"]
    own = [(cell, _own(billed.get((cell.day, cell.model)), terms.own)) for cell in settled]
    tokens = [(cell.ledger.tokens, sum(told.values())) for cell, left in own if (told := left.tokens()) is not None]
    if any(there for _, there in tokens):
        ours = sum(cell.ledger.tokens for cell in settled)
        return CaptureRate(terms.provider, "tokens", ours, sum(there for _, there in tokens))
    requests = [number for _, left in own if (number := left.requests()) is not None]
    if any(requests):
        return CaptureRate(terms.provider, "requests", sum(cell.ledger.requests for cell in settled), sum(requests))
    return None


def _own(invoice: Invoiced | None, own: frozenset[str]) -> Invoiced:
    if invoice is None:
        return Invoiced()
    return invoice.of(own) if own else invoice
