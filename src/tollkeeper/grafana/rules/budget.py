"""Limits: what is used of them, how fast, and when they will be used up.

Where the sidecar tells how probable it is that a budget is exceeded, that is told of. Else, as while there is too
little history for it, the pace of the recent past is drawn on to the period's end.
"""

from __future__ import annotations

from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record

PERIODS = "(rolling )?(hour|day|week|month)"
"""Windows that are long enough to be told of. Of a second or a minute, the denials are told."""

USED = f"limit:{n.LIMIT_USED}:max"
AMOUNT = f"limit:{n.LIMIT_AMOUNT}:max"
RATIO = f"limit:{n.LIMIT_USED}:ratio"
DENIED = f"limit:{n.LIMIT_DENIED}:max5m"
ELAPSED = "limit:tollkeeper_limit_elapsed:seconds"
ELAPSED_SHARE = "limit:tollkeeper_limit_elapsed:ratio"
PERIOD = "limit:tollkeeper_limit_period:seconds"
LEFT = "limit:tollkeeper_limit_left:seconds"
PACE = f"limit:{n.LIMIT_USED}:pace"
FORECAST = "limit:tollkeeper_limit_forecast:ratio"
PROBABILITY = f"limit:{n.LIMIT_EXCEEDED}:max"

SPANS = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21600, "1d": 86400}


def rate(span: str) -> str:
    return f"limit:{n.LIMIT_USED}:rate{span}"


def burn(span: str) -> str:
    """1 is the pace that uses up the whole amount by the end of the period, and not before."""
    return f"limit:tollkeeper_limit_burn:rate{span}"


def _rate(span: str, seconds: int) -> Record:
    """What was used falls to 0 at the end of a period, and a little with each correction: `rate()` would add all of
    it anew. In a period's first moments, what is used of it is the growth."""
    return Record(
        rate(span),
        f"""
        (
            ({n.growth(f'{USED}{{window=~"{PERIODS}"}}', span)} and {ELAPSED} >= {seconds})
          or
            ({USED}{{window=~"{PERIODS}"}} and {ELAPSED} < {seconds})
        )
        / {seconds}
        """,
    )


RECORDS = (
    Record(USED, n.limits(n.LIMIT_USED)),
    Record(AMOUNT, n.limits(n.LIMIT_AMOUNT)),
    Record(RATIO, f"{USED} / ({AMOUNT} > 0)"),
    # Each worker of a sidecar knows what it has denied itself, and a scrape meets one of them.
    Record(DENIED, f"max by ({n.LIMIT_LABELS}) (max_over_time({n.LIMIT_DENIED}[5m]))"),
    Record(ELAPSED, f"time() - {n.limits(n.LIMIT_START)}"),
    Record(LEFT, f"{n.limits(n.LIMIT_END)} - time()"),
    Record(PERIOD, f"{n.limits(n.LIMIT_END)} - {n.limits(n.LIMIT_START)}"),
    Record(ELAPSED_SHARE, f"{ELAPSED} / {PERIOD}"),
    *(_rate(span, seconds) for span, seconds in SPANS.items()),
    *(Record(burn(span), f"{rate(span)} * {PERIOD} / ({AMOUNT} > 0)") for span in ("5m", "30m", "1h", "6h")),
    # Of a day, the last six hours tell; of longer periods, the last day. Before that, the mean since the beginning.
    Record(
        PACE,
        f"""
            ({rate("6h")}{{window="day"}} and {ELAPSED} >= 21600)
          or
            ({rate("1d")}{{window=~"week|month"}} and {ELAPSED} >= 86400)
          or
            {USED}{{window=~"day|week|month"}} / clamp_min({ELAPSED}, 3600)
        """,
    ),
    Record(FORECAST, f"({USED} + {PACE} * {LEFT}) / ({AMOUNT} > 0)"),
    Record(PROBABILITY, n.limits(n.LIMIT_EXCEEDED)),
)

WHO = "{{ $labels.limit }}{{ with $labels.scope }} ({{ . }}){{ end }}"
DASHBOARD = "tollkeeper-budgets?var-tenant={{ $labels.tenant }}"
"""Of a limit that is no tenant's, the variable is empty, which Grafana reads as all."""

DENYING = (
    '{{ if and (eq $labels.threshold "100") (lt $value 1.0) }}, and the rest is too little for calls, '
    "which are denied{{ end }}"
)

