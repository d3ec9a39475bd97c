"""Limits, budgets and quotas: how full they are, how fast they fill, and what they have stopped.

The pace of the last hour and day is drawn on to the period's end; beside it stand the sidecar's own forecasts, which
are made hourly, and of what has two weeks of history.
"""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import (
    CALENDAR,
    limit,
    limit_forecast,
    limit_foreseen,
    limit_growth,
    limit_used,
    period_cost,
    spend_foreseen,
    top,
)
from tollkeeper.grafana.panels import FILLING, Column, Query, Steps, Style, bars, chart, figure, rows
from tollkeeper.grafana.series import app_rate, label, none_while, once
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.metrics import LIMIT_LABEL, STEP_LABEL

NO_LIMITS = "no limits"
NO_FORECAST = "needs two weeks of history"
PROBABLE: Steps = ((0.2, "yellow"), (0.5, "orange"), (0.8, "red"))
SCOPED = "{{limit}} {{scope}}"
PERCENT_FILLING = ((80, "yellow"), (90, "orange"), (100, "red"))

FULLEST = f"max({once(sidecar.LIMIT_FULLEST)})"
HELD = f"({limit(sidecar.LIMIT_HELD)} / ({limit(sidecar.LIMIT_AMOUNT)} > 0))"
PERIOD = f"({limit(sidecar.LIMIT_PERIOD_END, CALENDAR)} - {limit(sidecar.LIMIT_PERIOD_START, CALENDAR)})"
ELAPSED = f"((time() - {limit(sidecar.LIMIT_PERIOD_START, CALENDAR)}) / {PERIOD})"


def burn(window: str) -> str:
    """1 is the pace that uses up the amount just at the period's end."""
    return f"({limit_growth(window)} * {PERIOD} / ({limit(sidecar.LIMIT_AMOUNT, CALENDAR)} > 0))"


def by_limit(expression: str) -> str:
    """With those labels that the table shows."""
    return f"max by (limit, scope, measure, window, mode) ({expression})"


def by_foreseen(expression: str) -> str:
    return f"max by (limit, scope, window) ({expression})"


NOW = Section(
    "Now",
    (
        figure(
            "Fullest limit", "How much is used of the limit that is nearest to its amount; 100 % is all.",
            FULLEST, "percentunit", decimals=0, steps=FILLING, nothing=NO_LIMITS, width=4,
        ),
        figure(
            "Limits above 80 %", "How many limits are nearly or wholly used up, each tenant's counted by itself.",
            none_while(f"count({limit_used()} >= 0.8)", f"count({limit_used()})"), "short", decimals=0,
            steps=((1, "orange"),), nothing=NO_LIMITS, width=4,
        ),
        figure(
            "Denied calls", "Calls a second that were not sent, as a limit had no room for them.",
            none_while(app_rate(metrics.DENIED_CALLS), app_rate(metrics.CALLS)), "reqps", decimals=2,
            steps=((0.01, "orange"),), nothing="needs the apps", width=4,
        ),
        figure(
            "Held", "What running calls hold of the limit of which they hold most.",
            f"max({HELD})", "percentunit", decimals=1, nothing=NO_LIMITS, width=4,
        ),
        figure(
            "Fullest quota", "How much of its monthly tokens the fullest configuration has used.",
            f"max({once(sidecar.QUOTA_PERCENT)})", "percent", decimals=0, steps=PERCENT_FILLING,
            nothing="no quotas", width=4,
        ),
        figure(
            "Emergency", "Whether somebody has begun an emergency, in which calls are limited more tightly.",
            f"max({once(sidecar.EMERGENCY)})", "none", decimals=0, steps=((1, "red"),), nothing="needs the sidecar",
            texts=(("0", "none", "green"), ("1", "EMERGENCY", "red")), width=4,
        ),
    ),
)  # fmt: skip

LIMITS = Section(
    "Limits",
    (
        bars(
            "Used", "The ten fullest; 100 % is the amount. Of limits by user or session only the fullest is shown.",
            [Query(f"sort_desc({top(f'max by (limit, scope) ({limit_used()})', 10)})", SCOPED)],
            "percentunit", decimals=0, most=1, steps=FILLING, nothing=NO_LIMITS, names_above=True,
            width=7, height=12,
        ),
        rows(
            "All limits",
            "Dollars where the measure is usd. The forecast is for the period's end, at the pace of the last hour. "
            "Needs the sidecar.",
            [("limit", "Limit"), ("scope", "For"), ("measure", "Measure"), ("window", "Window"), ("mode", "Mode")],
            [
                Column("Used", by_limit(limit_used()), "percentunit", 1, steps=FILLING),
                Column("So far", by_limit(limit(sidecar.LIMIT_USED)), "short", 3),
                Column("Amount", by_limit(limit(sidecar.LIMIT_AMOUNT)), "short"),
                Column("Ends in", by_limit(f"{limit(sidecar.LIMIT_PERIOD_END)} - time()"), "dtdurations"),
                Column("Forecast", by_limit(limit_forecast("1h")), "percentunit", 0, steps=FILLING),
            ],
            width=17, height=12,
        ),
    ),
)  # fmt: skip

