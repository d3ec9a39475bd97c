"""Gauges of how things stand: limits, quotas, spending of this day and month, the ledger's lag, an emergency."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from tollkeeper.model import Limit
from tollkeeper.model.finding import severity_at
from tollkeeper.sidecar.advice_gauges import ADVICE_GAUGES, advice_samples
from tollkeeper.sidecar.error_budget_gauges import ERROR_BUDGET_GAUGES, error_budget_samples
from tollkeeper.sidecar.findings import prices_installed_at
from tollkeeper.sidecar.forecast_gauges import FORECAST_GAUGES, limit_samples_of, spend_samples
from tollkeeper.sidecar.health import SidecarHealth
from tollkeeper.sidecar.insight.advice import NAME as ADVICE
from tollkeeper.sidecar.insight.health import latest as latest_health
from tollkeeper.sidecar.insight.reconciliation import NAME
from tollkeeper.sidecar.limit_use import LimitUse, LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch, tells_denials
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.metrics import NANO, Kind, Sample
from tollkeeper.sidecar.quotas import Quotas
from tollkeeper.sidecar.reconciliation_gauges import RECONCILIATION_GAUGES, reconciliation_samples
from tollkeeper.sidecar.samples import Family
from tollkeeper.storage.alerts.outbox import Outbox
from tollkeeper.storage.alerts.store import AlertStore
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.emergency import EmergencySwitch
from tollkeeper.storage.insight.anomalies import AnomalyStore
from tollkeeper.storage.insight.evaluations import Evaluations
from tollkeeper.storage.insight.forecasts import Forecasts
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.telemetry import sidecar_metrics as names

FRESH_SECONDS = 5.0
"""They are looked up again when they are older."""
MOST_SCOPES = 200
"""With series of their own, of one limit: those that deny calls, and the fullest."""
MOST_QUOTAS = 500
UNBOUNDED = frozenset({"user", "session"})
"""There is no end to those: limits that count by them have no series for each."""

GAUGES: Mapping[str, Family] = {
    names.LEDGER_LAST_COMMIT: Family("When the newest call was recorded."),
    names.LEDGER_LAG: Family("From the end of the newest call to when it was recorded."),
    names.LIMIT_AMOUNT: Family("What may be used of a limit: of usd, in dollars.", names.LIMIT_LABELS),
    names.LIMIT_USED: Family("What is used in its period, without what calls under way hold.", names.LIMIT_LABELS),
    names.LIMIT_HELD: Family("What calls under way hold of a limit.", names.LIMIT_LABELS),
    names.LIMIT_DENIED: Family(
        "Calls denied in its period, as they did not fit into what is left; of hard limits that let none wait.",
        names.LIMIT_LABELS,
    ),
    names.LIMIT_PERIOD_START: Family("When the limit's period began.", names.LIMIT_LABELS),
    names.LIMIT_PERIOD_END: Family("When the limit's period ends.", names.LIMIT_LABELS),
    names.LIMIT_THRESHOLD: Family(
        "The parts of the amount that are told of.", (*names.LIMIT_LABELS, "threshold", "severity")
    ),
    names.LIMIT_FULLEST: Family("Used, of the amount, by whomever has used the most.", names.WHOLE_LIMIT_LABELS),
    names.LIMIT_SCOPES: Family("How many there are whom a limit counts for, at this time.", names.WHOLE_LIMIT_LABELS),
    **FORECAST_GAUGES,
    names.EMERGENCY: Family("1 while there is an emergency; else 0."),
    names.QUOTA_PERCENT: Family("What a configuration has used of its quota of tokens.", ("config_id", "provider")),
    names.ALERTS_FIRING: Family("Alerts that fire.", ("kind", "severity")),
    names.ANOMALIES_OPEN: Family(
        "Anomalies that hold, but for those that somebody has called false.", ("metric", "severity")
    ),
    **ERROR_BUDGET_GAUGES,
    **RECONCILIATION_GAUGES,
    **ADVICE_GAUGES,
    names.NOTIFICATIONS: Family("Messages to channels, by what became of them.", ("channel", "outcome")),
    names.NOTIFICATIONS_WAITING: Family("Messages that wait to be delivered.", ("channel",)),
    names.NOTIFICATIONS_OLDEST: Family("For how long the oldest of them has waited.", ("channel",)),
    names.PRICES_INSTALLED: Family("When the price list was installed that one's own prices go before."),
}
"""By name: what they mean, and their labels."""


class Gauges:
    """Of one sidecar. What cannot be looked up is left out, and not shown as it was before."""

    def __init__(
        self,
        uses: LimitUses,
        quotas: Quotas,
        limiting: Limiting,
        watch: LimitWatch,
        health: SidecarHealth,
        alerts: AlertStore,
        outbox: Outbox,
        anomalies: AnomalyStore,
        clock: Callable[[], float],
        now: Callable[[], int],
        forecasts: Forecasts | None = None,
        evaluations: Evaluations | None = None,
    ) -> None:
        self._uses = uses
        self._quotas = quotas
        self._emergency = EmergencySwitch(limiting.counters, "metrics")
        self._watch = watch
        self._health = health
        self._alerts = alerts
        self._outbox = outbox
        self._anomalies = anomalies
        self._forecasts = forecasts
        self._evaluations = evaluations
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._samples: list[Sample] = []

    def samples(self) -> list[Sample]:
        """All of them. Reads ledger and counters, so not on an event loop."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= FRESH_SECONDS:
                self._samples = [
                    *self._of_limits(), *self._of_emergency(), *self._of_ledger(), *self._of_prices(),
                    *self._of_alerts(), *self._of_forecasts(), *self._of_evaluations(),
                ]  # fmt: skip
                self._read_at = now
            return self._samples

    def _of_limits(self) -> list[Sample]:
        try:
            quotas = [one for one in self._quotas.all() if one.percent is not None][:MOST_QUOTAS]
            uses = self._uses.all()
            known = {use.key for use in uses}
            # Whose every call is denied has none in the ledger.
            denying = self._uses.of_keys(key for key in self._watch.denying() if key not in known)
            now = self._now()
            found = limit_use_samples([*uses, *denying], lambda use: self._watch.denied(use.key, now))
        except (CountersUnavailable, LedgerUnavailable):
            return []
        return found + [
            _gauge(names.QUOTA_PERCENT, one.percent or 0.0, one.config, one.provider or "") for one in quotas
        ]

    def _of_forecasts(self) -> list[Sample]:
        if self._forecasts is None:
            return []
        try:
            foreseen, uses = self._forecasts.latest(), self._uses.all()
        except (CountersUnavailable, LedgerUnavailable):
            return []
        now = self._now()
        ours = [use for use in uses if not UNBOUNDED & set(use.limit.per)]
        return [
            *spend_samples(foreseen, now),
            *(sample for use in ours for sample in limit_samples_of(foreseen, use, _labels(use), now)),
        ]

    def _of_evaluations(self) -> list[Sample]:
        if self._evaluations is None:
            return []
        try:
            now = self._now()
            return [
                *reconciliation_samples(self._evaluations.latest(NAME), now),
                *advice_samples(self._evaluations.latest(ADVICE), now),
                *error_budget_samples(latest_health(self._evaluations), now),
            ]
        except LedgerUnavailable:
            return []

    def _of_emergency(self) -> Iterator[Sample]:
        try:
            is_on = self._emergency.is_on()
        except (CountersUnavailable, LedgerUnavailable):
            return
        yield _gauge(names.EMERGENCY, is_on)

    def _of_ledger(self) -> Iterator[Sample]:
        lag, recorded_at, _ = self._health.last_call()
        if lag is not None and recorded_at is not None:
            yield _gauge(names.LEDGER_LAST_COMMIT, recorded_at.timestamp())
            yield _gauge(names.LEDGER_LAG, lag)

    def _of_prices(self) -> Iterator[Sample]:
        if (installed_at := prices_installed_at()) is not None:
            yield _gauge(names.PRICES_INSTALLED, installed_at)

    def _of_alerts(self) -> list[Sample]:
        try:
            firing, totals, waiting = self._alerts.firing(), self._outbox.totals(), self._outbox.waiting()
            unusual = self._anomalies.counts()
        except LedgerUnavailable:
            return []
        now = self._now()
        return [
            *(_gauge(names.ALERTS_FIRING, number, *labels) for labels, number in firing.items()),
            *(_gauge(names.ANOMALIES_OPEN, number, *labels) for labels, number in unusual.items()),
            *(
                _gauge(names.NOTIFICATIONS, number, *labels)
                for labels, number in totals.items()
                if labels[1] != "waiting"
            ),
            *(_gauge(names.NOTIFICATIONS_WAITING, one.number, channel) for channel, one in waiting.items()),
            *(
                _gauge(names.NOTIFICATIONS_OLDEST, max(now - one.oldest, 0) / NANO, channel)
                for channel, one in waiting.items()
            ),
        ]


