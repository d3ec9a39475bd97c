"""A ledger with a price book beside it, and calls that cost two dollars or so."""

from __future__ import annotations

from typing import Any, NamedTuple

from pricing.calls import MILLION, at, call
from tollkeeper.model import Call, Usage
from tollkeeper.sidecar.repricing import Period, Repricer
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

USD = 1_000_000_000
BY: dict[str, Any] = {"author": "ada", "reason": "the invoice says so"}
ALWAYS: dict[str, Any] = {"valid_from": "2026-01-01"}
NOVEMBER = Period(at(2026, 11, 1), at(2026, 12, 1))


class World(NamedTuple):
    ledger: SqlLedger
    book: PriceBook
    repricer: Repricer
    audit: AuditTrail
    database: Database

    def record(self, number: int, model: str = "acme-1", **fields: Any) -> Call:
        """A call of a million input tokens, as the sidecar would record it now."""
        usage = Usage(input_tokens=MILLION, output_tokens=0)
        fields = {"started_at": at(2026, 11, 2, number % 24), "server_address": "gpu.example.com", **fields}
        one = call("vllm", model, usage, **fields)
        one.id = f"019a0000-0000-7000-8000-{number:012d}"
        (one,) = Pricer(self.book).price([one])
        self.ledger.record([Entry(one, number.to_bytes(16, "big"))])
        return one

    def spent(self) -> tuple[int, int]:
        """Of November, by its days: nano-dollars, and calls without a price."""
        (row,) = self.ledger.usage(UsageQuery(NOVEMBER.start, NOVEMBER.end))
        return row.totals.nano_usd, row.totals.unpriced
