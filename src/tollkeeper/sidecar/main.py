"""Builds the sidecar: the only place that does. One `Sidecar` is one process; several may share ports and a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import platform
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tollkeeper.config import ServeSettings
from tollkeeper.sidecar import api
from tollkeeper.sidecar.agreement import Agreement
from tollkeeper.sidecar.alerting import Alerting, Channels, channels_of_file, report_schedules_of_file
from tollkeeper.sidecar.api.auth import needs
from tollkeeper.sidecar.api.counters import CounterDesk, NoCounters
from tollkeeper.sidecar.api.problems import install
from tollkeeper.sidecar.api.services import Services, utc_now
from tollkeeper.sidecar.board import Board, Figures
from tollkeeper.sidecar.digests import Digests
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.foreign import Foreign
from tollkeeper.sidecar.forward import ForwardCounts, Forwarder, Upstream
from tollkeeper.sidecar.gauges import Gauges
from tollkeeper.sidecar.health import SidecarHealth
from tollkeeper.sidecar.insight.anomaly_findings import findings_of
from tollkeeper.sidecar.insight.drift_findings import drift_findings
from tollkeeper.sidecar.insight.evaluators import Evaluators
from tollkeeper.sidecar.insight.forecast_findings import forecast_findings, foreseen
from tollkeeper.sidecar.insight.health import budget_findings
from tollkeeper.sidecar.insight.insight import Sources
from tollkeeper.sidecar.insight.insight import build as build_insight
from tollkeeper.sidecar.insight.reconciliation import accounts_of_file
from tollkeeper.sidecar.intake import Unavailable
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.metrics import LedgerTotals, MetricsPage
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.sidecar.orphaned import end_with_parent
from tollkeeper.sidecar.pipeline import Pipeline
from tollkeeper.sidecar.quotas import Quotas
from tollkeeper.sidecar.receive.body import Limits
from tollkeeper.sidecar.receive.counts import Loss
from tollkeeper.sidecar.receive.door import Door
from tollkeeper.sidecar.receive.grpc import GrpcReceiver
from tollkeeper.sidecar.receive.http import routes
from tollkeeper.sidecar.reports.material import Paper
from tollkeeper.sidecar.reports.material import Sources as ReportSources
from tollkeeper.sidecar.reports.scheduled import ScheduledReports
from tollkeeper.sidecar.reports.schedules import ReportSchedules
from tollkeeper.sidecar.repricing import Repricer
from tollkeeper.sidecar.samples import build_info, limit_samples, samples_of
from tollkeeper.sidecar.schedule import Schedule, Task
from tollkeeper.sidecar.throttle import Throttle
from tollkeeper.sidecar.web.app import Web
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.access_keys import Scope as KeyScope
from tollkeeper.storage.alerts.channels import ChannelStore
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.alerts.report_schedules import ReportScheduleStore
from tollkeeper.storage.alerts.silences import Silences
from tollkeeper.storage.alerts.store import AlertStore
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.policies import PolicyStore
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer
from tollkeeper.storage.provider_keys import ProviderKeys
from tollkeeper.storage.resets import Resets
from tollkeeper.storage.sessions import Sessions
from tollkeeper.storage.users import Users

BOARD_SECONDS = 1.0
REVIEW_SECONDS = 5.0
COUNTERS_SECONDS = 10.0
ALERT_SECONDS = 1.0
INSIGHT_SECONDS = 5.0
GC_ALLOCATIONS = 300_000
"""A few batches make as many objects, and hardly any cycle."""
MINUTE, HOUR, DAY, NANO = 60, 3600, 86_400, 1_000_000_000

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def set_up_logging(level: str) -> None:
    """Ours as asked for; that of the libraries only when something is wrong, but for `debug`."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(level.upper() if level in ("debug", "error") else logging.WARNING)
    logging.getLogger("tollkeeper").setLevel(level.upper())


