"""The metrics and labels of the rules, as Prometheus has them."""

from __future__ import annotations

from tollkeeper.telemetry import attributes, metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.metrics import Metric


def label(attribute: str) -> str:
    """An attribute's name as a label."""
    return attribute.replace(".", "_")


def of_apps(metric: Metric) -> str:
    """An app's metric; of a histogram, without the suffix of the series that is wanted."""
    return metric.prometheus_name + ("_total" if metric.kind == "counter" else "")


PROVIDER = label(attributes.PROVIDER)
MODEL = label(attributes.REQUEST_MODEL)
ERROR = label(attributes.ERROR_TYPE)
METER = label(metrics.METER_LABEL)
LIMIT_NAME = label(metrics.LIMIT_LABEL)

CALLS = of_apps(metrics.CALLS)
TOKENS = of_apps(metrics.TOKENS)
DENIED = of_apps(metrics.DENIED_CALLS)
DURATION = of_apps(metrics.OPERATION_DURATION)
FIRST_CHUNK = of_apps(metrics.TIME_TO_FIRST_CHUNK)
SPOOL_RECORDS = of_apps(metrics.SPOOL_RECORDS)
SPOOL_DROPPED = of_apps(metrics.SPOOL_DROPPED)
SPOOL_REJECTED = of_apps(metrics.SPOOL_REJECTED)
COUNTERS_AWAY = of_apps(metrics.COUNTERS_AWAY)
COUNTERS_DROPPED = of_apps(metrics.COUNTERS_DROPPED)
LIMITS_UNKNOWN = of_apps(metrics.LIMITS_UNKNOWN)

SIDECARS = "tollkeeper-sidecar"
"""The job of the sidecars in `prometheus.yml`."""
SIDECAR_UP = f'max(up{{job="{SIDECARS}"}})'
"""To be recorded with what the sidecars tell: of what is not there at that time, there was none."""

LEDGER_COST = sidecar.LEDGER_COST
LEDGER_CALLS = sidecar.LEDGER_CALLS
LEDGER_UNPRICED = sidecar.LEDGER_UNPRICED
LEDGER_COMMIT = sidecar.LEDGER_LAST_COMMIT
LEDGER_LAG = sidecar.LEDGER_LAG
LIMIT_AMOUNT = sidecar.LIMIT_AMOUNT
LIMIT_USED = sidecar.LIMIT_USED
LIMIT_DENIED = sidecar.LIMIT_DENIED
LIMIT_START = sidecar.LIMIT_PERIOD_START
LIMIT_END = sidecar.LIMIT_PERIOD_END
LIMIT_THRESHOLD = sidecar.LIMIT_THRESHOLD
LIMIT_FULLEST = sidecar.LIMIT_FULLEST
LIMIT_EXCEEDED = sidecar.LIMIT_EXCEEDED
FORECAST_MADE = sidecar.FORECAST_MADE
LIMIT_MISSING = sidecar.LIMIT_MISSING
LIMIT_EXCESS = sidecar.LIMIT_EXCESS
EMERGENCY = sidecar.EMERGENCY
CATALOG_UPDATED = sidecar.PRICES_INSTALLED
NOTIFICATIONS = sidecar.NOTIFICATIONS
NOTIFICATIONS_AGE = sidecar.NOTIFICATIONS_OLDEST
CAPTURED = sidecar.RECONCILIATION_CAPTURE
BILLED = sidecar.RECONCILIATION_BILLED
DRIFTING = sidecar.RECONCILIATION_DRIFTING
LOST_RECORDS = sidecar.LOST_RECORDS
SIDECAR_RECORDS = sidecar.RECORDS
SIDECAR_WRITES = sidecar.WRITES

LIMIT_LABELS = ", ".join(sidecar.LIMIT_LABELS)
WHOLE_LIMIT_LABELS = ", ".join(sidecar.WHOLE_LIMIT_LABELS)
LEDGER_LABELS = ", ".join(sidecar.LEDGER_LABELS)


def limits(metric: str, matchers: str = "") -> str:
    """A figure of the limits: every sidecar shows the same."""
    return f"max by ({LIMIT_LABELS}) ({lately(metric, matchers)})"


def lately(metric: str, matchers: str = "") -> str:
    """The last that was told in five minutes: nothing is over because a sidecar is started anew."""
    return f"last_over_time({metric}{f'{{{matchers}}}' if matchers else ''}[5m])"


def ledger(metric: str, by: str) -> str:
    """A total of the ledger by some of its labels: every sidecar shows the same, so that they are not added up."""
    return f"sum by ({by}) (max by ({LEDGER_LABELS}) ({metric}))"


def more_than(recorded: str, span: str, up: str) -> str:
    """By how much a total is above that of some time ago. What is new had none then, if a sidecar was looked at (`up`);
    else only what has come since it was first looked at is known to be new."""
    new = f"{recorded} * 0 and on () {up} offset {span} == 1"
    return f"{recorded} - ({recorded} offset {span} or {new} or min_over_time({recorded}[{span}]))"


def growth(recorded: str, span: str) -> str:
    """By how much a recorded total has grown. A total that falls was corrected, or another sidecar told it."""
    return f"clamp_min(delta({recorded}[{span}]), 0)"