ALERTS = (
    # What is left may be too little for any call: usage then stays below the amount, and the limit is used up.
    # Its user says at which percentages, and how severe each is: the threshold is a series, not a rule.
    Alert(
        "TollkeeperBudgetUsed",
        f"""
        {RATIO}{{measure="usd", window=~"{PERIODS}"}}
        >= on ({n.LIMIT_LABELS}) group_right ()
        max by ({n.LIMIT_LABELS}, threshold, severity) ({n.lately(n.LIMIT_THRESHOLD, 'measure="usd"')})
        or
        ({RATIO}{{measure="usd", window=~"{PERIODS}"}} and {DENIED} > 0)
        < on ({n.LIMIT_LABELS}) group_right ()
        max by ({n.LIMIT_LABELS}, threshold, severity) ({n.lately(n.LIMIT_THRESHOLD, 'measure="usd", threshold="100"')})
        """,
        None,
        "budget",
        f"Budget {WHO} is {{{{ $value | humanizePercentage }}}} spent{DENYING}.",
        f"{{{{ $value | humanizePercentage }}}} of budget {WHO} is spent in this {{{{ $labels.window }}}}"
        f"{DENYING}: its threshold of {{{{ $labels.threshold }}}} % is reached.",
        DASHBOARD,
    ),
    Alert(
        "TollkeeperBudgetBurnRateHigh",
        f"""
        {burn("1h")}{{measure="usd"}} > 14.4
        and
        {burn("5m")}{{measure="usd"}} > 14.4
        """,
        "critical",
        "budget",
        f"Budget {WHO} is spent {{{{ $value | humanize }}}} times too fast.",
        "At this pace it lasts for a fourteenth of the {{ $labels.window }}, or less. A loop, or a stolen key?",
        DASHBOARD,
        hold="2m",
        labels={"burn_window": "1h"},
    ),
    Alert(
        "TollkeeperBudgetBurnRateHigh",
        f"""
        {burn("6h")}{{measure="usd"}} > 6
        and
        {burn("30m")}{{measure="usd"}} > 6
        """,
        "warning",
        "budget",
        f"Budget {WHO} is spent {{{{ $value | humanize }}}} times too fast.",
        "At the pace of the last six hours it lasts for a sixth of the {{ $labels.window }}, or less.",
        DASHBOARD,
        hold="15m",
        labels={"burn_window": "6h"},
    ),
    Alert(
        "TollkeeperBudgetForecastExhausted",
        f"""
        {FORECAST}{{measure="usd"}} > 1
        and
        {RATIO}{{measure="usd"}} < 1
        and
        {ELAPSED_SHARE} >= 0.1
        unless
        {PROBABILITY}
        """,
        "warning",
        "forecast",
        f"Budget {WHO} will be {{{{ $value | humanizePercentage }}}} spent by the end of the {{{{ $labels.window }}}}.",
        "Drawn on from its recent pace, spending passes the budget before the period ends.",
        DASHBOARD,
        hold="30m",
    ),
    Alert(
        "TollkeeperBudgetWillNotLast",
        f"""
        {PROBABILITY}{{measure="usd"}} >= 0.8
        and
        {RATIO}{{measure="usd"}} < 1
        """,
        "warning",
        "forecast",
        f"Budget {WHO} will not last for the {{{{ $labels.window }}}}: {{{{ $value | humanizePercentage }}}} probable.",
        "So probable it is, by the sidecar's forecast, that more is spent than the budget before its period ends.",
        DASHBOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperBudgetExhaustedSoon",
        f"""
        ({AMOUNT} - {USED}) / ({rate("6h")}{{measure="usd", window=~"week|month"}} > 0) < 86400
        and
        {RATIO} < 1
        and
        {LEFT} > 86400
        """,
        "critical",
        "forecast",
        f"Budget {WHO} is spent in {{{{ $value | humanizeDuration }}}}.",
        "At the pace of the last six hours it is gone within a day, and its period does not end by then.",
        DASHBOARD,
        hold="15m",
    ),
    Alert(
        "TollkeeperScopeExhausted",
        f"""
        max by ({n.WHOLE_LIMIT_LABELS}) ({n.lately(n.LIMIT_FULLEST, f'window=~"{PERIODS}"')}) >= 1
        unless on (limit)
        {AMOUNT}
        """,
        "warning",
        "quota",
        "Somebody has used up limit {{ $labels.limit }}.",
        "The fullest user or session has used {{ $value | humanizePercentage }}. `tollkeeper limits` tells who it is.",
        "tollkeeper-budgets",
    ),
)

CATEGORY = Category(
    "budget",
    (Group("tollkeeper-budget.records", RECORDS), Group("tollkeeper-budget.alerts", ALERTS)),
)