class Sidecar:
    """One process of a sidecar. `app` is what a web server runs; all else starts and stops with it."""

    def __init__(self, settings: ServeSettings, board_folder: str | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.ledger)
        self.ledger = SqlLedger(self.database)
        self.access_keys = AccessKeys(self.database)
        self.users, self.sessions = Users(self.database), Sessions(self.database)
        self.price_book = PriceBook(self.database)
        url = settings.counters_url
        self.counters: Counters = NoCounters() if url is None else open_counters(url)
        self.limiting = Limiting(PolicyStore(self.database), self.counters)
        self.pipeline = Pipeline(
            self.ledger,
            Pricer(self.price_book),
            Foreign(self.ledger, time.time),
            time.monotonic,
            settings.max_waiting,
        )
        upstream = Upstream(settings.forward, settings.forward_headers or {}) if settings.forward else None
        self.forwarder = Forwarder(upstream) if upstream else None
        body = settings.max_body_bytes
        self.door = Door(
            self.pipeline,
            limits=Limits(body=body, in_flight=max(Limits().in_flight, 2 * body)),
            authorize=None if settings.open_to_all else self._may_write,
            open_on_loopback=settings.open_on_loopback,
            forward=self.forwarder,
        )
        self._board = Board(board_folder)
        self.audit, self.resets = AuditTrail(self.database), Resets(self.database)
        use = LedgerUse(self.ledger, self.resets)
        self.agreement = Agreement(use, self.limiting, self.database, self.audit)
        self._health = SidecarHealth(self.database, self.pipeline, self.door.counts, self._sent_on, self._lost, utc_now)
        self._uses = LimitUses(use, self.limiting, time.time_ns)
        self.alerts, self.silences = AlertStore(self.database), Silences(self.database)
        owner = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.outbox = Outbox(self.database, owner)
        sources = Sources(
            self.database, self.ledger, self.price_book, self.limiting, self._uses, self.audit, owner,
            accounts=accounts_of_file(settings.invoices), forecast_alert=settings.forecast_alert,
        )  # fmt: skip
        self.insight = build_insight(sources)
        self._reports = ReportSources(
            self.database, self.ledger, self._uses, use, self.limiting, self.alerts, self.insight.evaluations,
            Paper(settings.report_fonts),
        )  # fmt: skip
        of_file = () if settings.channels is None else channels_of_file(settings.channels)
        self._report_schedules = self._schedules()
        self._scheduled = self._reports_by_the_clock()
        self.channels = Channels(of_file, ChannelStore(self.database))
        self._watch = LimitWatch(lambda: self.alerting.wake())
        self.alerting = self._alerting()
        self._digests = Digests(
            self.ledger, self._uses, self.alerts, self.channels, settings.public_url, time.time_ns
        )  # fmt: skip
        self.services = self._services()
        self._page = self._metrics_page()
        may = None if settings.open_to_all else self._may
        elsewhere = settings.counters_are_elsewhere
        desk = CounterDesk(self.counters, may, settings.open_on_loopback, elsewhere, self._watch)
        self.app = desk.over(self._rest())

    def _schedules(self) -> ReportSchedules:
        of_file = () if self.settings.channels is None else report_schedules_of_file(self.settings.channels)
        return ReportSchedules(of_file, ReportScheduleStore(self.database))

    def _reports_by_the_clock(self) -> ScheduledReports:
        schedules = self._report_schedules.all
        return ScheduledReports(schedules, self.alerts, self._reports, self.settings.public_url, time.time_ns)

    def _services(self) -> Services:
        return Services(
            ledger=self.ledger,
            health=self._health,
            price_book=self.price_book,
            access_keys=self.access_keys,
            users=self.users,
            sessions=self.sessions,
            throttle=Throttle(self.counters),
            provider_keys=ProviderKeys(self.database),
            audit=self.audit,
            repricer=Repricer(self.ledger, self.price_book, self.database, self.audit),
            limiting=self.limiting,
            quotas=Quotas(self.ledger, self.limiting, self.resets, time.time_ns),
            agreement=self.agreement,
            uses=self._uses,
            watch=self._watch,
            alerts=self.alerts,
            silences=self.silences,
            outbox=self.outbox,
            insight=self.insight,
            reports=self._reports,
            report_schedules=self._report_schedules,
            channels=self.channels,
            notifier_of=notifier_of,
            settings=self.settings,
            open_on_loopback=self.settings.open_on_loopback,
            open_to_all=self.settings.open_to_all,
            trace_url=self.settings.trace_url,
        )

    def _alerting(self) -> Alerting:
        forecasts = self.insight.forecasts.published
        findings = Findings(
            self._uses, self.limiting, self.agreement, self.ledger, self._watch, time.time_ns,
            {
                "anomaly": findings_of(self.insight.anomalies), "forecast": forecast_findings(forecasts),
                "reconciliation": drift_findings(self.insight.evaluations),
                "error_budget": budget_findings(self.insight.evaluations),
            },
            lambda use: foreseen(forecasts, use),
        )  # fmt: skip
        return Alerting(
            findings, self.alerts, self.outbox, self.channels, notifier_of, self.settings.public_url, time.monotonic,
            self._scheduled,
        )  # fmt: skip

    def _metrics_page(self) -> MetricsPage:
        gauges = Gauges(
            self._uses, self.services.quotas, self.limiting, self._watch, self._health, self.alerts, self.outbox,
            self.insight.anomalies, time.monotonic, time.time_ns, self.insight.forecasts.published,
            self.insight.evaluations,
        )  # fmt: skip
        return MetricsPage(
            LedgerTotals(self.ledger, self.settings.metric_label_sets, time.monotonic),
            lambda: [
                *self._together().shown(),
                *limit_samples(self.agreement),
                *gauges.samples(),
                build_info(),
            ],  # fmt: skip
        )

    def _rest(self) -> Starlette:
        interface = api.build(self.services)
        return Starlette(
            routes=[
                *routes(self.door),
                Mount("/api/v1", interface),
                Route("/metrics", self._for_prometheus()),
                Mount("/", Web(self.services, interface, self.settings.public_url).app),
            ],
            lifespan=self._running,
        )

    @property
    def _sent_on(self) -> ForwardCounts | None:
        return None if self.forwarder is None else self.forwarder.counts

    def _figures(self) -> Figures:
        received = self.door.counts
        return Figures(samples_of(self.pipeline, received, self._sent_on), *received.lost)

    def _together(self) -> Figures:
        return self._board.together(self._figures())

    def _lost(self) -> Mapping[str, Loss]:
        return self._together().lost

    def _for_prometheus(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.state.services = self.services
        install(app)

        @app.get("/metrics", dependencies=[needs("read")])
        def metrics() -> Response:
            return Response(self._page.render(), media_type=PROMETHEUS_TEXT)

        return app

    async def _may_write(self, authorization: str | None) -> int | None:
        """For the receivers: nothing, 401 or 403."""
        return await self._may(authorization, "write")

    async def _may(self, authorization: str | None, scope: KeyScope) -> int | None:
        """Nothing, 401 or 403."""
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            return 401
        try:
            key = await asyncio.to_thread(self.access_keys.authenticate, text.strip())
        except LedgerUnavailable as away:
            raise Unavailable(str(away)) from away
        if key is None:
            return 401
        return None if key.allows(scope) else 403

    @contextlib.asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        self.pipeline.start()
        if self.forwarder is not None:
            self.forwarder.start()
        grpc = await self._grpc()
        schedule = Schedule(self._tasks())
        schedule.start()
        try:
            yield
        finally:
            await schedule.stop()
            if grpc is not None:
                await grpc.stop()
            await asyncio.to_thread(self.pipeline.stop)
            if self.forwarder is not None:
                await asyncio.to_thread(self.forwarder.stop)
            await asyncio.to_thread(self.alerting.close)
            self.price_book.close()
            self.limiting.close()
            self.ledger.close()

    async def _grpc(self) -> GrpcReceiver | None:
        if self.settings.grpc_port is None:
            return None
        address = f"{self.settings.host}:{self.settings.grpc_port}"
        receiver = GrpcReceiver(self.door, address, share_port=self.settings.workers > 1)
        await receiver.start()
        return receiver

    def _tasks(self) -> list[Task]:
        tasks = [
            Task("leave figures", BOARD_SECONDS, lambda: self._board.leave(self._figures())),
            Task("review traces", REVIEW_SECONDS, self.pipeline.review),
            Task("alert", ALERT_SECONDS, self.alerting.watch),
            Task("tell", ALERT_SECONDS, self.alerting.deliver),
            Task("remind", ALERT_SECONDS, self.alerting.remind),
            Task("make digests", MINUTE, self._digests.tick),
            Task("schedule reports", MINUTE, self._scheduled.tick),
            Task("forget old alerts", HOUR, self.alerts.prune),
            *(
                Task(f"evaluate {each.name}", INSIGHT_SECONDS, Evaluators((each,), self.insight.evaluations).tick)
                for each in self.insight.evaluators
            ),
        ]
        if self.settings.counters_url is not None:
            tasks.append(Task("compare counters", COUNTERS_SECONDS, self.agreement.tend))
        if (days := self.settings.retention_days) is not None:
            tasks.append(Task("prune", HOUR, lambda: self.ledger.prune(time.time_ns() - days * DAY * NANO)))
        return tasks


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes the app of one worker process. It is sent to that process, so it holds settings only."""

    settings: ServeSettings
    board_folder: str | None = None

    def __call__(self) -> ASGIApp:
        set_up_logging(self.settings.log_level)
        end_with_parent()
        # What is here now stays: the collector need not look at it again and again.
        sidecar = Sidecar(self.settings, self.board_folder)
        sidecar.services.ending.watch()
        app = sidecar.app
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS, 20, 50)
        return app
