"""What several dashboards show: spending, calls, failures, and how full limits are."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.grafana import sidecar
from tollkeeper.grafana.series import (
    LEDGER_SELECTION,
    app_gain,
    app_rate,
    either,
    ledger_gain,
    ledger_rate,
    once,
    selected,
    summed,
)
from tollkeeper.telemetry import metrics

HOUR, DAY = 3600, 86400

FAILED, APP_FAILED, APP_ANSWERED = 'outcome="failed"', 'error_type!=""', 'error_type=""'

MONTH_LEFT = "((days_in_month() - day_of_month() + 1) * 86400 - hour() * 3600 - minute() * 60)"
"""Of the calendar month of UTC, in seconds."""


def period_cost(period: str, by: Sequence[str] = ()) -> str:
    """What the current day or month has cost, in dollars, as the ledger says."""
    return summed(once(selected(sidecar.PERIOD_COST, f'period="{period}"', LEDGER_SELECTION)), by)


def spend_rate(by: Sequence[str] = ()) -> str:
    """In dollars an hour."""
    return f"{either(ledger_rate(sidecar.COST, by), app_rate(metrics.COST, by))} * {HOUR}"


def spent(by: Sequence[str] = ()) -> str:
    """In dollars, during the range."""
    return either(ledger_gain(sidecar.COST, by), app_gain(metrics.COST, by))


def calls(by: Sequence[str] = ()) -> str:
    """During the range."""
    return either(ledger_gain(sidecar.CALLS, by), app_gain(metrics.CALLS, by))


def calls_rate(by: Sequence[str] = ()) -> str:
    """By the second."""
    return either(ledger_rate(sidecar.CALLS, by), app_rate(metrics.CALLS, by))


def failed_share(by: Sequence[str] = ()) -> str:
    of_ledger = f"{ledger_rate(sidecar.CALLS, by, FAILED)} / ({ledger_rate(sidecar.CALLS, by)} > 0)"
    all_of_apps = app_rate(metrics.CALLS, by)
    failed = f"({app_rate(metrics.CALLS, by, APP_FAILED)} or {all_of_apps} * 0)"
    return either(f"({of_ledger})", f"({failed} / ({all_of_apps} > 0))")


def ratio(above: str, below: str) -> str:
    return f"{above} / ({below} > 0)"


def top(expression: str, many: int = 10) -> str:
    return f"topk({many}, {expression})"
