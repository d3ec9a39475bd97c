"""The names of the sidecar's metrics, as Prometheus has them: each spelled once.

All but those with `sidecar` in their name are figures of the ledger or the counters: every sidecar of them shows the
same one, so that they are not to be summed over instances.
"""

from __future__ import annotations

from typing import Final

LEDGER_LABELS: Final = ("provider", "model", "operation", "tenant", "service", "feature")
"""Of the ledger's totals. Users and sessions are never among them: there is no end to those."""
LIMIT_LABELS = ("limit", "measure", "window", "mode", "scope", "tenant", "provider")
"""Of a limit and one of those it counts for. `tenant` and `provider` are empty where it does not count by them."""
WHOLE_LIMIT_LABELS = LIMIT_LABELS[:4]
FORECAST_LABELS = ("period", "dimension", "value", "quantile")
"""Of what is spent: `dimension` is `total`, or what `value` is a value of."""

LEDGER_COST = "tollkeeper_ledger_cost_usd_total"
LEDGER_CALLS = "tollkeeper_ledger_calls_total"
LEDGER_TOKENS = "tollkeeper_ledger_tokens_total"
LEDGER_UNPRICED = "tollkeeper_ledger_unpriced_calls_total"
LEDGER_UNMEASURED = "tollkeeper_ledger_unmeasured_calls_total"
LEDGER_PERIOD_COST = "tollkeeper_ledger_period_cost_usd"
LEDGER_LAST_COMMIT = "tollkeeper_ledger_last_commit_timestamp_seconds"
LEDGER_LAG = "tollkeeper_ledger_lag_seconds"

LIMIT_AMOUNT = "tollkeeper_limit_amount"
LIMIT_USED = "tollkeeper_limit_used"
LIMIT_HELD = "tollkeeper_limit_held"
LIMIT_DENIED = "tollkeeper_limit_denied_calls"
LIMIT_PERIOD_START = "tollkeeper_limit_period_start_timestamp_seconds"
LIMIT_PERIOD_END = "tollkeeper_limit_period_end_timestamp_seconds"
LIMIT_THRESHOLD = "tollkeeper_limit_threshold_ratio"
LIMIT_FULLEST = "tollkeeper_limit_fullest_ratio"
LIMIT_SCOPES = "tollkeeper_limit_scopes"
LIMIT_FORECAST = "tollkeeper_limit_forecast"
LIMIT_EXCEEDED = "tollkeeper_limit_exceeded_probability"
LIMIT_EXHAUSTED = "tollkeeper_limit_exhausted_timestamp_seconds"
FORECAST_USD = "tollkeeper_forecast_usd"
FORECAST_MADE = "tollkeeper_forecast_made_timestamp_seconds"
EMERGENCY = "tollkeeper_emergency"
QUOTA_PERCENT = "llm_quota_usage_percent"

ALERTS_FIRING = "tollkeeper_alerts_firing"
ANOMALIES_OPEN = "tollkeeper_anomalies_open"
ERROR_BUDGET_USED = "tollkeeper_error_budget_used_ratio"
ERROR_BUDGET_OBJECTIVE = "tollkeeper_error_budget_objective_ratio"
RECOMMENDATIONS = "tollkeeper_recommendations"
RECOMMENDED_SAVING = "tollkeeper_recommended_saving_usd"
SAVED = "tollkeeper_recommendations_saved_usd"
RECONCILIATION_CAPTURE = "tollkeeper_reconciliation_capture_ratio"
RECONCILIATION_DIFFERENCE = "tollkeeper_reconciliation_difference_usd"
RECONCILIATION_BILLED = "tollkeeper_reconciliation_billed_usd"
RECONCILIATION_DRIFTING = "tollkeeper_reconciliation_drifting_days"
RECONCILIATION_SETTLED = "tollkeeper_reconciliation_settled_timestamp_seconds"
RECONCILIATION_FAILED = "tollkeeper_reconciliation_account_failed"
RECONCILIATION_MADE = "tollkeeper_reconciliation_made_timestamp_seconds"
NOTIFICATIONS = "tollkeeper_notifications_total"
NOTIFICATIONS_WAITING = "tollkeeper_notifications_waiting"
NOTIFICATIONS_OLDEST = "tollkeeper_notifications_oldest_waiting_seconds"

PRICES_INSTALLED = "tollkeeper_price_catalog_updated_timestamp_seconds"
BUILD_INFO = "tollkeeper_build_info"

SIDECAR = "tollkeeper_sidecar_"
"""What is each sidecar's own."""
RECORDS = SIDECAR + "records_total"
WRITES = SIDECAR + "writes_total"
WRITE_SECONDS = SIDECAR + "write_seconds_total"
WAITING_RECORDS = SIDECAR + "waiting_records"
ORPHANS = SIDECAR + "orphans_total"
LOST_RECORDS = SIDECAR + "lost_records_total"
REQUESTS = SIDECAR + "requests_total"
REFUSED_REQUESTS = SIDECAR + "refused_requests_total"
LIMIT_MISSING = SIDECAR + "limit_missing"
LIMIT_EXCESS = SIDECAR + "limit_excess"
LIMIT_ASSUMED = SIDECAR + "limit_assumed"
