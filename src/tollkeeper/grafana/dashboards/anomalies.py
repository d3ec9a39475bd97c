"""What is unlike the last day, and where it leads.

The bands are plain PromQL over the last day. The sidecar's own findings and forecasts have their place here, beside
them, when there are some: a section of their own, before "Compared with the last day".
"""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import (
    DAY,
    alerts_firing,
    calls_rate,
    failed_share,
    month_end,
    period_cost,
    spend_rate,
    tokens_rate,
    top,
)
from tollkeeper.grafana.panels import Panel, Query, Steps, Style, bars, chart, figure
from tollkeeper.grafana.series import MODEL_NAME, WINDOW, once
from tollkeeper.telemetry import sidecar_metrics as sidecar

LAST_DAY = f"[1d:{WINDOW}]"
UNUSUAL: Steps = ((2, "yellow"), (3, "red"))
"""In deviations from the mean."""


def mean(expression: str) -> str:
    return f"avg_over_time(({expression}){LAST_DAY})"


def deviation(expression: str) -> str:
    return f"stddev_over_time(({expression}){LAST_DAY})"


def unusual(expression: str) -> str:
    """How many deviations from the last day's mean it is. Where nothing ever changed, there is no answer."""
    return f"abs(({expression}) - {mean(expression)}) / ({deviation(expression)} > 0)"


def banded(title: str, what: str, expression: str, unit: str, decimals: int | None = None) -> Panel:
    return chart(
        title, f"{what}, and the band in which it was in the last day: three deviations around its mean.",
        [
            Query(expression, "now"),
            Query(f"{mean(expression)} + 3 * {deviation(expression)}", "upper"),
            Query(f"clamp_min({mean(expression)} - 3 * {deviation(expression)}, 0)", "lower"),
        ],
        unit, decimals=decimals,
        styles=(
            Style("now", color="blue"),
            Style("upper", color="green", below_to="lower"),
            Style("lower", color="green", is_edge=True),
        ),
    )  # fmt: skip


def ranked(by: str, title: str) -> Panel:
    return bars(
        title, "How many deviations spending is from its mean of the last day. From 3 on it is worth a look.",
        [Query(f"sort_desc({top(unusual(spend_rate((by,))))})", "{{" + by + "}}")],
        "short", decimals=1, most=5, steps=UNUSUAL, nothing="nothing has changed",
    )  # fmt: skip


NOW = Section(
    "Now",
    (
        figure(
            "Spending, compared with the last day", "In deviations from its mean. From 3 on it is worth a look.",
            unusual(spend_rate()), "short", decimals=1, steps=UNUSUAL, nothing="nothing has changed",
        ),
        figure(
            "Calls, compared with the last day", "In deviations from their mean. From 3 on it is worth a look.",
            unusual(calls_rate()), "short", decimals=1, steps=UNUSUAL, nothing="nothing has changed",
        ),
        figure(
            "Month's end, at this pace",
            "Spent this month, and for what is left of it as much a day as in the last 24 hours, "
            "or while that is not known, as in the month. Needs the sidecar.",
            month_end("1d", DAY), "currencyUSD", decimals=2, nothing="needs the sidecar",
        ),
        figure(
            "Alerts of the sidecar", "Alerts of the sidecar that fire at the moment, of all severities.",
            alerts_firing(), "none", decimals=0, steps=((1, "red"),), nothing="needs the sidecar",
        ),
    ),
)  # fmt: skip

COMPARED = Section(
    "Compared with the last day",
    (
        banded("Spending an hour", "Dollars an hour", spend_rate(), "currencyUSD", 2),
        banded("Calls", "Calls a second", calls_rate(), "reqps", 2),
        banded("Tokens", "Tokens a second", f"{tokens_rate('input')} + {tokens_rate('output')}", "short"),
        banded("Failures", "The share of the calls that failed", failed_share(), "percentunit", 1),
        ranked("tenant", "Most unusual tenants"),
        ranked(MODEL_NAME, "Most unusual models"),
        ranked("feature", "Most unusual features"),
    ),
)

AHEAD = Section(
    "Where it leads",
    (
        chart(
            "The month's end",
            "Spent this month, and what it will be at its end: between the pace of the last day and of the last week.",
            [
                Query(month_end("1d", DAY), "pace of the last day"),
                Query(month_end("7d", 7 * DAY), "pace of the last week"),
                Query(period_cost("month"), "spent"),
            ],
            "currencyUSD", decimals=2, nothing="needs the sidecar",
            styles=(
                Style("pace of the last day", color="orange", below_to="pace of the last week"),
                Style("pace of the last week", color="orange", is_edge=True),
                Style("spent", color="blue"),
            ),
        ),
        chart(
            "Alerts over time", "Alerts of the sidecar that fired, by kind and severity.",
            [Query(f"max by (kind, severity) ({once(sidecar.ALERTS_FIRING)})", "{{severity}}: {{kind}}")],
            "short", stacked=True, decimals=0, nothing="none",
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "anomalies", "Anomalies & forecast", "What is unlike the last day, and where it leads.", (NOW, COMPARED, AHEAD)
)
