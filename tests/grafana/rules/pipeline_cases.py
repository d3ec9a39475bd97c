"""Of Tollkeeper itself."""

from __future__ import annotations

from grafana.rules.promtool import Case
from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.pipeline import DEAD, UP

SIDECAR = f'{{job="{n.SIDECARS}"}}'
APP = '{job="app",instance="one"}'


def _of_processes(alert: str, metric: str, beyond: str, short: str, before: str, after: str, step: str = "1m") -> Case:
    """The worst process of an instance counts."""
    given = {
        f'{metric}{{job="app",instance="one",pid="1"}}': f"{beyond}x90",
        f'{metric}{{job="app",instance="one",pid="2"}}': "0x90",
        f'{metric}{{job="app",instance="two"}}': f"{short}x90",
    }
    return Case(alert, given, {before: [], after: [(APP, 1)]}, step=step)


def _counted(alert: str, metric: str, labels: str = "", job: str = "app", **others: str) -> Case:
    """One more in ten minutes, and nothing of it later."""
    ours = f'{metric}{{job="{job}"{labels}}}'
    return Case(alert, {ours: "0x5 1x30", **others}, {"4m": [], "8m": [(f'{{job="{job}"}}', 1)], "30m": []})


def _by_limit(alert: str, metric: str, before: str, after: str, step: str, **more: str) -> Case:
    one, other = '{limit="a",measure="usd"}', '{limit="b",measure="usd"}'
    given = {
        f'{metric}{{limit="a",measure="usd",instance="x"}}': "0.5x30",
        f'{metric}{{limit="a",measure="usd",instance="y"}}': "0x30",
        f"{metric}{other}": "0x30",
        **more,
    }
    return Case(alert, given, {before: [], after: [(one, 1)]}, step=step)


COMMITTED = {f'{n.SIDECAR_WRITES}{{outcome="committed"}}': "0+9x30"}
RETRIES = {f'{n.LIMIT_EXCESS}{{limit="c",measure="requests"}}': "3x30"}
NEW = {f'{n.SIDECAR_RECORDS}{{job="sidecar",outcome="new"}}': "0+9x40"}