PACE = Section(
    "Pace",
    (
        chart(
            "Used, and how much of the period is over",
            "Above the dashed line, a limit is used faster than its period passes. Those of minutes are left out.",
            [
                Query(top(f"max by (limit, scope) ({limit_used(CALENDAR)})", 8), SCOPED),
                Query(f"max by (window) ({ELAPSED})", "over: {{window}}"),
            ],
            "percentunit", decimals=1, nothing=NO_LIMITS,
            styles=(Style("/^over: /", dashed=True),),
        ),
        chart(
            "Forecast for the period's end",
            "Of the limit that will be fullest: between the pace of the last hour and of the last day. "
            "The red line is the amount.",
            [
                Query(f"max({limit_forecast('1h')})", "pace of the last hour"),
                Query(f"max({limit_forecast('1d')})", "pace of the last day"),
                Query(f"max({limit_used(CALENDAR)})", "used"),
            ],
            "percentunit", decimals=0, nothing=NO_LIMITS, steps=((1, "red"),),
            styles=(
                Style("pace of the last hour", color="orange", below_to="pace of the last day"),
                Style("pace of the last day", color="orange", is_edge=True),
                Style("used", color="blue"),
            ),
        ),
        chart(
            "Burn, last hour",
            "1 is the pace that uses up a limit just at its period's end, 2 in half of the period. The five fastest.",
            [Query(top(f"max by (limit, scope) ({burn('1h')})", 5), SCOPED)],
            "short", decimals=1, nothing=NO_LIMITS, steps=((1, "yellow"), (14.4, "red")),
        ),
        chart(
            "Burn, last 6 hours", "As beside, with the pace of the last 6 hours: slower, and less restless.",
            [Query(top(f"max by (limit, scope) ({burn('6h')})", 5), SCOPED)],
            "short", decimals=1, nothing=NO_LIMITS, steps=((1, "yellow"), (6, "red")),
        ),
    ),
)  # fmt: skip

AHEAD = Section(
    "Where they end",
    (
        chart(
            "The month's total",
            "What the sidecar foresees for the end of this month (of UTC): 80 of 100 times it is within the band.",
            [
                Query(spend_foreseen("month", "0.9"), "high"),
                Query(spend_foreseen("month", "0.1"), "low"),
                Query(spend_foreseen("month", "0.5"), "forecast"),
                Query(period_cost("month"), "spent"),
            ],
            "currencyUSD", decimals=2, nothing=NO_FORECAST, width=12,
            styles=(
                Style("high", color="orange", below_to="low"),
                Style("low", color="orange", is_edge=True),
                Style("forecast", color="orange", dashed=True),
                Style("spent", color="blue"),
            ),
        ),
        rows(
            "Limits at their end",
            "What the sidecar foresees: 80 of 100 times it is between low and high. Exceeded is how probable it is "
            "that more is used than may be. Needs the sidecar, and two weeks of history.",
            [("limit", "Limit"), ("scope", "For"), ("window", "Window")],
            [
                Column("Low", by_foreseen(limit_foreseen("0.1")), "percentunit", 0, steps=FILLING),
                Column("Forecast", by_foreseen(limit_foreseen("0.5")), "percentunit", 0, steps=FILLING),
                Column("High", by_foreseen(limit_foreseen("0.9")), "percentunit", 0, steps=FILLING),
                Column("Exceeded", by_foreseen(limit(sidecar.LIMIT_EXCEEDED)), "percentunit", 0, steps=PROBABLE),
                Column(
                    "Used up in",
                    by_foreseen(f"""{limit(sidecar.LIMIT_EXHAUSTED, 'case="median"')} - time()"""),
                    "dtdurations",
                ),
            ],
            width=12,
        ),
    ),
)  # fmt: skip

STOPPED = Section(
    "What limits have done",
    (
        chart(
            "Denied calls by limit", "Calls a second that were not sent, by the limit that had no room for them.",
            [Query(app_rate(metrics.DENIED_CALLS, (label(LIMIT_LABEL),)), "{{" + label(LIMIT_LABEL) + "}}")],
            "reqps", stacked=True, decimals=2, nothing="none denied", width=8,
        ),
        chart(
            "Denied calls by tenant", "Calls a second that were not sent, by the tenant whose they were.",
            [Query(app_rate(metrics.DENIED_CALLS, ("tenant",)), "{{tenant}}")],
            "reqps", stacked=True, decimals=2, nothing="none denied", width=8,
        ),
        chart(
            "Changed calls", "Calls a second that were sent otherwise than asked for, by the ladder's step.",
            [Query(app_rate(metrics.DEGRADED_CALLS, (label(STEP_LABEL),)), "{{" + label(STEP_LABEL) + "}}")],
            "reqps", stacked=True, decimals=2, nothing="none changed", width=8,
        ),
        chart(
            "Held for running calls",
            "Of a limit's amount, what running calls may use yet. The five of which most is held.",
            [Query(top(f"max by (limit, scope) ({HELD})", 5), SCOPED)],
            "percentunit", decimals=1, nothing=NO_LIMITS,
        ),
        bars(
            "Quotas", "How much of its monthly tokens each configuration has used.",
            [Query(f"sort_desc(max by (config_id) ({once(sidecar.QUOTA_PERCENT)}))", "{{config_id}}")],
            "percent", decimals=0, most=100, steps=PERCENT_FILLING, nothing="no quotas", width=6,
        ),
        bars(
            "Scopes of each limit", "For how many tenants, users and so on a limit is counted.",
            [Query(f"sort_desc(max by (limit) ({once(sidecar.LIMIT_SCOPES)}))", "{{limit}}")],
            "short", decimals=0, nothing=NO_LIMITS, names_above=True, width=6,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "budgets",
    "Budgets & quotas",
    "How full limits, budgets and quotas are, how fast they fill, and what they have stopped.",
    (NOW, LIMITS, PACE, AHEAD, STOPPED),
)
