"""Everything that insight is made of, in one sidecar: what it reads, what it keeps, and what evaluates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tollkeeper.insight.reconcile.account import Account
from tollkeeper.sidecar.insight import health, patterns
from tollkeeper.sidecar.insight.advice import Advice
from tollkeeper.sidecar.insight.anomalies import anomaly_evaluators, interval_evaluators
from tollkeeper.sidecar.insight.booking import Bookkeeper
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.sidecar.insight.forecasts import TOLD_FROM, ForecastEvaluator
from tollkeeper.sidecar.insight.health import HealthEvaluator
from tollkeeper.sidecar.insight.patterns import PatternEvaluator
from tollkeeper.sidecar.insight.reconciliation import Reconciler
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.anomalies import AnomalyStore
from tollkeeper.storage.insight.benchmarks import Benchmarks
from tollkeeper.storage.insight.evaluations import Evaluations
from tollkeeper.storage.insight.forecasts import Forecasts
from tollkeeper.storage.insight.history import History
from tollkeeper.storage.insight.invoices import Invoices
from tollkeeper.storage.insight.recommendations import Recommendations
from tollkeeper.storage.ledger import Ledger
from tollkeeper.storage.prices import PriceBook


@dataclass(frozen=True, slots=True)
class Sources:
    """What insight is made from. `owner` names this process, `clock` tells nanoseconds since the epoch.

    `accounts` are those at providers, whose own figures the ledger is compared with.
    """

    database: Database
    ledger: Ledger
    price_book: PriceBook
    limiting: Limiting
    uses: LimitUses
    audit: AuditTrail
    owner: str
    clock: Callable[[], int] = time.time_ns
    accounts: tuple[Account, ...] = ()
    forecast_alert: float = TOLD_FROM


@dataclass(frozen=True, slots=True)
class Insight:
    """`evaluators` are in the order in which they run where several are due: what others rest on before them.

    Neither the reconciler's nor that of advice is among them: they take long, and must not hold up the others. Nor are
    those in `alone`, each of which runs by itself: over very many calls they take minutes, too, the first time.
    """

    evaluations: Evaluations
    history: History
    benchmarks: Benchmarks
    anomalies: AnomalyStore
    forecasts: ForecastEvaluator
    reconciler: Reconciler
    bookkeeper: Bookkeeper
    evaluators: tuple[Evaluator, ...]
    advice: Advice
    alone: tuple[Evaluator, ...]


def build(sources: Sources) -> Insight:
    """Of one sidecar."""
    evaluations, history = Evaluations(sources.database, sources.owner, sources.clock), History(sources.ledger)
    benchmarks = Benchmarks(sources.database, sources.clock)
    database, ledger = sources.database, sources.ledger
    anomalies = AnomalyStore(sources.database, sources.clock)
    evaluators: tuple[Evaluator, ...] = (
        *anomaly_evaluators(sources.database, sources.ledger, sources.limiting, anomalies, sources.audit),
    )
    forecasts = ForecastEvaluator(
        ledger, sources.uses, sources.price_book, Forecasts(evaluations), sources.forecast_alert, anomalies
    )
    alone = (
        forecasts.evaluator(),
        *interval_evaluators(sources.ledger, history, sources.limiting, anomalies),
        Evaluator(health.NAME, health.EVERY_SECONDS, HealthEvaluator(database, ledger, benchmarks).run),
        Evaluator(
            patterns.NAME,
            patterns.EVERY_SECONDS,
            PatternEvaluator(database, ledger, sources.price_book, sources.clock).run,
        ),
    )
    reconciler = Reconciler(
        sources.accounts, Invoices(sources.database, sources.clock), sources.ledger, sources.database, evaluations,
        clock=sources.clock,
    )  # fmt: skip
    bookkeeper = Bookkeeper(reconciler, sources.ledger, sources.database, sources.audit)
    advised = Recommendations(sources.database, sources.clock)
    advice = Advice(sources.database, sources.ledger, sources.price_book, sources.limiting, advised)
    return Insight(
        evaluations, history, benchmarks, anomalies, forecasts, reconciler, bookkeeper, evaluators, advice, alone
    )
