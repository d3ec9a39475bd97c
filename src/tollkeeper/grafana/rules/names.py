"""The metrics and labels of the rules, as Prometheus has them."""

from __future__ import annotations

from tollkeeper.telemetry import attributes, metrics
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
FAULTS = of_apps(metrics.FAULTS)
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

LEDGER_COST = "tollkeeper_ledger_cost_usd_total"
LEDGER_CALLS = "tollkeeper_ledger_calls_total"
LEDGER_UNPRICED = "tollkeeper_ledger_unpriced_calls_total"
LIMIT_MISSING = "tollkeeper_sidecar_limit_missing"
LIMIT_EXCESS = "tollkeeper_sidecar_limit_excess"
LOST_RECORDS = "tollkeeper_sidecar_lost_records_total"
SIDECAR_RECORDS = "tollkeeper_sidecar_records_total"
SIDECAR_WRITES = "tollkeeper_sidecar_writes_total"

LIMIT_AMOUNT = "tollkeeper_limit_amount"
LIMIT_USED = "tollkeeper_limit_used"
LIMIT_START = "tollkeeper_limit_period_start_timestamp_seconds"
LIMIT_END = "tollkeeper_limit_period_end_timestamp_seconds"
LIMIT_THRESHOLD = "tollkeeper_limit_threshold_ratio"
LIMIT_FULLEST = "tollkeeper_limit_fullest_ratio"
EMERGENCY = "tollkeeper_emergency"
LEDGER_COMMIT = "tollkeeper_ledger_last_commit_timestamp_seconds"
LEDGER_LAG = "tollkeeper_ledger_lag_seconds"
CATALOG_UPDATED = "tollkeeper_price_catalog_updated_timestamp_seconds"
NOTIFICATIONS = "tollkeeper_notifications_total"
NOTIFICATIONS_AGE = "tollkeeper_notifications_oldest_waiting_seconds"

LIMIT_LABELS = "limit, measure, window, mode, scope, tenant, provider"
LEDGER_LABELS = "provider, model, operation, tenant, service, feature"


def limits(metric: str, matchers: str = "") -> str:
    """A figure of the limits: every sidecar shows the same."""
    return f"max by ({LIMIT_LABELS}) ({metric}{{{matchers}}})" if matchers else f"max by ({LIMIT_LABELS}) ({metric})"


def ledger(metric: str, by: str) -> str:
    """A total of the ledger by some of its labels: every sidecar shows the same, so that they are not added up."""
    return f"sum by ({by}) (max by ({LEDGER_LABELS}) ({metric}))"


def growth(recorded: str, span: str) -> str:
    """By how much a recorded total has grown. A total that falls was corrected, or another sidecar told it."""
    return f"clamp_min(delta({recorded}[{span}]), 0)"
