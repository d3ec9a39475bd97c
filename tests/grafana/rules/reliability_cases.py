"""Of errors and latency."""

from __future__ import annotations

from grafana.rules.promtool import Case
from grafana.rules.usage_cases import model
from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.reliability import (
    CALLS,
    FIRST_CHUNK,
    LATENCY,
    MODEL_CALLS,
    THROTTLED_SHARE,
    errors,
)


def of(provider: str) -> str:
    return f'{{{n.PROVIDER}="{provider}"}}'


def calls(provider: str, error: str = "") -> str:
    return f'{n.CALLS}{{{n.PROVIDER}="{provider}",{n.MODEL}="m",{n.ERROR}="{error}"}}'


def _errors(span: str, step: str, at: str) -> Case:
    """Six calls a step, of which two are given up and one fails."""
    given = {
        calls("p"): "0+3x12",
        calls("p", "CancelledError"): "0+2x12",
        calls("p", "overloaded_error"): "0+1x12",
        calls("good"): "0+6x12",
        calls("idle"): "9x12",
    }
    return Case(errors(span), given, {at: [(of("p"), 1 / 6), (of("good"), 0)]}, step=step)


def _quantile(name: str, histogram: str, expected: float) -> Case:
    given = {
        f"{histogram}_bucket{model('m', le=le)}": f"0+{count}x10"
        for le, count in (("1", 90), ("2", 100), ("+Inf", 100))
    }
    return Case(name, given, {"8m": [(model("m"), expected)]})


RECORD_CASES = (
    Case(CALLS, {calls("p"): "0+6x20", calls("p", "429"): "0+3x20"}, {"10m": [(of("p"), 0.15)]}),
    _errors("5m", "1m", "10m"),
    _errors("30m", "5m", "50m"),
    _errors("1h", "10m", "100m"),
    _errors("6h", "1h", "10h"),
    Case(
        THROTTLED_SHARE,
        {
            f"{n.CALLS}{model('m', **{n.ERROR: 'rate_limit_error'})}": "0+6x20",
            f"{n.CALLS}{model('m', **{n.ERROR: 'requests'})}": "0+6x20",
            f"{n.CALLS}{model('m', **{n.ERROR: 'server_error'})}": "0+6x20",
            f"{MODEL_CALLS}{model('m')}": "0.4x20",
            f"{MODEL_CALLS}{model('good')}": "0.4x20",
            f"{MODEL_CALLS}{model('idle')}": "0x20",
        },
        {"10m": [(model("m"), 0.5), (model("good"), 0)]},
    ),
    _quantile(LATENCY.replace("p95", "p50"), n.DURATION, 50 / 90),
    _quantile(LATENCY, n.DURATION, 1.5),
    _quantile(FIRST_CHUNK, n.FIRST_CHUNK, 1.5),
)


def _burning(spans: tuple[str, str], limit: float, label: str, step: str, times: tuple[str, str]) -> Case:
    """Both spans must burn, and there must be enough calls to tell."""
    long, short = spans
    given = {}
    for who, (one, other) in {"both": (1.05, 1.05), "old": (3, 0.95), "short": (0.95, 3)}.items():
        given[f"{errors(long)}{of(who)}"] = f"{one * limit:g}x40"
        given[f"{errors(short)}{of(who)}"] = f"{other * limit:g}x40"
        given[f"{CALLS}{of(who)}"] = "1x40"
    seconds = 300 if short == "5m" else 1800
    for who, traffic in {"busy": 5.5, "few": 4.5}.items():
        given |= {f"{errors(span)}{of(who)}": f"{2 * limit:g}x40" for span in spans}
        given[f"{CALLS}{of(who)}"] = f"{traffic / seconds:.6f}x40"
    before, after = times
    expected = {before: [], after: [(of("both"), 1), (of("busy"), 1)]}
    return Case("TollkeeperErrorBudgetBurn", given, expected, {"burn_window": label}, step)


def _with_traffic(alert: str, figure: str, limit: float, before: str, after: str) -> Case:
    """Just over the limit, just under it, and over it with too few calls to tell."""
    given = {}
    for who, (value, traffic) in {"over": (1.05, 5.5), "under": (0.95, 50), "few": (3, 4.5)}.items():
        given[f"{figure}{model(who)}"] = f"{value * limit:g}x20"
        given[f"{MODEL_CALLS}{model(who)}"] = f"{traffic / 300:.6f}x20"
    return Case(alert, given, {before: [], after: [(model("over"), 1)]})


ALERT_CASES = (
    _burning(("1h", "5m"), 0.144, "1h", "30s", ("90s", "150s")),
    _burning(("6h", "30m"), 0.06, "6h", "1m", ("14m", "16m")),
    Case(
        "TollkeeperProviderDown",
        {
            f"{errors('5m')}{of('down')}": "0.55x20", f"{CALLS}{of('down')}": f"{5.5 / 300:.6f}x20",
            f"{errors('5m')}{of('up')}": "0.45x20", f"{CALLS}{of('up')}": "1x20",
            f"{errors('5m')}{of('idle')}": "1x20", f"{CALLS}{of('idle')}": f"{4.5 / 300:.6f}x20",
        },
        {"90s": [], "150s": [(of("down"), 1)]},
        step="30s",
    ),
    _with_traffic("TollkeeperLatencyHigh", LATENCY, 30, "8m", "12m"),
    _with_traffic("TollkeeperTimeToFirstTokenHigh", FIRST_CHUNK, 5, "8m", "12m"),
    _with_traffic("TollkeeperRateLimited", THROTTLED_SHARE, 0.05, "4m", "6m"),
)  # fmt: skip

CASES = (*RECORD_CASES, *ALERT_CASES)
