"""What the routes work with. The sidecar's main puts it together; tests bring a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from tollkeeper.alerting.channel import Channel
from tollkeeper.config import SERVE_DEFAULTS, ServeSettings
from tollkeeper.sidecar.agreement import Agreement
from tollkeeper.sidecar.alerting import Channels
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.sidecar.api.vitals import Health
from tollkeeper.sidecar.ending import Ending
from tollkeeper.sidecar.insight.insight import Insight
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.notify.contract import Notifier
from tollkeeper.sidecar.quotas import Quotas
from tollkeeper.sidecar.reports.material import Sources as ReportSources
from tollkeeper.sidecar.reports.schedules import ReportSchedules
from tollkeeper.sidecar.repricing import Repricer
from tollkeeper.sidecar.throttle import Throttle
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.alerts.silences import Silences
from tollkeeper.storage.alerts.store import AlertStore
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.ledger import Ledger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.provider_keys import ProviderKeys
from tollkeeper.storage.sessions import Sessions
from tollkeeper.storage.users import Users


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """`open_on_loopback`: requests from this machine need no key (embedded mode, bound to loopback only).

    `open_to_all`: nobody needs one, as somebody else sees to that. `trace_url`: where a trace is shown, with
    `{trace_id}` in it.
    """

    ledger: Ledger
    price_book: PriceBook
    access_keys: AccessKeys
    users: Users
    sessions: Sessions
    throttle: Throttle
    provider_keys: ProviderKeys
    audit: AuditTrail
    repricer: Repricer
    limiting: Limiting
    quotas: Quotas
    agreement: Agreement
    uses: LimitUses
    alerts: AlertStore
    silences: Silences
    outbox: Outbox
    insight: Insight
    reports: ReportSources
    report_schedules: ReportSchedules
    channels: Channels
    notifier_of: Callable[[Channel], Notifier]
    health: Health
    settings: ServeSettings = SERVE_DEFAULTS
    open_on_loopback: bool = False
    open_to_all: bool = False
    trace_url: str | None = None
    watch: LimitWatch | None = None
    ending: Ending = field(default_factory=Ending)
    now: Callable[[], datetime] = utc_now

    def now_nanoseconds(self) -> int:
        """Since the epoch."""
        return nanoseconds(self.now())


def _given(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Given = Annotated[Services, Depends(_given)]
