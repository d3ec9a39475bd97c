"""Everything that insight is made of, in one sidecar: what it reads, what it keeps, and what evaluates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tollkeeper.insight.reconcile.account import Account
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
    """`evaluators` are each to be run by itself: over very many calls some take minutes, the first time."""

    evaluations: Evaluations
    history: History
    benchmarks: Benchmarks
    anomalies: AnomalyStore
    forecasts: ForecastEvaluator
    advice: Advice
    reconciler: Reconciler
    bookkeeper: Bookkeeper
    evaluators: tuple[Evaluator, ...]


def build(sources: Sources) -> Insight:
    """Of one sidecar."""
    database, ledger, clock = sources.database, sources.ledger, sources.clock
    prices, limiting = sources.price_book, sources.limiting
    evaluations, history = Evaluations(database, sources.owner, clock), History(ledger)
    benchmarks, anomalies = Benchmarks(database, clock), AnomalyStore(database, clock)
    told_from = sources.forecast_alert
    forecasts = ForecastEvaluator(ledger, sources.uses, prices, Forecasts(evaluations), told_from, anomalies)
    advice = Advice(database, ledger, prices, limiting, Recommendations(database, clock))
    invoices = Invoices(database, clock)
    reconciler = Reconciler(sources.accounts, invoices, ledger, database, evaluations, clock=clock)
    evaluators = (
        *anomaly_evaluators(database, ledger, limiting, anomalies, sources.audit),
        *interval_evaluators(ledger, history, limiting, anomalies),
        HealthEvaluator(database, ledger, benchmarks).evaluator(),
        PatternEvaluator(database, ledger, prices, clock).evaluator(),
        forecasts.evaluator(),
        advice.evaluator(),
        reconciler.evaluator(),
    )
    bookkeeper = Bookkeeper(reconciler, ledger, database, sources.audit)
    return Insight(
        evaluations, history, benchmarks, anomalies, forecasts, advice, reconciler, bookkeeper, evaluators
    )  # fmt: skip