CASES = (
    Case(
        UP,
        {f'up{{job="{n.SIDECARS}",instance="a"}}': "0x3", f'up{{job="{n.SIDECARS}",instance="b"}}': "1x3"},
        {"2m": [("", 1)]},
    ),
    Case(UP, {f'up{{job="{n.SIDECARS}"}}': "0x3", 'up{job="app"}': "1x3"}, {"2m": [("", 0)]}),
    Case(
        "TollkeeperOneSidecarDown",
        {
            f'up{{job="{n.SIDECARS}",instance="a"}}': "1x20",
            f'up{{job="{n.SIDECARS}",instance="b"}}': "0x9 1x11",
            'up{job="app",instance="c"}': "0x20",
        },
        {"4m": [], "6m": [(f'{{job="{n.SIDECARS}",instance="b"}}', 1)], "12m": []},
    ),
    Case(
        "TollkeeperOneSidecarDown",
        {f'up{{job="{n.SIDECARS}",instance="a"}}': "0x20", 'up{job="app",instance="c"}': "1x20"},
        {"10m": []},
    ),
    Case(
        DEAD,
        {
            f'{n.NOTIFICATIONS}{{channel="c",outcome="dead",instance="a"}}': "3x3",
            f'{n.NOTIFICATIONS}{{channel="c",outcome="dead",instance="b"}}': "2x3",
            f'{n.NOTIFICATIONS}{{channel="c",outcome="sent"}}': "9x3",
        },
        {"2m": [('{channel="c"}', 3)]},
    ),
    Case(
        "TollkeeperSidecarDown",
        {f'up{{job="{n.SIDECARS}",instance="x"}}': "1x2 0x9"},
        {"1m": [], "2m": [], "3m": [("", 1)]},
        step="30s",
    ),
    Case(
        "TollkeeperSidecarDown",
        {f'up{{job="{n.SIDECARS}",instance="x"}}': "1 1 stale", 'up{job="app"}': "1x20"},
        {"1m": [], "10m": [("", 1)]},
        step="30s",
    ),
    Case(
        "TollkeeperLedgerLag",
        {
            f'{n.LEDGER_LAG}{{instance="a"}}': "330x30",
            f'{n.LEDGER_LAG}{{instance="b"}}': "1x30",
            f'{n.LEDGER_COMMIT}{{instance="a"}}': "0x30",
            f'{n.LEDGER_COMMIT}{{instance="b"}}': "-5000x30",
        },
        {"4m": [], "6m": [("", 1)], "14m": [("", 1)], "16m": []},
    ),
    Case("TollkeeperLedgerLag", {n.LEDGER_LAG: "270x20", n.LEDGER_COMMIT: "0x20"}, {"10m": []}),
    Case("TollkeeperLedgerLag", {n.LEDGER_LAG: "330x20", n.LEDGER_COMMIT: "-9000+60x20"}, {"10m": []}),
    Case(
        "TollkeeperLedgerSilent",
        {
            f'{n.LEDGER_COMMIT}{{instance="a"}}': "0x60",
            f'{n.LEDGER_COMMIT}{{instance="b"}}': "-5000x60",
            n.CALLS: "0+30x60",
        },
        {"20m": [], "22m": [("", 1)]},
    ),
    Case("TollkeeperLedgerSilent", {n.LEDGER_COMMIT: "0x60", n.CALLS: "7x60"}, {"40m": []}),
    Case("TollkeeperLedgerSilent", {n.LEDGER_COMMIT: "3000+60x60", n.CALLS: "0+30x60"}, {"40m": []}),
    Case(
        "TollkeeperLedgerWritesFail",
        {f'{n.SIDECAR_WRITES}{{outcome="failed"}}': "0+1x30", **COMMITTED},
        {"4m": [], "8m": [("", 1)]},
    ),
    Case("TollkeeperLedgerWritesFail", COMMITTED, {"10m": []}),
    _of_processes("TollkeeperSpoolBacklog", n.SPOOL_RECORDS, "10500", "9500", "4m", "6m"),
    _counted("TollkeeperRecordsLost", n.SPOOL_DROPPED),
    _counted("TollkeeperRecordsLost", n.LOST_RECORDS, job="sidecar"),
    _counted("TollkeeperRecordsRejected", n.SPOOL_REJECTED, **NEW),
    _counted("TollkeeperRecordsRejected", n.SIDECAR_RECORDS, ',outcome="rejected"', job="sidecar", **NEW),
    _of_processes("TollkeeperCountersAway", n.COUNTERS_AWAY, "1", "0", "45s", "75s", "15s"),
    _counted("TollkeeperCountersDropped", n.COUNTERS_DROPPED),
    _by_limit("TollkeeperCountersBehindLedger", n.LIMIT_MISSING, "8m", "12m", "1m"),
    _by_limit("TollkeeperCountersAheadOfLedger", n.LIMIT_EXCESS, "50m", "70m", "5m", **RETRIES),
    _of_processes("TollkeeperLimitsUnknown", n.LIMITS_UNKNOWN, "1", "0", "4m", "6m"),
    Case(
        "TollkeeperNotificationsDead",
        {f'{DEAD}{{channel="old"}}': "0x7 1x20", f'{DEAD}{{channel="new"}}': "_x10 1x15", UP: "1x30"},
        {
            "30m": [],
            "45m": [('{channel="old"}', 1)],
            "70m": [('{channel="old"}', 1), ('{channel="new"}', 1)],
            "125m": [],
        },
        step="5m",
    ),
    # Of a Prometheus that is new, or was away: nobody knows what there was before.
    Case(
        "TollkeeperNotificationsDead",
        {f'{DEAD}{{channel="long ago"}}': "3x6 _x12 4x20", UP: "1x6 _x12 1x20"},
        {"5m": [], "25m": [], "100m": [], "140m": []},
        step="5m",
    ),
    Case(
        "TollkeeperNotificationsDead",
        {f'{DEAD}{{channel="late"}}': "_x10 3x20", UP: "0x10 1x20"},
        {"55m": [], "90m": []},
        step="5m",
    ),
    Case(
        "TollkeeperNotificationsDelayed",
        {
            f'{n.NOTIFICATIONS_AGE}{{channel="slow",instance="a"}}': "950x20",
            f'{n.NOTIFICATIONS_AGE}{{channel="slow",instance="b"}}': "0x20",
            f'{n.NOTIFICATIONS_AGE}{{channel="quick"}}': "850x20",
        },
        {"4m": [], "6m": [('{channel="slow"}', 1)]},
    ),
    Case(
        "TollkeeperReconciliationDrift",
        {
            f'{n.DRIFTING}{{provider="openai",instance="a"}}': "0.5x30",
            f'{n.DRIFTING}{{provider="openai",instance="b"}}': "0x30",
            f'{n.DRIFTING}{{provider="anthropic",instance="a"}}': "0x30",
        },
        {"8m": [], "12m": [('{provider="openai"}', 1)]},
    ),
    Case(
        "TollkeeperCaptureRateLow",
        {
            f'{n.CAPTURED}{{provider="openai",measure="tokens",instance="a"}}': "0.94x30",
            f'{n.CAPTURED}{{provider="openai",measure="tokens",instance="b"}}': "0.5x30",
            f'{n.BILLED}{{provider="openai",instance="a"}}': "1.1x30",
            f'{n.BILLED}{{provider="openai",instance="b"}}': "0x30",
            f'{n.CAPTURED}{{provider="anthropic",measure="tokens",instance="a"}}': "0.96x30",
            f'{n.CAPTURED}{{provider="anthropic",measure="tokens",instance="b"}}': "0.5x30",
            f'{n.BILLED}{{provider="anthropic",instance="a"}}': "9x30",
            f'{n.CAPTURED}{{provider="openrouter",measure="tokens"}}': "0.5x30",
            f'{n.BILLED}{{provider="openrouter"}}': "0.9x30",
        },
        {"8m": [], "12m": [('{provider="openai"}', 1)]},
    ),
    Case(
        "TollkeeperForecastsMissing",
        {f'up{{job="{n.SIDECARS}",instance="a"}}': "0x20", f'up{{job="{n.SIDECARS}",instance="b"}}': "1x20"},
        {"25m": [], "35m": [("", 1)]},
        step="5m",
    ),
    Case("TollkeeperForecastsMissing", {f'up{{job="{n.SIDECARS}"}}': "0x20"}, {"50m": []}, step="5m"),
    Case(
        "TollkeeperForecastsMissing",
        {f'up{{job="{n.SIDECARS}"}}': "1x20", f'{n.FORECAST_MADE}{{instance="a"}}': "5x20"},
        {"50m": []},
        step="5m",
    ),
    Case("TollkeeperTelemetryAbsent", {n.CALLS: "1 1 stale"}, {"25m": [], "50m": [("", 1)]}, step="5m"),
    Case("TollkeeperTelemetryAbsent", {n.CALLS: "1x20"}, {"50m": []}, step="5m"),
    Case("TollkeeperWatchdog", {}, {"1m": [("", 1)]}),
)
