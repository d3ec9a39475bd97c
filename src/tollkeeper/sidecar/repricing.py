"""Pricing a past period again: first what it would change, then, if somebody wants it, the corrections.

The ledger's rows stay as they are; what a call costs from now on is an adjustment beside it. The id of a plan follows
from what is asked and from the prices, so the same plan applied twice is applied once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tollkeeper.model import Call, Cost
from tollkeeper.pricing import Catalog, Overlay
from tollkeeper.pricing.catalog import Priced
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Adjustment, Kept, Ledger
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer, price_recorded

PriceAgain = Callable[[Call], Priced]
PricedAgain = tuple[Kept, Cost | None, bool]
"""A call, what it costs by now, and whether it has no price."""

AT_ONCE = 500
"""Adjustments in one transaction."""


class Period(NamedTuple):
    """Which calls: from `start` to `end` (not included), in nanoseconds, with these values."""

    start: int
    end: int
    filters: Mapping[Dimension, tuple[str, ...]] = {}


class Change(NamedTuple):
    """What would change for one model and tenant. Money is nano-dollars; calls without a price are in no sum of it."""

    provider: str
    model: str
    tenant: str
    calls: int = 0
    changed: int = 0
    old_nano_usd: int = 0
    new_nano_usd: int = 0
    old_unpriced: int = 0
    new_unpriced: int = 0

    @property
    def delta_nano_usd(self) -> int:
        """By how much it would get dearer."""
        return self.new_nano_usd - self.old_nano_usd


class Plan(NamedTuple):
    """What pricing a period again would change, by provider, model and tenant, the largest difference first."""

    id: str
    period: Period
    revision: int
    changes: tuple[Change, ...]

    @property
    def total(self) -> Change:
        """The sums of all."""
        return total_of(self.changes)


class Applied(NamedTuple):
    """What was planned, and how many calls were adjusted."""

    plan: Plan
    adjusted: int


class PlanOutdated(Exception):
    """The prices have changed since the plan was made. It is to be made, and looked at, again."""


class Repricer:
    """Prices what is in the ledger again, by the price book as it is."""

    def __init__(self, ledger: Ledger, price_book: PriceBook, database: Database, audit: AuditTrail) -> None:
        self._ledger = ledger
        self._book = price_book
        self._database = database
        self._audit = audit

    def plan(self, period: Period) -> Plan:
        """What would change. Nothing is written. Raises `ValueError` for a period that ends before it starts."""
        return self._plan(period, self._pricer())

    def suppose(self, period: Period, supposed: Overlay) -> tuple[Change, ...]:
        """What would change if the price book were this one, of the calls that it prices otherwise than the book as it
        is. Nothing is written. Raises `ValueError` for a period that ends before it starts.
        """
        now, then = Catalog(self._book.overlay()), Catalog(supposed)
        found = self._priced(period, lambda call: price_recorded(then, call))
        return _changes(one for one in found if _nano_usd(one[1]) != _nano_usd(price_recorded(now, one[0].call)[0]))

    def apply(self, period: Period, *, author: str, reason: str, plan_id: str | None = None) -> Applied:
        """Write the corrections, and audit them. Applied again, it changes nothing more.

        With `plan_id`, raises `PlanOutdated` unless this still is the plan that was looked at.
        """
        if not author.strip() or not reason.strip():
            raise ValueError(f"author: {author!r}, reason: {reason!r}; expected texts that are not empty")
        pricer = self._pricer()
        plan = self._plan(period, pricer)
        if plan_id is not None and plan_id != plan.id:
            raise PlanOutdated(f"plan {plan_id} is not of today's prices, but {plan.id} is: look at that one")
        if not plan.changes:
            return Applied(plan, 0)
        self._note(plan, author, reason)
        adjusted = 0
        adjustments = self._adjustments(period, pricer)
        while some := list(islice(adjustments, AT_ONCE)):
            adjusted += self._ledger.adjust(plan.id, some, author, reason)
        return Applied(plan, adjusted)

    def _pricer(self) -> Pricer:
        """One for this plan alone: the prices must not change half-way through."""
        pricer = Pricer(self._book)
        pricer.refresh()
        return pricer

    def _plan(self, period: Period, pricer: Pricer) -> Plan:
        changes = _changes(self._priced(period, pricer.price_again))
        return Plan(_id(period, pricer), period, pricer.revision, changes)

    def _adjustments(self, period: Period, pricer: Pricer) -> Iterator[Adjustment]:
        for kept, new, _ in self._priced(period, pricer.price_again):
            nano_usd = _nano_usd(new)
            if nano_usd != kept.nano_usd:
                version, items = (None, ()) if new is None else (new.price_version, new.items)
                yield Adjustment(kept.call.id, kept.call.attempt, nano_usd, version, items)

    def _priced(self, period: Period, price: PriceAgain) -> Iterator[PricedAgain]:
        if period.end <= period.start:
            raise ValueError(f"end: {period.end}; expected a moment after start, {period.start}")
        for kept in self._ledger.select_calls(period.start, period.end, period.filters):
            cost, status = price(kept.call)
            # As the ledger counts it: of what nobody has counted, no price would tell the cost.
            yield kept, cost, status == "unpriced" and kept.call.usage_source != "unknown"

    def _note(self, plan: Plan, author: str, reason: str) -> None:
        total, period = plan.total, plan.period
        asked = {"start": period.start, "end": period.end, "filters": {k: list(v) for k, v in period.filters.items()}}
        with self._database.write() as connection:
            self._audit.record(
                connection,
                author=author,
                action="reprice",
                kind="period",
                object_id=plan.id,
                before={"nano_usd": total.old_nano_usd, "unpriced": total.old_unpriced},
                after={
                    **asked,
                    "revision": plan.revision,
                    "calls": total.changed,
                    "nano_usd": total.new_nano_usd,
                    "unpriced": total.new_unpriced,
                },
                reason=reason,
            )


def total_of(changes: Sequence[Change]) -> Change:
    """The sums of several, at least one."""
    return Change("", "", "", *(sum(column) for column in zip(*(one[3:] for one in changes), strict=True)))


def _id(period: Period, pricer: Pricer) -> str:
    filters = sorted((name, sorted(values)) for name, values in period.filters.items())
    asked = [period.start, period.end, filters, pricer.revision, pricer.catalog_version]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def _changes(priced: Iterable[PricedAgain]) -> tuple[Change, ...]:
    groups: dict[tuple[str, str, str], Change] = {}
    for kept, new, unpriced in priced:
        call = kept.call
        key = (call.provider, call.response_model or call.request_model or "", call.tags.get("tenant", ""))
        groups[key] = _with(groups.get(key) or Change(*key), kept, new, unpriced)
    changes = [change for change in groups.values() if change.changed]
    return tuple(sorted(changes, key=lambda one: (-abs(one.delta_nano_usd), one[:3])))


def _nano_usd(cost: Cost | None) -> int | None:
    return None if cost is None else cost.nano_usd


def _with(change: Change, kept: Kept, new: Cost | None, unpriced: bool) -> Change:
    nano_usd = _nano_usd(new)
    return change._replace(
        calls=change.calls + 1,
        changed=change.changed + (nano_usd != kept.nano_usd),
        old_nano_usd=change.old_nano_usd + (kept.nano_usd or 0),
        new_nano_usd=change.new_nano_usd + (nano_usd or 0),
        old_unpriced=change.old_unpriced + kept.unpriced,
        new_unpriced=change.new_unpriced + unpriced,
    )
