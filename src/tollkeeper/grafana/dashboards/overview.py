"""The dashboard to begin with: what is spent, how near the limits are, and whether calls go well."""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import (
    APP_ANSWERED,
    DAY,
    alerts_firing,
    calls,
    calls_rate,
    failed_share,
    month_end,
    period_cost,
    spend_rate,
    spent,
)
from tollkeeper.grafana.panels import FAILING, FILLING, Column, Query, bars, chart, figure, rows
from tollkeeper.grafana.series import DURATION, quantile
from tollkeeper.telemetry import sidecar_metrics as sidecar

NEEDS_SIDECAR = "needs the sidecar"
WHO = ("tenant", "provider", "model")

FIRING = 'ALERTS{alertname=~"Tollkeeper.*",alertname!="TollkeeperWatchdog",alertstate="firing"}'

NOW = Section(
    "Now",
    (
        figure(
            "Spent today",
            "What the calls of this calendar day of UTC have cost, as the ledger has it. Needs the sidecar.",
            period_cost("day"), "currencyUSD", decimals=2, nothing=NEEDS_SIDECAR,
        ),
        figure(
            "Spent this month",
            "What the calls of this calendar month of UTC have cost, as the ledger has it. Needs the sidecar.",
            period_cost("month"), "currencyUSD", decimals=2, nothing=NEEDS_SIDECAR,
        ),
        figure(
            "Month's end, at this pace",
            "Spent this month, and for what is left of it as much a day as in the last 24 hours, "
            "or while that is not known, as in the month. Needs the sidecar.",
            month_end("1d", DAY),
            "currencyUSD", decimals=2, over_time=False, nothing=NEEDS_SIDECAR,
        ),
        figure(
            "Fullest limit",
            "How much is used of the limit that is nearest to its amount. Needs the sidecar.",
            f"max({sidecar.LIMIT_FULLEST})", "percentunit", decimals=0, steps=FILLING, nothing="no limits",
        ),
        figure("Calls", "Finished calls a second, failed ones included.", calls_rate(), "reqps", decimals=2),
        figure(
            "Failed calls", "The share of the calls that failed.", failed_share(), "percentunit",
            decimals=1, steps=FAILING,
        ),
        figure(
            "Latency, 95th percentile",
            "What 95 % of the answered calls take at the most, their streams read to the end. From the apps' "
            "histograms, which know neither services nor tenants.",
            quantile(0.95, DURATION, where=APP_ANSWERED), "s", decimals=2,
        ),
        figure(
            "Alerts of the sidecar", "Alerts of the sidecar that fire at the moment, of all severities.",
            alerts_firing(), "none", decimals=0, steps=((1, "red"),), nothing="needs the sidecar",
        ),
    ),
)  # fmt: skip

SPENDING = Section(
    "Spending and limits",
    (
        chart(
            "Spending an hour, by provider", "Dollars an hour.", [Query(spend_rate(("provider",)), "{{provider}}")],
            "currencyUSD", stacked=True, decimals=2, width=16,
        ),
        bars(
            "Limits",
            "How full each limit is; of those by tenant, user and so on the fullest scope. 100 % is the amount.",
            [Query(f"sort_desc(max by (limit) ({sidecar.LIMIT_FULLEST}))", "{{limit}}")],
            "percentunit", decimals=0, most=1, steps=FILLING, nothing="no limits",
        ),
    ),
)  # fmt: skip

WHO_AND_WHAT = Section(
    "Who and what",
    (
        rows(
            "Dearest tenants and models",
            "The chosen time range, by tenant, provider and model. What has no price is not in its cost.",
            [("tenant", "Tenant"), ("provider", "Provider"), ("model", "Model")],
            [
                Column("Cost", spent(WHO), "currencyUSD", 4),
                Column("Calls", calls(WHO), "short", 0),
                Column("Cost of a call", f"{spent(WHO)} / ({calls(WHO)} > 0)", "currencyUSD", 5),
            ],
            width=16, height=10,
        ),
        rows(
            "What Prometheus says",
            "Alerts of Prometheus's rules that fire at the moment. Needs the rules of `dashboards/prometheus/`.",
            [("alertname", "Alert"), ("severity", "Severity")],
            [Column("Firing", f"count by (alertname, severity) ({FIRING})", "short", 0)],
            width=8, height=10,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "overview",
    "Overview",
    "What LLM calls cost, how near their limits are, and whether they go well.",
    (NOW, SPENDING, WHO_AND_WHAT),
)
