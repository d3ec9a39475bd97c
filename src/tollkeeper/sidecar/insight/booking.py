"""Booking what an invoice says into the ledger, when a person wants it: first what it would be, then corrections.

Only what is a matter of money can be booked on calls that are there: another price or tariff, a discount, a credit,
rounding. Lost calls and other clients' are on no call of the ledger's, and stay differences. A cell's amount is spread
over its calls by what they cost (of those without a price, by their tokens), to the nano-dollar.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import NamedTuple

from tollkeeper.insight.reconcile.cell import Cause, CauseKind, Cell
from tollkeeper.insight.reconcile.reconcile import Reconciliation
from tollkeeper.sidecar.insight.reconciliation import Reconciler
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.invoices import nanoseconds
from tollkeeper.storage.ledger import Adjustment, Kept, Ledger

BOOKABLE: tuple[CauseKind, ...] = ("price", "unpriced", "tier", "discount", "credit", "rounding")
AT_ONCE = 500
"""Adjustments in one transaction."""
KIND = "invoice"
"""What the audit trail calls it."""


class Wanted(NamedTuple):
    """Which days (both included) of a provider; of which models (all, if none is named), and for which causes."""

    provider: str
    first: date
    last: date
    models: tuple[str, ...] = ()
    causes: tuple[CauseKind, ...] = BOOKABLE


class Booking(NamedTuple):
    """What would be added to the calls of a day of a model, in nano-dollars, by cause. Credits are for all models."""

    day: date
    model: str
    calls: int
    old_nano_usd: int
    new_nano_usd: int
    amounts: Mapping[CauseKind, int]


class Left(NamedTuple):
    """What cannot be booked, or was not asked for, and why."""

    day: date
    model: str
    cause: CauseKind
    nano_usd: int | None
    why: str


class Plan(NamedTuple):
    """All of it, by day and model."""

    id: str
    wanted: Wanted
    bookings: tuple[Booking, ...]
    left: tuple[Left, ...]


class Applied(NamedTuple):
    """What was planned, and how many calls were adjusted."""

    plan: Plan
    adjusted: int


class PlanOutdated(Exception):
    """Something has changed since the plan was made. It is to be made, and looked at, again."""


class _Part(NamedTuple):
    """An amount for some calls of a day, and what their weights sum to."""

    amount: int
    whole: int
    by_tokens: bool


class Bookkeeper:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(self, reconciler: Reconciler, ledger: Ledger, database: Database, audit: AuditTrail) -> None:
        self._reconciler = reconciler
        self._ledger = ledger
        self._database = database
        self._audit = audit

    def plan(self, wanted: Wanted, now: int) -> Plan:
        """What would be booked. Nothing is written."""
        return self._plan(wanted, self._found(wanted, now))

    def apply(self, wanted: Wanted, now: int, *, author: str, reason: str, plan_id: str) -> Applied:
        """Write the corrections, and audit them. Raises `PlanOutdated` unless this still is the plan that was seen."""
        if not author.strip() or not reason.strip():
            raise ValueError(f"author: {author!r}, reason: {reason!r}; expected texts that are not empty")
        found = self._found(wanted, now)
        plan = self._plan(wanted, found)
        if plan.id != plan_id:
            raise PlanOutdated(f"plan {plan_id} is not what would be booked now, but {plan.id} is: look at that one")
        if not plan.bookings:
            return Applied(plan, 0)
        self._note(plan, author, reason)
        adjusted = 0
        adjustments = self._adjustments(plan, found)
        while some := list(islice(adjustments, AT_ONCE)):
            adjusted += self._ledger.adjust(plan.id, some, author, reason)
        return Applied(plan, adjusted)

    def _found(self, wanted: Wanted, now: int) -> Reconciliation:
        found = self._reconciler.compare(now, wanted.provider)
        return found[0] if found else Reconciliation(wanted.provider, (), None)

    def _plan(self, wanted: Wanted, found: Reconciliation) -> Plan:
        bookings, left = [], []
        for cell in found.cells:
            if not (wanted.first <= cell.day <= wanted.last) or (wanted.models and cell.model not in wanted.models):
                continue
            amounts: dict[CauseKind, int] = {}
            for cause in cell.causes:
                if why := _why_not(cause, cell, wanted):
                    left.append(Left(cell.day, cell.model, cause.kind, cause.nano_usd, why))
                elif cause.nano_usd:
                    amounts[cause.kind] = amounts.get(cause.kind, 0) + cause.nano_usd
            if amounts:
                bookings.append(self._booking(wanted.provider, found, cell, amounts))
        for one in [one for one in bookings if one.new_nano_usd < 0 or not one.calls]:
            bookings.remove(one)
            why = "more than the calls cost" if one.calls else "there are no calls to book it on"
            left += [Left(one.day, one.model, kind, amount, why) for kind, amount in one.amounts.items()]
        return Plan(_id(wanted, bookings), wanted, tuple(bookings), tuple(left))

    def _booking(self, provider: str, found: Reconciliation, cell: Cell, amounts: Mapping[CauseKind, int]) -> Booking:
        calls, old, names = 0, 0, found.names.get(cell.model, ())
        on = self._calls(provider, cell.day, names) if names or not cell.model else ()
        for kept in on:
            if kept.nano_usd is not None or kept.unpriced:
                calls += 1
                old += kept.nano_usd or 0
        return Booking(cell.day, cell.model, calls, old, old + sum(amounts.values()), amounts)

    def _calls(self, provider: str, day: date, names: Sequence[str]) -> Iterator[Kept]:
        """The calls of a day of UTC; of all models, where none is named."""
        filters = {"provider": (provider,), **({"model": tuple(names)} if names else {})}
        return self._ledger.select_calls(nanoseconds(day), nanoseconds(day + timedelta(days=1)), filters)  # type: ignore[arg-type]

    def _adjustments(self, plan: Plan, found: Reconciliation) -> Iterator[Adjustment]:
        """Each call once, whatever of its day and model there is to book."""
        canonical = {name: model for model, names in found.names.items() for name in names}
        by_day: dict[date, dict[str, Booking]] = {}
        for booking in plan.bookings:
            by_day.setdefault(booking.day, {})[booking.model] = booking
        for day, bookings in sorted(by_day.items()):
            parts = self._parts(plan.wanted.provider, day, bookings, canonical)
            done: dict[tuple[str, bool], int] = {}
            for kept in self._calls(plan.wanted.provider, day, ()):
                delta = 0
                for place in _places(kept, canonical):
                    part = parts.get(place)
                    if part is None or (weight := _weight(kept, part.by_tokens)) == 0:
                        continue
                    before = done.get(place, 0)
                    done[place] = before + weight
                    # Differences of what is due up to here: together they are the amount, exactly.
                    delta += part.amount * done[place] // part.whole - part.amount * before // part.whole
                if delta:
                    said = f"invoice {day.isoformat()}"
                    yield Adjustment(kept.call.id, kept.call.attempt, (kept.nano_usd or 0) + delta, said)

    def _parts(
        self, provider: str, day: date, bookings: Mapping[str, Booking], canonical: Mapping[str, str]
    ) -> dict[tuple[str, bool], _Part]:
        """By model and whether it is for calls without a price; what is for all models has an empty name."""
        amounts: dict[tuple[str, bool], int] = {}
        for model, booking in bookings.items():
            for kind, amount in booking.amounts.items():
                place = (model, kind == "unpriced")
                amounts[place] = amounts.get(place, 0) + amount
        costs, tokens = dict.fromkeys(amounts, 0), dict.fromkeys(amounts, 0)
        for kept in self._calls(provider, day, ()):
            for place in _places(kept, canonical):
                if place in amounts:
                    costs[place] += _weight(kept, False)
                    tokens[place] += _weight(kept, True)
        return {
            place: _Part(amount, costs[place] or tokens[place], not costs[place])
            for place, amount in amounts.items()
            if costs[place] or tokens[place]
        }

    def _note(self, plan: Plan, author: str, reason: str) -> None:
        wanted = plan.wanted
        asked = {
            "provider": wanted.provider, "first": wanted.first.isoformat(), "last": wanted.last.isoformat(),
            "models": list(wanted.models), "causes": list(wanted.causes),
        }  # fmt: skip
        with self._database.write() as connection:
            self._audit.record(
                connection, author=author, action="adjust", kind=KIND, object_id=plan.id,
                before={"nano_usd": sum(one.old_nano_usd for one in plan.bookings)},
                after={**asked, "nano_usd": sum(one.new_nano_usd for one in plan.bookings)},
                reason=reason,
            )  # fmt: skip


def _why_not(cause: Cause, cell: Cell, wanted: Wanted) -> str:
    if cause.kind not in BOOKABLE:
        return "it is on no call of the ledger's"
    if cause.kind not in wanted.causes:
        return "it was not asked for"
    return "the day is not settled" if cell.status != "settled" else ""


def _model(kept: Kept) -> str:
    return kept.call.response_model or kept.call.request_model or ""


def _places(kept: Kept, canonical: Mapping[str, str]) -> set[tuple[str, bool]]:
    """Whose amounts a call has a part in: those of its model, and those of all."""
    return {(canonical.get(_model(kept), ""), kept.unpriced), ("", False)}


def _weight(kept: Kept, by_tokens: bool) -> int:
    if by_tokens:
        return (kept.call.usage.input_tokens or 0) + (kept.call.usage.output_tokens or 0)
    return max(kept.nano_usd or 0, 0)


def _id(wanted: Wanted, bookings: Sequence[Booking]) -> str:
    booked = [
        [one.day.isoformat(), one.model, one.calls, one.old_nano_usd, sorted(one.amounts.items())] for one in bookings
    ]
    said = [wanted.provider, wanted.first.isoformat(), wanted.last.isoformat(), sorted(wanted.models), booked]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
