"""Tollkeeper itself: whether what is shown is whole, and anybody would be told."""

from __future__ import annotations

from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record

BOARD = "tollkeeper-pipeline"
DEAD = "channel:tollkeeper_notifications_dead:max"

UP = "global:tollkeeper_notifications_shown:max"

RECORDS = (
    Record(UP, n.SIDECAR_UP),
    Record(DEAD, f'max by (channel) ({n.NOTIFICATIONS}{{outcome="dead"}})'),
)

ALERTS = (
    Alert(
        "TollkeeperSidecarDown",
        # Of a target that is gone there is no `up` at all.
        f'absent(up{{job="{n.SIDECARS}"}} == 1)',
        "critical",
        "pipeline",
        "No sidecar can be reached.",
        "Nothing is recorded, limits that go by the sidecar do not hold as they should, and nobody tells of budgets.",
        BOARD,
        hold="1m",
        # `absent` takes over no labels from a comparison.
        labels={"job": n.SIDECARS},
    ),
    Alert(
        "TollkeeperOneSidecarDown",
        f"""
        up{{job="{n.SIDECARS}"}} == 0
        and on ()
        {n.SIDECAR_UP} == 1
        """,
        "warning",
        "pipeline",
        "Sidecar {{ $labels.instance }} cannot be reached.",
        "Others can: they record, count and tell in its place, if apps reach them.",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperLedgerLag",
        # It is the newest call's, and stays when no call comes after it.
        f"""
        max({n.LEDGER_LAG}) > 300
        and
        time() - max({n.LEDGER_COMMIT}) < 900
        """,
        "warning",
        "pipeline",
        "The ledger is {{ $value | humanizeDuration }} behind.",
        "So long it took from the end of a call to its record. Do apps reach the sidecar, and is its database quick?",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperLedgerSilent",
        f"""
        time() - max({n.LEDGER_COMMIT}) > 900
        and
        sum(rate({n.CALLS}[5m])) > 0
        """,
        "warning",
        "pipeline",
        "Nothing was recorded for {{ $value | humanizeDuration }}.",
        "Apps make calls, and none reaches the ledger. Do they know the sidecar's address, and its key?",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperLedgerWritesFail",
        f'sum(rate({n.SIDECAR_WRITES}{{outcome="failed"}}[5m])) > 0',
        "warning",
        "pipeline",
        "Transactions of the ledger fail.",
        "{{ $value | humanize }} a second for five minutes. Nothing is lost: apps keep what is not acknowledged.",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperSpoolBacklog",
        f"max by (job, instance) ({n.SPOOL_RECORDS}) > 10000",
        "warning",
        "pipeline",
        "{{ $value | humanize }} calls wait in the spool of {{ $labels.instance }}.",
        "They are on disk, and sent when the sidecar takes them. When the spool is full, the oldest are lost.",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperRecordsLost",
        f"""
        sum by (job) (increase({n.SPOOL_DROPPED}[10m])) > 0
        or
        sum by (job) (increase({n.LOST_RECORDS}[10m])) > 0
        """,
        "critical",
        "pipeline",
        "Records of calls were lost.",
        "{{ $value | humanize }} in ten minutes, as a spool or its disk was full: reported spending is too low.",
        BOARD,
    ),
    Alert(
        "TollkeeperRecordsRejected",
        f"""
        sum by (job) (increase({n.SPOOL_REJECTED}[10m])) > 0
        or
        sum by (job) (increase({n.SIDECAR_RECORDS}{{outcome="rejected"}}[10m])) > 0
        """,
        "warning",
        "pipeline",
        "Records of calls were refused for good.",
        "{{ $value | humanize }} in ten minutes. The app keeps them in a file beside its spool.",
        BOARD,
    ),
    Alert(
        "TollkeeperCountersAway",
        f"max by (job, instance) ({n.COUNTERS_AWAY}) == 1",
        "critical",
        "pipeline",
        "{{ $labels.instance }} cannot reach the counters of its limits.",
        "Its calls go by what is left of a lease, or as each limit says for then.",
        BOARD,
        hold="1m",
    ),
    Alert(
        "TollkeeperCountersDropped",
        f"sum by (job) (increase({n.COUNTERS_DROPPED}[10m])) > 0",
        "warning",
        "pipeline",
        "Counters were never told of some calls.",
        "{{ $value | humanize }} in ten minutes. What was held for them is charged in full.",
        BOARD,
    ),
    Alert(
        "TollkeeperCountersBehindLedger",
        f"max by (limit, measure) ({n.LIMIT_MISSING}) > 0",
        "critical",
        "pipeline",
        "The counters of {{ $labels.limit }} have less than the ledger.",
        "{{ $value | humanize }} of {{ $labels.measure }}: the limit lets through more than it should.",
        BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperCountersAheadOfLedger",
        # Requests that an SDK has sent again are in excess, and should be.
        f'max by (limit, measure) ({n.LIMIT_EXCESS}{{measure!="requests"}}) > 0',
        "warning",
        "pipeline",
        "The counters of {{ $labels.limit }} have more than the ledger.",
        "{{ $value | humanize }} of {{ $labels.measure }}, for an hour: calls were counted and never recorded.",
        BOARD,
        hold="1h",
    ),
    Alert(
        "TollkeeperLimitsUnknown",
        f"max by (job, instance) ({n.LIMITS_UNKNOWN}) == 1",
        "critical",
        "pipeline",
        "{{ $labels.instance }} has never heard of its limits.",
        "It goes by a sidecar's policy, and has not reached it. Its calls are let go, or denied, as it is set.",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperReconciliationDrift",
        f"max by (provider) ({n.DRIFTING}) > 0",
        "warning",
        "reconciliation",
        "The ledger and the bill of {{ $labels.provider }} do not agree.",
        "On {{ $value | humanize }} of the last seven settled days, by more than the tolerance. The sidecar says why.",
        BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperCaptureRateLow",
        # Of less than a dollar, a single call would be a large part.
        f"""
        max by (provider) ({n.CAPTURED}) < 0.95
        and
        max by (provider) ({n.BILLED}) > 1
        """,
        "critical",
        "reconciliation",
        "The ledger lacks calls that {{ $labels.provider }} has billed.",
        "It has {{ $value | humanizePercentage }} of what was billed: budgets and limits see no more than that.",
        BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperNotificationsDead",
        f"{n.more_than(DEAD, '1h', UP)} > 0",
        "critical",
        "notification",
        "Notifications by {{ $labels.channel }} were given up.",
        "{{ $value | humanize }} in an hour. The sidecar's log of deliveries tells why.",
        BOARD,
    ),
    Alert(
        "TollkeeperNotificationsDelayed",
        f"max by (channel) ({n.NOTIFICATIONS_AGE}) > 900",
        "warning",
        "notification",
        "Notifications by {{ $labels.channel }} wait for {{ $value | humanizeDuration }}.",
        "They are sent again and again. The sidecar's log of deliveries tells why they do not go.",
        BOARD,
        hold="5m",
    ),
    Alert(
        "TollkeeperForecastsMissing",
        f"""
        {n.SIDECAR_UP} == 1
        unless on ()
        {n.FORECAST_MADE}
        """,
        "info",
        "pipeline",
        "No sidecar makes forecasts.",
        "There should be new ones each hour. Its log says why an evaluator fails.",
        BOARD,
        hold="30m",
    ),
    Alert(
        "TollkeeperTelemetryAbsent",
        f"absent({n.CALLS})",
        "warning",
        "pipeline",
        "No app shows its calls.",
        "For half an hour no scraped app has had a call to show. Is there one, and does Prometheus scrape it?",
        BOARD,
        hold="30m",
    ),
    Alert(
        "TollkeeperWatchdog",
        "vector(1)",
        "none",
        "watchdog",
        "Alerting works.",
        "It always fires. Whoever expects it tells of its absence.",
        BOARD,
    ),
)

CATEGORY = Category(
    "pipeline",
    (Group("tollkeeper-pipeline.records", RECORDS), Group("tollkeeper-pipeline.alerts", ALERTS)),
)
