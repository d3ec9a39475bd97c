"""The evaluators of anomalies: what they find is kept, followed and told, and answered as the policy says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.sidecar.insight.intervals import Intervals
from tollkeeper.sidecar.insight.responses import Responses
from tollkeeper.sidecar.insight.rules import Rules
from tollkeeper.sidecar.insight.runaways import Runaways
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.anomalies import AnomalyStore, Found, Source
from tollkeeper.storage.insight.history import History
from tollkeeper.storage.insight.recent import RecentUse
from tollkeeper.storage.ledger import Ledger

RUNAWAY_SECONDS = 30
RULES_SECONDS = 60
HOURLY_SECONDS = 600
DAILY_SECONDS = 3600
DAY_SECONDS = 86_400


def anomaly_evaluators(
    database: Database, ledger: Ledger, limiting: Limiting, store: AnomalyStore, audit: AuditTrail
) -> tuple[Evaluator, ...]:
    """Those that find what people must hear of within a minute: they are quick."""
    recent = RecentUse(database)
    runaways = Runaways(recent, ledger, store, lambda: limiting.policy)
    rules = Rules(ledger, recent, lambda: limiting.policy)
    responses = Responses(limiting, store, audit)

    def rules_hold(now: int) -> Any:
        found = rules.find(now)
        held = store.follow("rule", found, now)
        responses.follow(held, now)
        return {"open": len(held), "responding": len(store.responding())}

    return (
        Evaluator("anomalies.runaway", RUNAWAY_SECONDS, _followed("runaway", store, runaways.find)),
        Evaluator("anomalies.rules", RULES_SECONDS, rules_hold),
        Evaluator("anomalies.forget", DAY_SECONDS, lambda now: {"forgotten": store.prune()}),
    )


def interval_evaluators(
    ledger: Ledger, history: History, limiting: Limiting, store: AnomalyStore
) -> tuple[Evaluator, ...]:
    """Those that compare each hour and each day with those before: of many scopes they take a while."""
    intervals = Intervals(ledger, history, store, lambda: limiting.policy)
    return (
        Evaluator("anomalies.hourly", HOURLY_SECONDS, lambda now: intervals.run("hour", now)),
        Evaluator("anomalies.daily", DAILY_SECONDS, lambda now: intervals.run("day", now)),
    )


def _followed(source: Source, store: AnomalyStore, find: Callable[[int], Sequence[Found]]) -> Callable[[int], Any]:
    def run(now: int) -> Any:
        return {"open": len(store.follow(source, find(now), now))}

    return run
