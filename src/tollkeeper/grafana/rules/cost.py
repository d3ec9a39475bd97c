"""Money: by the ledger, so that it is the same here as everywhere else. And what keeps it from being known."""

from __future__ import annotations

from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record

GLOBAL = "global:tollkeeper_ledger_cost_usd:sum"
TENANT = "tenant:tollkeeper_ledger_cost_usd:sum"
PROVIDER_MODEL = "provider_model:tollkeeper_ledger_cost_usd:sum"
SERVICE = "service:tollkeeper_ledger_cost_usd:sum"
SERVICE_CALLS = "service:tollkeeper_ledger_calls:sum"
RATE = "tenant:tollkeeper_ledger_cost_usd:rate5m"
AVERAGE = "tenant:tollkeeper_ledger_cost_usd:rate5m_avg1d"
DEVIATION = "tenant:tollkeeper_ledger_cost_usd:rate5m_stddev1d"
UPPER = "tenant:tollkeeper_ledger_cost_usd:rate5m_upper"
LOWER = "tenant:tollkeeper_ledger_cost_usd:rate5m_lower"
SPENT = "service:tollkeeper_ledger_cost_usd:delta1h"
UP = "global:tollkeeper_ledger_shown:max"
UNPRICED = "provider_model:tollkeeper_ledger_unpriced_calls:sum"
PER_CALL = "service:tollkeeper_ledger_cost_usd_per_call:ratio_delta1h"

RECORDS = (
    Record(GLOBAL, f"sum(max by ({n.LEDGER_LABELS}) ({n.LEDGER_COST}))"),
    Record(TENANT, n.ledger(n.LEDGER_COST, "tenant")),
    Record(PROVIDER_MODEL, n.ledger(n.LEDGER_COST, "provider, model")),
    Record(SERVICE, n.ledger(n.LEDGER_COST, "service")),
    Record(SERVICE_CALLS, f"sum by (service) (max by ({n.LEDGER_LABELS}, outcome) ({n.LEDGER_CALLS}))"),
    Record(UP, n.SIDECAR_UP),
    Record(UNPRICED, n.ledger(n.LEDGER_UNPRICED, "provider, model")),
    Record("global:tollkeeper_ledger_cost_usd:rate5m", f"{n.growth(GLOBAL, '5m')} / 300"),
    Record("provider_model:tollkeeper_ledger_cost_usd:rate5m", f"{n.growth(PROVIDER_MODEL, '5m')} / 300"),
    Record(RATE, f"{n.growth(TENANT, '5m')} / 300"),
    Record(SPENT, n.growth(SERVICE, "1h")),
    Record(PER_CALL, f"{SPENT} / ({n.growth(SERVICE_CALLS, '1h')} > 0)"),
)

A_WEEK_AGO = f"1.5 * avg_over_time({RATE}[1h] offset 167h30m)"
"""Half as much again as at this hour of a week ago: what comes each week is usual."""

# The sidecar's own anomalies take the place of these bands when there are some.
BANDS = (
    Record(AVERAGE, f"avg_over_time({RATE}[1d])"),
    Record(DEVIATION, f"stddev_over_time({RATE}[1d])"),
    # The widest of three: three deviations, half as much again, and half as much again as a week ago at this hour.
    Record(
        UPPER,
        f"""
        max without (band) (
            label_replace({AVERAGE} + 3 * {DEVIATION}, "band", "deviation", "", "")
          or
            label_replace(1.5 * {AVERAGE}, "band", "margin", "", "")
          or
            label_replace({A_WEEK_AGO}, "band", "week", "", "")
        )
        """,
    ),
    Record(
        LOWER,
        f"""
        clamp_min(
          min without (band) (
              label_replace({AVERAGE} - 3 * {DEVIATION}, "band", "deviation", "", "")
            or
              label_replace(0.5 * {AVERAGE}, "band", "margin", "", "")
          ),
          0
        )
        """,
    ),
)

TENANT_NAME = "{{ with $labels.tenant }}tenant {{ . }}{{ else }}no tenant{{ end }}"
SERVICE_NAME = "{{ with $labels.service }}service {{ . }}{{ else }}no service{{ end }}"
TENANT_BOARD = "tollkeeper-cost?var-tenant={{ $labels.tenant }}"
ANOMALY_BOARD = "tollkeeper-anomalies?var-tenant={{ $labels.tenant }}"

ALERTS = (
    Alert(
        "TollkeeperCostSpike",
        f"""
        {RATE} > 3 * {AVERAGE}
        and
        {RATE} * 3600 > 1
        unless
        {RATE} <= {A_WEEK_AGO}
        """,
        "warning",
        "anomaly",
        f"Spending of {TENANT_NAME} is over three times its daily average.",
        '${{ $value | printf "%.5f" }} a second, and over $1 an hour, for ten minutes.',
        TENANT_BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperCostAnomaly",
        f"""
        {RATE} > {UPPER}
        and
        {RATE} * 3600 > 0.5
        and
        {RATE} offset 1d
        """,
        "warning",
        "anomaly",
        f"Spending of {TENANT_NAME} is above what is usual.",
        '${{ $value | printf "%.5f" }} a second is above the band of the last day and of this hour a week ago.',
        ANOMALY_BOARD,
        hold="15m",
        labels={"direction": "high"},
    ),
    Alert(
        "TollkeeperCostAnomaly",
        f"""
        {RATE} < {LOWER}
        and
        {AVERAGE} * 3600 > 0.5
        and
        {RATE} offset 1d
        """,
        "info",
        "anomaly",
        f"Spending of {TENANT_NAME} is below what is usual.",
        '${{ $value | printf "%.5f" }} a second is below the band of the last day. Has a part of the app stopped?',
        ANOMALY_BOARD,
        hold="30m",
        labels={"direction": "low"},
    ),
    Alert(
        "TollkeeperCostPerCallJump",
        f"""
        {PER_CALL} > 2 * {PER_CALL} offset 1d
        and
        {SPENT} > 1
        """,
        "warning",
        "anomaly",
        f"A call of {SERVICE_NAME} costs twice what it did yesterday.",
        '${{ $value | printf "%.4f" }} on average, in the last hour. Another model, longer prompts, a cache lost?',
        "tollkeeper-cost?var-service={{ $labels.service }}",
        hold="30m",
    ),
    Alert(
        "TollkeeperUnpricedModel",
        f"{n.more_than(UNPRICED, '30m', UP)} > 0",
        "warning",
        "pricing",
        "No price is known for {{ $labels.model }} of {{ $labels.provider }}.",
        "{{ $value | humanize }} calls in 30 minutes have no price: what is reported as spent is too low.",
        "tollkeeper-cost?var-provider={{ $labels.provider }}&var-model={{ $labels.model }}",
    ),
    Alert(
        "TollkeeperPriceCatalogStale",
        f"time() - max({n.CATALOG_UPDATED}) > 60 * 86400",
        "info",
        "pricing",
        "The catalogue of prices is {{ $value | humanizeDuration }} old.",
        "Providers change prices every few weeks. New ones come with a new version of genai-prices.",
        "tollkeeper-pipeline",
        hold="1h",
    ),
)

CATEGORY = Category(
    "cost",
    (
        Group("tollkeeper-cost.records", RECORDS),
        Group("tollkeeper-cost.bands", BANDS, interval="1m"),
        Group("tollkeeper-cost.alerts", ALERTS),
    ),
)
