"""Whether everything that is said of calls arrives, and in time."""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.panels import Query, chart, figure
from tollkeeper.grafana.series import WINDOW, label, name, none_while, once
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.metrics import STEP_LABEL, Metric

LATE = ((30, "yellow"), (120, "red"))
STEP = label(STEP_LABEL)
NO_FAULT = f'label_replace(vector(0), "{STEP}", "none", "", "")'
NEEDS_SIDECAR = "needs the sidecar"


def rate(metric: str) -> str:
    return f"rate({metric}{{}}[{WINDOW}])"


def state(metric: Metric) -> str:
    return f"sum({name(metric)}{{}})"


def counted(metric: Metric) -> str:
    return f"sum({rate(name(metric))})"


NOW = Section(
    "Now",
    (
        figure(
            "Sidecars", "How many answer Prometheus.", f"count({sidecar.BUILD_INFO}) or vector(0)", "short",
            decimals=0, width=3,
        ),
        figure(
            "Behind", "From the end of the newest call to when it was in the ledger.",
            f"max({sidecar.LEDGER_LAG})", "s", decimals=1, steps=LATE, nothing=NEEDS_SIDECAR, width=3,
        ),
        figure(
            "Newest call", "How long ago the newest call was recorded.",
            f"time() - max({sidecar.LEDGER_LAST_COMMIT})", "s", decimals=0, nothing=NEEDS_SIDECAR, width=3,
        ),
        figure(
            "In spools", "Finished calls that wait in the apps' spools.", state(metrics.SPOOL_RECORDS), "short",
            decimals=0, steps=((1000, "yellow"), (10000, "red")), nothing="no spools", width=3,
        ),
        figure(
            "Lost", "Finished calls that the apps' spools had to drop or that were refused for good, since they run.",
            f"{state(metrics.SPOOL_DROPPED)} + {state(metrics.SPOOL_REJECTED)}", "short", decimals=0,
            steps=((1, "red"),), nothing="no spools", width=3,
        ),
        figure(
            "Counters away", "Apps that cannot reach the counters of their limits.", state(metrics.COUNTERS_AWAY),
            "short", decimals=0, steps=((1, "red"),), nothing="no counters", width=3,
        ),
        figure(
            "Price list", "How old the installed price list is, which your own prices go before.",
            f"time() - max({sidecar.PRICES_INSTALLED})", "dtdurations", decimals=0, nothing=NEEDS_SIDECAR, width=3,
        ),
        figure(
            "Faults", "Faults of the instrumentation itself, since the apps run. Calls are not hurt by them.",
            none_while(state(metrics.FAULTS), state(metrics.CALLS)), "short", decimals=0,
            steps=((1, "orange"),), nothing="needs the apps", width=3,
        ),
    ),
)  # fmt: skip

LEDGER = Section(
    "Into the ledger",
    (
        chart(
            "Records by outcome", "Records a second that came in: new ones, repeated ones, refused ones.",
            [Query(f"sum by (outcome) ({rate(sidecar.RECORDS)})", "{{outcome}}")], "cps", stacked=True, decimals=2,
            nothing=NEEDS_SIDECAR, width=8,
        ),
        chart(
            "Time of a write", "How long a transaction of the ledger takes, on average.",
            [Query(f"sum({rate(sidecar.WRITE_SECONDS)}) / (sum({rate(sidecar.WRITES)}) > 0)", "mean")], "s",
            nothing=NEEDS_SIDECAR, width=8,
        ),
        chart(
            "Waiting", "Records that wait to be written in the sidecars, and in the apps' spools.",
            [
                Query(f"sum({sidecar.WAITING_RECORDS})", "sidecars"),
                Query(state(metrics.SPOOL_RECORDS), "spools"),
            ],
            "short", decimals=0, width=8,
        ),
        chart(
            "Requests", "OTLP requests a second: taken by transport, and refused by status.",
            [
                Query(f"sum by (transport) ({rate(sidecar.REQUESTS)})", "taken: {{transport}}"),
                Query(f"sum by (status) ({rate(sidecar.REFUSED_REQUESTS)})", "refused: {{status}}"),
            ],
            "reqps", decimals=2, nothing=NEEDS_SIDECAR, width=8,
        ),
        chart(
            "Failed writes, orphans, lost records",
            "By the second: transactions that failed and are tried again, calls begun and never reported, and "
            "records that spools lost.",
            [
                Query(f'sum(rate({sidecar.WRITES}{{outcome="failed"}}[{WINDOW}]))', "failed writes"),
                Query(f"sum({rate(sidecar.ORPHANS)})", "orphans"),
                Query(f"max({rate(sidecar.LOST_RECORDS)})", "lost records"),
            ],
            "cps", decimals=3, nothing=NEEDS_SIDECAR, width=8, at_least_to=0.1,
        ),
        chart(
            "Spools on disk", "What waiting calls take, by app.",
            [Query(f"max by (instance) ({name(metrics.SPOOL_BYTES)})", "{{instance}}")], "bytes",
            nothing="no spools", width=8,
        ),
        chart(
            "Captured", "What the ledger has of what a provider has billed, of settled days.",
            [Query(f"max by (provider) ({once(sidecar.RECONCILIATION_CAPTURE)})", "{{provider}}")], "percentunit",
            decimals=1, nothing="no invoices", width=24,
        ),
    ),
)  # fmt: skip

LIMITS = Section(
    "Limits and messages",
    (
        chart(
            "Counters and ledger disagree",
            "What the ledger has of a limit and the counters have not, and the other way round. Dollars where the "
            "limit is of dollars.",
            [
                Query(f"max by (limit) ({once(sidecar.LIMIT_MISSING)})", "missing: {{limit}}"),
                Query(f"max by (limit) ({once(sidecar.LIMIT_EXCESS)})", "too much: {{limit}}"),
                Query(f"max by (limit) ({once(sidecar.LIMIT_ASSUMED)})", "assumed: {{limit}}"),
            ],
            "short", decimals=2, nothing="no limits", width=8,
        ),
        chart(
            "Counters that could not be asked",
            "By the second: calls let go or denied unasked, and usage that was never booked. And calls that wait "
            "to be booked.",
            [
                Query(counted(metrics.COUNTERS_UNANSWERED), "unasked"),
                Query(counted(metrics.COUNTERS_DROPPED), "never booked"),
                Query(state(metrics.COUNTERS_KEPT), "waiting"),
                Query(state(metrics.LIMITS_UNKNOWN), "apps without limits"),
            ],
            "short", decimals=2, nothing="no counters", width=8,
        ),
        chart(
            "Faults by step", "Faults of the instrumentation itself, a second, by the step that failed.",
            [Query(f"sum by ({STEP}) ({rate(name(metrics.FAULTS))}) or on () {NO_FAULT}", "{{" + STEP + "}}")],
            "cps", decimals=3, width=8, at_least_to=0.1,
        ),
        chart(
            "Messages", "Notifications a second by outcome; `dead` will not be tried again.",
            [Query(f"sum by (channel, outcome) ({once(rate(sidecar.NOTIFICATIONS))})", "{{channel}}: {{outcome}}")],
            "cps", decimals=3, nothing="no channels",
        ),
        chart(
            "Messages that wait", "By channel: how long the oldest has waited.",
            [Query(f"max by (channel) ({once(sidecar.NOTIFICATIONS_OLDEST)})", "{{channel}}")], "s",
            nothing="none wait", decimals=0,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "pipeline",
    "Pipeline health",
    "Whether everything that is said of calls arrives, and in time.",
    (NOW, LEDGER, LIMITS),
)
