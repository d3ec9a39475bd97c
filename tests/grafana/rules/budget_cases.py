"""Of the limits."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.rules.promtool import Case
from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.budget import (
    AMOUNT,
    DENIED,
    ELAPSED,
    ELAPSED_SHARE,
    FORECAST,
    LEFT,
    PACE,
    PERIOD,
    PROBABILITY,
    RATIO,
    SPANS,
    USED,
    burn,
    rate,
)


def of(limit: str, measure: str = "usd", window: str = "month", mode: str = "hard", **more: str) -> str:
    """The labels of a limit."""
    labels = {
        "limit": limit, "measure": measure, "window": window, "mode": mode,
        "scope": "tenant=acme", "tenant": "acme", **more,
    }  # fmt: skip
    return "{" + ",".join(f'{name}="{text}"' for name, text in labels.items()) + "}"


def told_by(instance: str) -> str:
    return of("spend", instance=instance)


def _larger_of_two(name: str, metric: str) -> Case:
    """Two sidecars tell the same; one is behind."""
    given = {f"{metric}{told_by('a')}": "5x3", f"{metric}{told_by('b')}": "7x3"}
    return Case(name, given, {"2m": [(of("spend"), 7)]})


def _divided_by_amount(name: str, *factors: str) -> Case:
    """An amount of 0 has no ratio, and a small one has."""
    given = {}
    for limit, amount in (("spend", "20"), ("none", "0"), ("small", "0.5")):
        given |= {f"{factor}{of(limit)}": "2x3" for factor in factors} | {f"{AMOUNT}{of(limit)}": f"{amount}x3"}
    top = 2 ** len(factors)
    return Case(name, given, {"2m": [(of("spend"), top / 20), (of("small"), top / 0.5)]})


def _rates() -> Iterator[Case]:
    """A tenth of the span each step. In a young period, what is used of it is all that was spent."""
    for span, seconds in SPANS.items():
        step = f"{seconds // 10}s"
        used = {"old": ("10+1x20", 1e6, 10), "fell": ("20x10 3x10", 1e6, 0), "older": ("5+0.5x20", seconds * 1.1, 5),
                "even": ("5+0.5x20", seconds, 5), "young": ("5+0.5x20", seconds * 0.9, 12.5)}  # fmt: skip
        given, grown = {}, []
        for limit, (values, elapsed, growth) in used.items():
            given |= {f"{USED}{of(limit)}": values, f"{ELAPSED}{of(limit)}": f"{elapsed:.0f}x20"}
            grown.append((of(limit), growth / seconds))
        for elapsed in (1e6, 0):
            short = of(f"short-{elapsed:.0f}", window="minute")
            given |= {f"{USED}{short}": "1+1x20", f"{ELAPSED}{short}": f"{elapsed:.0f}x20"}
        yield Case(rate(span), given, {f"{seconds * 3 // 2}s": grown, "0s": [(of("young"), 5 / seconds)]}, step=step)


def _pace() -> Case:
    """By window, and by how much of the period has gone."""
    given, expected = {}, []
    for window, elapsed, pace in (
        ("day", 24000, 2), ("day", 21600, 2), ("day", 20000, 36e3 / 20000), ("day", 3300, 10), ("day", 4000, 9),
        ("week", 100000, 4), ("month", 86400, 4), ("month", 80000, 36e3 / 80000),
        ("hour", 30000, None), ("minute", 30000, None),
    ):  # fmt: skip
        labels = of(f"{window}-{elapsed}", window=window)
        for name, value in ((rate("6h"), 2), (rate("1d"), 4), (USED, 36000), (ELAPSED, elapsed)):
            given[f"{name}{labels}"] = f"{value}x3"
        if pace is not None:
            expected.append((labels, pace))
    return Case(PACE, given, {"2m": expected})


RECORD_CASES = (
    _larger_of_two(PROBABILITY, n.LIMIT_EXCEEDED),
    _larger_of_two(USED, n.LIMIT_USED),
    _larger_of_two(AMOUNT, n.LIMIT_AMOUNT),
    _larger_of_two(DENIED, n.LIMIT_DENIED),
    Case(
        DENIED,
        {f"{n.LIMIT_DENIED}{told_by('a')}": "0 3 0 2 0x9"},
        {"4m": [(of("spend"), 3)], "8m": [(of("spend"), 2)], "12m": [(of("spend"), 0)]},
    ),
    _divided_by_amount(RATIO, USED),
    *(_divided_by_amount(burn(span), rate(span), PERIOD) for span in ("5m", "30m", "1h", "6h")),
    Case(
        ELAPSED,
        {f"{n.LIMIT_START}{told_by('a')}": "-100x3", f"{n.LIMIT_START}{told_by('b')}": "-200x3"},
        {"2m": [(of("spend"), 220)]},
    ),
    Case(
        LEFT,
        {f"{n.LIMIT_END}{told_by('a')}": "900x3", f"{n.LIMIT_END}{told_by('b')}": "1000x3"},
        {"2m": [(of("spend"), 880)]},
    ),
    Case(
        PERIOD,
        {f"{n.LIMIT_START}{told_by('a')}": "-100x3", f"{n.LIMIT_START}{told_by('b')}": "-200x3",
         f"{n.LIMIT_END}{told_by('a')}": "900x3", f"{n.LIMIT_END}{told_by('b')}": "1000x3"},
        {"2m": [(of("spend"), 1100)]},
    ),
    Case(
        ELAPSED_SHARE,
        {f"{ELAPSED}{of('spend')}": "50x3", f"{PERIOD}{of('spend')}": "200x3"},
        {"2m": [(of("spend"), 0.25)]},
    ),
    *_rates(),
    _pace(),
    Case(
        FORECAST,
        {f"{USED}{of('spend')}": "10x3", f"{PACE}{of('spend')}": "0.5x3", f"{LEFT}{of('spend')}": "100x3",
         f"{AMOUNT}{of('spend')}": "50x3", f"{USED}{of('small')}": "1x3", f"{PACE}{of('small')}": "0x3",
         f"{LEFT}{of('small')}": "100x3", f"{AMOUNT}{of('small')}": "0.5x3"},
        {"2m": [(of("spend"), 1.2), (of("small"), 2)]},
    ),
)  # fmt: skip


def threshold(limit: str, percent: int, severity: str, **more: str) -> str:
    return n.LIMIT_THRESHOLD + of(limit, threshold=str(percent), severity=severity, **more)


def _burning(name: str, spans: tuple[str, str], limit: float, label: str, step: str, times: tuple[str, str]) -> Case:
    """Both spans must burn; one alone is an old fire or a short one."""
    long, short = spans
    given = {}
    for who, (one, other) in {"both": (1.05, 1.05), "old": (1.5, 0.95), "short": (0.95, 1.5)}.items():
        given[f"{burn(long)}{of(who)}"] = f"{one * limit:g}x40"
        given[f"{burn(short)}{of(who)}"] = f"{other * limit:g}x40"
    for span in spans:
        given[f"{burn(span)}{of('tokens', 'tokens')}"] = f"{2 * limit:g}x40"
    before, after = times
    return Case(name, given, {before: [], after: [(of("both"), 1)]}, {"burn_window": label}, step)


def _soon() -> Case:
    given, good = {}, {AMOUNT: 100, USED: 20, rate("6h"): 80 / 80000, RATIO: 0.9, LEFT: 90000}
    for limit, changed in {
        "soon": {}, "later": {rate("6h"): 80 / 95000}, "ends": {LEFT: 80000}, "over": {RATIO: 1.1},
        "idle": {rate("6h"): 0},
    }.items():  # fmt: skip
        given |= {f"{name}{of(limit)}": f"{value:.8f}x10" for name, value in {**good, **changed}.items()}
    for other in (of("day", window="day"), of("tokens", "tokens")):
        given |= {f"{name}{other}": f"{value:.8f}x10" for name, value in good.items()}
    times = {"10m": [], "20m": [(of("soon"), 1)]}
    return Case("TollkeeperBudgetExhaustedSoon", given, times, step="5m")


def _fullest(limit: str, **more: str) -> str:
    labels = {"limit": limit, "measure": "usd", "window": "day", "mode": "hard", **more}
    return "{" + ",".join(f'{name}="{text}"' for name, text in labels.items()) + "}"


def _denying() -> Case:
    """Of what has denied calls, the step of 100 % is reached, and only that; once only when it is used up indeed."""
    given = {
        f"{RATIO}{of('denies')}": "0.7x6 1.05x3",
        f"{RATIO}{of('lets go')}": "0.7x9",
        f"{RATIO}{of('tokens', 'tokens')}": "0.7x9",
        f"{RATIO}{of('minute', window='minute')}": "0.7x9",
        f"{DENIED}{of('denies')}": "0x2 1x7",
        f"{DENIED}{of('lets go')}": "0x9",
        f"{DENIED}{of('tokens', 'tokens')}": "1x9",
        f"{DENIED}{of('minute', window='minute')}": "1x9",
    }
    for percent, severity in ((80, "warning"), (100, "critical")):
        ratio = f"{percent / 100:g}x9"
        given |= {threshold(name, percent, severity): ratio for name in ("denies", "lets go")}
        given[threshold("tokens", percent, severity, measure="tokens")] = ratio
        given[threshold("minute", percent, severity, window="minute")] = ratio
    given[threshold("denies", 100, "critical", instance="b")] = "0.6x9"
    steps = [(of("denies", threshold=at, severity=how), 1) for at, how in (("100", "critical"), ("80", "warning"))]
    return Case("TollkeeperBudgetUsed", given, {"2m": [], "4m": steps[:1], "8m": steps})


ALERT_CASES = (
    Case(
        "TollkeeperBudgetUsed",
        {
            f"{RATIO}{of('spend')}": "0.79 0.8 0.96 0.1",
            threshold("spend", 80, "warning", instance="a"): "0.8x3",
            threshold("spend", 80, "warning", instance="b"): "0.7x3",
            threshold("spend", 95, "critical"): "0.95x3",
            f"{RATIO}{of('tokens', 'tokens')}": "2x3",
            threshold("tokens", 80, "warning", measure="tokens"): "0.8x3",
            f"{RATIO}{of('minute', window='minute')}": "2x3",
            threshold("minute", 80, "warning", window="minute"): "0.8x3",
            threshold("minute", 100, "critical", window="minute"): "1x3",
        },
        {
            "0m": [],
            "1m": [(of("spend", threshold="80", severity="warning"), 1)],
            "2m": [
                (of("spend", threshold="80", severity="warning"), 1),
                (of("spend", threshold="95", severity="critical"), 1),
            ],
            "3m": [],
        },
    ),
    _denying(),
    _burning("TollkeeperBudgetBurnRateHigh", ("1h", "5m"), 14.4, "1h", "30s", ("90s", "150s")),
    _burning("TollkeeperBudgetBurnRateHigh", ("6h", "30m"), 6, "6h", "1m", ("14m", "16m")),
    Case(
        "TollkeeperBudgetForecastExhausted",
        {
            f"{FORECAST}{of('over')}": "1.1x10", f"{RATIO}{of('over')}": "0.9x10",
            f"{FORECAST}{of('under')}": "0.9x10", f"{RATIO}{of('under')}": "0.5x10",
            f"{FORECAST}{of('spent')}": "2x10", f"{RATIO}{of('spent')}": "1.1x10",
            f"{FORECAST}{of('tokens', 'tokens')}": "2x10", f"{RATIO}{of('tokens', 'tokens')}": "0.5x10",
            f"{FORECAST}{of('young')}": "2x10", f"{RATIO}{of('young')}": "0.5x10",
            f"{FORECAST}{of('known')}": "2x10", f"{RATIO}{of('known')}": "0.5x10",
            f"{PROBABILITY}{of('known')}": "0.1x10",
            **{f"{ELAPSED_SHARE}{of(old)}": "0.1x10" for old in ("over", "under", "spent", "known")},
            f"{ELAPSED_SHARE}{of('tokens', 'tokens')}": "0.5x10", f"{ELAPSED_SHARE}{of('young')}": "0.09x10",
        },
        {"25m": [], "40m": [(of("over"), 1)]},
        step="5m",
    ),
    Case(
        "TollkeeperBudgetWillNotLast",
        {
            f"{PROBABILITY}{of('surely')}": "0.8x15", f"{RATIO}{of('surely')}": "0.9x15",
            f"{PROBABILITY}{of('maybe')}": "0.79x15", f"{RATIO}{of('maybe')}": "0.9x15",
            f"{PROBABILITY}{of('spent')}": "1x15", f"{RATIO}{of('spent')}": "1x15",
            f"{PROBABILITY}{of('tokens', 'tokens')}": "1x15", f"{RATIO}{of('tokens', 'tokens')}": "0.5x15",
        },
        {"9m": [], "11m": [(of("surely"), 0.8)]},
    ),
    _soon(),
    Case(
        "TollkeeperScopeExhausted",
        {
            f"{n.LIMIT_FULLEST}{_fullest('agents', instance='a')}": "1x3",
            f"{n.LIMIT_FULLEST}{_fullest('agents', instance='b')}": "0.5x3",
            f"{n.LIMIT_FULLEST}{_fullest('over')}": "1.1x3",
            f"{n.LIMIT_FULLEST}{_fullest('under')}": "0.95x3",
            f"{n.LIMIT_FULLEST}{_fullest('minute', window='minute')}": "2x3",
            f"{n.LIMIT_FULLEST}{_fullest('shown')}": "2x3",
            f"{AMOUNT}{of('shown')}": "5x3",
        },
        {"2m": [(_fullest("agents"), 1), (_fullest("over"), 1)]},
    ),
    Case(
        "TollkeeperScopeExhausted",
        {f"{n.LIMIT_FULLEST}{_fullest('agents')}": "0.9x3"},
        {"2m": []},
    ),
)  # fmt: skip

CASES = (*RECORD_CASES, *ALERT_CASES)
