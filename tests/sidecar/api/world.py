"""An API over a real ledger, price book and keys, with a clock that stands still, and calls to ask about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tollkeeper.alerting.channel import Channel
from tollkeeper.insight.reconcile.account import Account
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.sidecar.agreement import Agreement
from tollkeeper.sidecar.alerting import Channels
from tollkeeper.sidecar.api import DatabaseState, Ingest, Services, Vitals, build
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.sidecar.insight.insight import Sources
from tollkeeper.sidecar.insight.insight import build as build_insight
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.quotas import Quotas
from tollkeeper.sidecar.reports.material import Sources as ReportSources
from tollkeeper.sidecar.reports.schedules import ReportSchedules
from tollkeeper.sidecar.repricing import Repricer
from tollkeeper.sidecar.throttle import Throttle
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.alerts.channels import ChannelStore
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.alerts.report_schedules import ReportScheduleStore
from tollkeeper.storage.alerts.silences import Silences
from tollkeeper.storage.alerts.store import AlertStore
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.passwords import Passwords
from tollkeeper.storage.policies import PolicyStore
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.provider_keys import ProviderKeys
from tollkeeper.storage.resets import Resets
from tollkeeper.storage.sessions import Sessions
from tollkeeper.storage.users import Users

NOW = datetime(2026, 3, 31, 14, 30, 15, 250_000, tzinfo=UTC)
PER_TOKEN_IN, PER_TOKEN_OUT = Decimal("0.0000025"), Decimal("0.00001")


@dataclass
class Clock:
    """Says what time it is, and is told."""

    now: datetime = NOW

    def moment(self) -> datetime:
        return self.now

    def nanoseconds(self) -> int:
        return nanoseconds(self.now)


@dataclass
class Still:
    """A sidecar that is well, unless told otherwise."""

    clock: Clock
    state: DatabaseState = field(default_factory=lambda: DatabaseState(kind="sqlite", reachable=True))

    def vitals(self) -> Vitals:
        return Vitals(started_at=self.clock.now - timedelta(hours=2), ingest=Ingest(), database=self.state)


def make_call(number: int, **fields: Any) -> Call:
    """A priced call, an hour ago by default."""
    usage = fields.pop("usage", Usage(input_tokens=1000, output_tokens=100))
    items = (
        LineItem("input", usage.input_tokens or 0, PER_TOKEN_IN, PER_TOKEN_IN * (usage.input_tokens or 0)),
        LineItem("output", usage.output_tokens or 0, PER_TOKEN_OUT, PER_TOKEN_OUT * (usage.output_tokens or 0)),
    )
    cost = Cost(sum((item.amount for item in items), Decimal(0)), "catalog", items, "genai-prices 0.2.3")
    given = {
        "provider": "openai",
        "operation": "chat",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o",
        "duration": 0.5,
        "usage_source": "provider",
        "tags": {"tenant": "acme", "user": "u-1"},
        "price_status": "priced",
        "cost": cost,
        **fields,
    }
    at: datetime = given.pop("at", NOW - timedelta(hours=1))
    return Call(id=f"019c0000-0000-7000-8000-{number:012d}", started_at=nanoseconds(at), usage=usage, **given)


def unpriced(number: int, **fields: Any) -> Call:
    return make_call(number, cost=None, price_status="unpriced", **{"response_model": "acme-tuned", **fields})


def failed(number: int, **fields: Any) -> Call:
    nothing = {"cost": None, "price_status": None, "usage": Usage(), "usage_source": "unknown"}
    return make_call(number, error_type="RateLimitError", status_code=429, **{**nothing, **fields})


class World:
    """An API and all that it works with."""

    def __init__(
        self,
        url: str,
        open_on_loopback: bool = False,
        of_file: tuple[Channel, ...] = (),
        clock: Clock | None = None,
        accounts: tuple[Account, ...] = (),
    ) -> None:
        self.clock = clock or Clock()
        self._keys: dict[tuple[str, ...], str] = {}
        self.database = Database(url)
        self.database.migrate()
        self.ledger = SqlLedger(self.database, self.clock.nanoseconds)
        self.prices = PriceBook(self.database, self.clock.nanoseconds)
        self.access_keys = AccessKeys(self.database, self.clock.nanoseconds)
        quick = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.users = Users(self.database, self.clock.nanoseconds, quick)
        self.sessions = Sessions(self.database, self.clock.nanoseconds)
        self.audit = AuditTrail(self.database, self.clock.nanoseconds)
        self.counters = MemoryCounters(self.clock.nanoseconds)
        self.policies = PolicyStore(self.database, self.clock.nanoseconds)
        self.limiting = Limiting(self.policies, self.counters, "tests")
        self.resets = Resets(self.database, self.clock.nanoseconds)
        use = LedgerUse(self.ledger, self.resets)
        self.agreement = Agreement(use, self.limiting, self.database, self.audit)
        self.health = Still(self.clock)
        self.alerts = AlertStore(self.database, self.clock.nanoseconds)
        self.silences = Silences(self.database, self.clock.nanoseconds)
        self.outbox = Outbox(self.database, "tests", self.clock.nanoseconds)
        self.channels = Channels(of_file, ChannelStore(self.database, self.clock.nanoseconds))
        uses = LimitUses(use, self.limiting, self.clock.nanoseconds)
        self.insight = build_insight(
            Sources(
                self.database,
                self.ledger,
                self.prices,
                self.limiting,
                uses,
                self.audit,
                "tests",
                self.clock.nanoseconds,
                accounts,
            )  # fmt: skip
        )
        self.services = Services(
            ledger=self.ledger,
            price_book=self.prices,
            access_keys=self.access_keys,
            users=self.users,
            sessions=self.sessions,
            throttle=Throttle(self.counters, self.clock.nanoseconds),
            provider_keys=ProviderKeys(self.database, self.clock.nanoseconds),
            audit=self.audit,
            repricer=Repricer(self.ledger, self.prices, self.database, self.audit),
            limiting=self.limiting,
            agreement=self.agreement,
            uses=uses,
            quotas=Quotas(self.ledger, self.limiting, self.resets, self.clock.nanoseconds),
            health=self.health,
            alerts=self.alerts,
            silences=self.silences,
            outbox=self.outbox,
            insight=self.insight,
            reports=ReportSources(
                self.database, self.ledger, uses, use, self.limiting, self.alerts, self.insight.evaluations
            ),
            report_schedules=ReportSchedules((), ReportScheduleStore(self.database, self.clock.nanoseconds)),
            channels=self.channels,
            notifier_of=notifier_of,
            open_on_loopback=open_on_loopback,
            now=self.clock.moment,
        )
        self.api = build(self.services)
        self.app = FastAPI(openapi_url=None)
        self.app.mount("/api/v1", self.api)

    def key(self, *scopes: str) -> str:
        if scopes not in self._keys:
            self._keys[scopes], _ = self.access_keys.create("a test", scopes, author="tests")
        return self._keys[scopes]

    def client(self, *scopes: str, **options: Any) -> TestClient:
        """A client with a key for these, or without one; it seems to be on another machine."""
        headers = {"Authorization": f"Bearer {self.key(*scopes)}"} if scopes else {}
        options = {"client": ("203.0.113.9", 40_000), "base_url": "http://tollkeeper.example", **options}
        return TestClient(self.app, headers=headers, **options)

    def record(self, *calls: Call) -> None:
        entries = [Entry(call, blake2b(repr(call).encode(), digest_size=16).digest()) for call in calls]
        recorded = self.ledger.record(entries)
        assert recorded.new == len(calls)

    def close(self) -> None:
        self.prices.close()
        self.limiting.close()
        self.database.close()
