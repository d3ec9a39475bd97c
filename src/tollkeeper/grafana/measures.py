"""What several dashboards show: spending, calls, failures, and how full limits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tollkeeper.grafana.series import (
    LEDGER_SELECTION,
    app_gain,
    app_rate,
    either,
    label,
    ledger_gain,
    ledger_gain_known,
    ledger_pace,
    ledger_rate,
    none_while,
    once,
    selected,
    summed,
)
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.metrics import METER_LABEL

HOUR, DAY = 3600, 86400

FAILED, APP_FAILED, APP_ANSWERED = 'outcome="failed"', 'error_type!=""', 'error_type=""'

TokenKind = Literal["input", "output", "cache_read", "cache_write", "reasoning"]

METERS: Mapping[TokenKind, str] = {
    "input": f'{label(METER_LABEL)}=~"input.*|cache_.*"',
    "output": f'{label(METER_LABEL)}=~"output.*|reasoning"',
    "cache_read": f'{label(METER_LABEL)}=~"cache_read.*"',
    "cache_write": f'{label(METER_LABEL)}=~"cache_write.*"',
    "reasoning": f'{label(METER_LABEL)}="reasoning"',
}
"""The apps' meters do not overlap. The ledger's input has what came from a cache in it, its output the reasoning."""
BOTH = 'type=~"input|output"'

LIMIT_SELECTION = 'tenant=~"$tenant|",provider=~"$provider|"'
CALENDAR = 'window=~"hour|day|week|month"'
SECONDS = {"1h": 3600, "6h": 21600, "1d": 86400}

AT_LEAST_SECONDS = 300
"""What was used in the first moments of a period is no pace."""

MONTH_LEFT = "((days_in_month() - day_of_month() + 1) * 86400 - hour() * 3600 - minute() * 60)"
"""Of the calendar month of UTC, in seconds."""
MONTH_GONE = "((day_of_month() - 1) * 86400 + hour() * 3600 + minute() * 60)"


def period_cost(period: str, by: Sequence[str] = ()) -> str:
    """What the current day or month has cost, in dollars, as the ledger says."""
    return summed(once(selected(sidecar.LEDGER_PERIOD_COST, f'period="{period}"', LEDGER_SELECTION)), by)


def month_end(span: str, seconds: int) -> str:
    """What the month will have cost, with the pace of the last `span`, or where that is not known, of the month."""
    gone = f"clamp_min({MONTH_GONE}, {DAY})"
    so_far = period_cost("month")
    pace = f"({ledger_gain_known(sidecar.LEDGER_COST, span)} / {seconds} or on () {so_far} / on () {gone})"
    return f"{so_far} + {pace} * on () {MONTH_LEFT}"


def spend_rate(by: Sequence[str] = (), ago: str = "") -> str:
    """In dollars an hour; `ago`: so long before."""
    return f"{either(ledger_pace(sidecar.LEDGER_COST, by, ago=ago), app_rate(metrics.COST, by, ago=ago))} * {HOUR}"


def spent(by: Sequence[str] = ()) -> str:
    """In dollars, during the range."""
    return either(ledger_gain(sidecar.LEDGER_COST, by), app_gain(metrics.COST, by))


def calls(by: Sequence[str] = ()) -> str:
    """During the range."""
    return either(ledger_gain(sidecar.LEDGER_CALLS, by), app_gain(metrics.CALLS, by))


def calls_rate(by: Sequence[str] = ()) -> str:
    """By the second."""
    return either(ledger_rate(sidecar.LEDGER_CALLS, by), app_rate(metrics.CALLS, by))


def unpriced(by: Sequence[str] = ()) -> str:
    """Calls without a price, during the range. Those that were given one since are no longer of them."""
    return either(f"clamp_min({ledger_gain(sidecar.LEDGER_UNPRICED, by)}, 0)", app_gain(metrics.UNPRICED_CALLS, by))


def tokens(by: Sequence[str] = (), kind: TokenKind | None = None) -> str:
    """During the range: of one kind, or input and output together."""
    types, meters = (BOTH, "") if kind is None else (f'type="{kind}"', METERS[kind])
    return either(ledger_gain(sidecar.LEDGER_TOKENS, by, types), app_gain(metrics.TOKENS, by, meters))


def tokens_rate(kind: TokenKind, by: Sequence[str] = ()) -> str:
    """By the second, of one kind: all input, for instance, whether it came from a cache or not."""
    meters = METERS[kind]
    return either(ledger_rate(sidecar.LEDGER_TOKENS, by, f'type="{kind}"'), app_rate(metrics.TOKENS, by, meters))


def failed_share(by: Sequence[str] = ()) -> str:
    of_ledger = f"{ledger_rate(sidecar.LEDGER_CALLS, by, FAILED)} / ({ledger_rate(sidecar.LEDGER_CALLS, by)} > 0)"
    all_of_apps = app_rate(metrics.CALLS, by)
    failed = f"({app_rate(metrics.CALLS, by, APP_FAILED)} or {all_of_apps} * 0)"
    return either(f"({of_ledger})", f"({failed} / ({all_of_apps} > 0))")


def failed_share_in_range(by: Sequence[str] = ()) -> str:
    failed = either(
        ledger_gain(sidecar.LEDGER_CALLS, by, FAILED),
        f"({app_gain(metrics.CALLS, by, APP_FAILED)} or {app_gain(metrics.CALLS, by)} * 0)",
    )
    return ratio(failed, calls(by))


def limit(metric: str, where: str = "") -> str:
    """A figure of the limits that are for the chosen tenants and providers, or for all."""
    return once(selected(metric, LIMIT_SELECTION, where))


def limit_used(where: str = "") -> str:
    """Of its amount: 1 is all."""
    return f"({limit(sidecar.LIMIT_USED, where)} / ({limit(sidecar.LIMIT_AMOUNT, where)} > 0))"


def limit_growth(window: str) -> str:
    """By the second, of what has a period of an hour or longer; of a younger period, since it began."""
    series = selected(sidecar.LIMIT_USED, LIMIT_SELECTION, CALENDAR)
    elapsed, seconds = f"(time() - {limit(sidecar.LIMIT_PERIOD_START, CALENDAR)})", SECONDS[window]
    grown = f"clamp_min({once(f'delta({series}[{window}])')}, 0) / {seconds} and {elapsed} >= {seconds}"
    return f"(({grown}) or {once(series)} / clamp_min({elapsed}, {AT_LEAST_SECONDS}))"


def limit_forecast(window: str) -> str:
    """Of its amount, what will be used at the period's end, with the pace of the last `window`."""
    left = f"({limit(sidecar.LIMIT_PERIOD_END, CALENDAR)} - time())"
    used, amount = limit(sidecar.LIMIT_USED, CALENDAR), limit(sidecar.LIMIT_AMOUNT, CALENDAR)
    return f"(({used} + {limit_growth(window)} * {left}) / ({amount} > 0))"


def limit_foreseen(quantile: str) -> str:
    """Of its amount, what the sidecar foresees to be used at the period's end: so great a share of cases is below."""
    foreseen = limit(sidecar.LIMIT_FORECAST, f'quantile="{quantile}"')
    return f"({without_quantile(foreseen)} / ({limit(sidecar.LIMIT_AMOUNT, CALENDAR)} > 0))"


def without_quantile(expression: str) -> str:
    return f"max without (quantile) ({expression})"


def spend_foreseen(period: str, quantile: str) -> str:
    """In dollars, of everybody together."""
    where = f'period="{period}", dimension="total", quantile="{quantile}"'
    return f"max({once(f'{sidecar.FORECAST_USD}{{{where}}}')})"


def alerts_firing() -> str:
    return none_while(summed(once(sidecar.ALERTS_FIRING)), f"count({sidecar.BUILD_INFO})")


def ratio(above: str, below: str) -> str:
    return f"{above} / ({below} > 0)"


def top(expression: str, many: int = 10) -> str:
    return f"topk({many}, {expression})"
