"""Gets providers' own figures by the clock, and sets the ledger against them; what comes of it is kept for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tollkeeper.insight.reconcile.account import Account, read_accounts, terms_of
from tollkeeper.insight.reconcile.cell import Cell
from tollkeeper.insight.reconcile.drift import Day, settled_days
from tollkeeper.insight.reconcile.reconcile import Reconciliation, Terms, reconcile
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.sidecar.invoices.contract import InvoiceError
from tollkeeper.sidecar.invoices.sources import Fetch, fetch
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluations
from tollkeeper.storage.insight.invoices import Imported, Invoices, day_of
from tollkeeper.storage.insight.recorded import recorded, tariffs
from tollkeeper.storage.ledger import Ledger

log = logging.getLogger("tollkeeper")

NAME = "reconciliation"
EVERY_SECONDS = 86_400.0
AGAIN_SECONDS = 3600
"""After an account could not be asked."""
LOOKED_AT = 92
"""So many days back the ledger is compared with what was told of them."""
AUTHOR = "sidecar"
NANO = 1_000_000_000
PRICE_LIKE = ("price", "tier", "discount")


def accounts_of_file(path: str | None) -> tuple[Account, ...]:
    """Those that a file says; without one, none. Raises `ValueError` that tells all that is wrong with it."""
    if path is None:
        return ()
    try:
        return read_accounts(Path(path).read_bytes(), path)
    except OSError as error:
        raise ValueError(f"invoices is {path!r}; expected a file that can be read: {error.strerror or error}") from None


class Reconciler:
    """Of one sidecar. `get` asks an account, `clock` tells nanoseconds since the epoch. Raises `LedgerUnavailable`."""

    def __init__(
        self,
        accounts: Sequence[Account],
        invoices: Invoices,
        ledger: Ledger,
        database: Database,
        evaluations: Evaluations,
        get: Fetch = fetch,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.accounts = tuple(accounts)
        self.invoices = invoices
        self._ledger = ledger
        self._database = database
        self._evaluations = evaluations
        self._get = get
        self._clock = clock

    def evaluator(self) -> Evaluator:
        """To be run by the clock."""
        return Evaluator(NAME, EVERY_SECONDS, self.run)

    def run(self, now: int) -> Any:
        """Ask every account, compare, and keep what came of it. An account that cannot be asked holds up no other."""
        told = [self._ask(account, now) for account in self.accounts]
        if any(one["error"] is not None for one in told):
            self._evaluations.postpone(NAME, now + AGAIN_SECONDS * NANO)
        # Asking may take long, and somebody may have had it compared meanwhile, without these figures.
        at = max(now, self._clock())
        body = self.body(at, told)
        self._evaluations.keep(NAME, at, body)
        return body

    def again(self, now: int) -> Any:
        """Compare anew, without asking anybody, as what is told or recorded has changed; and keep it."""
        before = self._evaluations.latest(NAME)
        body = self.body(now, [] if before is None else before.body["accounts"])
        if before is None:
            # Only a row that somebody has claimed can hold a result.
            self._evaluations.claim(NAME, int(EVERY_SECONDS) * NANO)
        self._evaluations.keep(NAME, now, body)
        return body

    def fetch(self, now: int) -> Any:
        """Ask every account now, compare, and keep what came of it."""
        self._evaluations.claim(NAME, int(EVERY_SECONDS) * NANO)
        return self.run(now)

    def _ask(self, account: Account, now: int) -> dict[str, Any]:
        today = day_of(now)
        first = today - timedelta(days=account.days - 1)
        said: dict[str, Any] = {
            "name": account.name, "kind": account.kind, "provider": account.provider, "asked_at": now,
            "first_day": first.isoformat(), "error": None, **Imported()._asdict(),
        }  # fmt: skip
        try:
            lines = self._get(account, first, today)
        except InvoiceError as error:
            log.warning("invoices: %s", error)
            return {**said, "error": str(error)}
        days = {(account.name, account.provider, first + timedelta(days=number)) for number in range(account.days)}
        if account.kind == "openrouter":
            # It tells of days that are over, only.
            days.discard((account.name, account.provider, today))
        return {**said, **self.invoices.keep(lines, days, whole=True, author=AUTHOR)._asdict()}

    def body(self, now: int, told: Sequence[Mapping[str, Any]]) -> Any:
        """What is kept of a comparison, in what JSON can say."""
        providers = [document(one, settled_days(one, self._terms(one.provider, now))) for one in self.compare(now)]
        return {"accounts": list(told), "providers": providers}

    def _terms(self, provider: str, now: int) -> Terms:
        return terms_of(self.accounts, provider, now // NANO)

    def compare(self, now: int, only: str | None = None) -> list[Reconciliation]:
        """Each provider of which anybody has told anything, or `only` one of them, on the days that were told."""
        last = day_of(now)
        first = last - timedelta(days=LOOKED_AT - 1)
        days: dict[str, set[date]] = {}
        for told in self.invoices.days(first, last):
            if only in (None, told.provider):
                days.setdefault(told.provider, set()).add(told.day)
        return [self.of_provider(provider, told, now) for provider, told in sorted(days.items())]

    def of_provider(self, provider: str, days: set[date], now: int) -> Reconciliation:
        """One of them, on these days."""
        first, last = min(days), max(days)
        lines = self.invoices.lines(provider, first, last)
        ours = recorded(self._ledger, provider, first, last)
        terms = self._terms(provider, now)
        found = reconcile(lines, ours, days, terms)
        in_doubt = {cell.day for cell in found.cells if any(cause.kind in PRICE_LIKE for cause in cell.causes)}
        if not in_doubt:
            return found
        # Only where the price is in question, tariffs are worth reading every call for.
        ours = ours._replace(tiers=tariffs(self._database, provider, in_doubt))
        return reconcile(lines, ours, days, terms)


def document(found: Reconciliation, days: Sequence[Day] = ()) -> dict[str, Any]:
    """What JSON can say of it."""
    return {
        "provider": found.provider,
        "shift_hours": found.shift_hours,
        "capture": None if found.capture is None else {**found.capture._asdict(), "ratio": found.capture.ratio},
        "days": [
            {
                "day": one.day.isoformat(),
                "difference_nano_usd": one.difference,
                "billed_nano_usd": one.billed,
                "causes": dict(one.causes),
                "drifts": one.drifts,
            }
            for one in days
        ],  # fmt: skip
        "cells": [_cell(cell) for cell in found.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "day": cell.day.isoformat(),
        "model": cell.model,
        "source": cell.source,
        "status": cell.status,
        "agrees": cell.agrees,
        "ledger": cell.ledger._asdict(),
        "invoice": cell.invoice._asdict(),
        "difference_nano_usd": cell.difference,
        "difference_tokens": cell.token_difference,
        "causes": [cause._asdict() for cause in cell.causes],
    }