def limit_use_samples(uses: Sequence[LimitUse], denied: Callable[[LimitUse], int] = lambda _: 0) -> list[Sample]:
    """The gauges of limits. `denied` says how many calls each has denied in its period."""
    found: list[Sample] = []
    for _, group in groupby(sorted(uses, key=_name), key=_name):
        ours = sorted(group, key=lambda use: -use.ratio)
        limit = ours[0].limit
        found.append(_gauge(names.LIMIT_FULLEST, ours[0].ratio, *_whole(limit)))
        found.append(_gauge(names.LIMIT_SCOPES, len(ours), *_whole(limit)))
        if not UNBOUNDED & set(limit.per):
            told = sorted(ours, key=lambda use: not denied(use))
            found += [sample for use in told[:MOST_SCOPES] for sample in _of_use(use, denied(use))]
    return found


def _name(use: LimitUse) -> str:
    return use.limit.name


def _of_use(use: LimitUse, denied: int) -> Iterator[Sample]:
    limit, labels = use.limit, _labels(use)
    unit = NANO if limit.measure == "usd" else 1
    yield _gauge(names.LIMIT_AMOUNT, limit.amount / unit, *labels)
    yield _gauge(names.LIMIT_USED, use.used / unit, *labels)
    yield _gauge(names.LIMIT_HELD, use.held / unit, *labels)
    if tells_denials(limit):
        yield _gauge(names.LIMIT_DENIED, denied, *labels)
    if use.period_end:
        yield _gauge(names.LIMIT_PERIOD_START, use.period_start / NANO, *labels)
        yield _gauge(names.LIMIT_PERIOD_END, use.period_end / NANO, *labels)
    for at in limit.at:
        yield _gauge(names.LIMIT_THRESHOLD, at / 100, *labels, str(at), severity_at(at))


def _labels(use: LimitUse) -> tuple[str, ...]:
    scope = use.scope
    whose = ",".join(f"{name}={value}" for name, value in scope.items())
    return (*_whole(use.limit), whose, scope.get("tenant", ""), scope.get("provider", ""))


def _whole(limit: Limit) -> tuple[str, str, str, str]:
    window = limit.window
    unit = "" if window is None else f"rolling {window.unit}" if window.rolling else window.unit
    return limit.name, limit.measure, unit, limit.mode


def _gauge(name: str, value: float, *labels: str) -> Sample:
    family = GAUGES[name]
    kind: Kind = "counter" if name.endswith("_total") else "gauge"
    return Sample(name, kind, family.meaning, tuple(zip(family.labels, labels, strict=True)), value)
