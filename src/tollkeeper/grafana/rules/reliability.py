"""How providers answer: errors, latency, throttling. By what the apps themselves show."""

from __future__ import annotations

from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record
from tollkeeper.grafana.rules.usage import MODEL_NAME, MODEL_VARIABLES, MODELS

NOT_FAILED = "|CancelledError"
"""Answered, or given up by the app. A request that was wrong has failed: some providers say so of a wrong key, too."""
THROTTLED = (
    "429|requests|tokens|insufficient_quota|rate_limit.*|.*RateLimit.*|RESOURCE_EXHAUSTED"
    "|Throttling.*|TooManyRequests.*"
)
"""What providers and SDKs call status 429."""
OBJECTIVE_ERRORS = "0.01"
"""Of a hundred calls, one may fail."""

CALLS = "provider:tollkeeper_calls:rate5m"
LATENCY = f"provider_model:{n.DURATION}:p95_5m"
FIRST_CHUNK = f"provider_model:{n.FIRST_CHUNK}:p95_5m"
MODEL_CALLS = "provider_model:tollkeeper_calls:rate5m"
THROTTLED_SHARE = "provider_model:tollkeeper_throttled_per_call:ratio_rate5m"


def errors(span: str) -> str:
    return f"provider:tollkeeper_errors_per_call:ratio_rate{span}"


def _errors(span: str) -> Record:
    """While nothing has failed there is no series to count in, and none is 0."""
    failed = f'sum by ({n.PROVIDER}) (rate({n.CALLS}{{{n.ERROR}!~"{NOT_FAILED}"}}[{span}]))'
    calls = f"sum by ({n.PROVIDER}) (rate({n.CALLS}[{span}]))"
    return Record(
        errors(span),
        f"""
        (
            {failed}
          or
            {calls} * 0
        )
        / ({calls} > 0)
        """,
    )


def _quantile(quantile: str, histogram: str) -> str:
    return f"histogram_quantile({quantile}, sum by ({MODELS}, le) (rate({histogram}_bucket[5m])))"


RECORDS = (
    Record(CALLS, f"sum by ({n.PROVIDER}) (rate({n.CALLS}[5m]))"),
    *(_errors(span) for span in ("5m", "30m", "1h", "6h")),
    Record(
        THROTTLED_SHARE,
        f"""
        (
            sum by ({MODELS}) (rate({n.CALLS}{{{n.ERROR}=~"{THROTTLED}"}}[5m]))
          or
            {MODEL_CALLS} * 0
        )
        / ({MODEL_CALLS} > 0)
        """,
    ),
    Record(LATENCY.replace("p95", "p50"), _quantile("0.5", n.DURATION)),
    Record(LATENCY, _quantile("0.95", n.DURATION)),
    Record(FIRST_CHUNK, _quantile("0.95", n.FIRST_CHUNK)),
)

PROVIDER_NAME = f"{{{{ $labels.{n.PROVIDER} }}}}"
BOARD = f"tollkeeper-performance?var-provider={{{{ $labels.{n.PROVIDER} }}}}"
MODEL_BOARD = f"tollkeeper-performance?{MODEL_VARIABLES}"
BURNS = f"{PROVIDER_NAME} fails more often than one call in a hundred."

ALERTS = (
    Alert(
        "TollkeeperErrorBudgetBurn",
        f"""
        {errors("1h")} > 14.4 * {OBJECTIVE_ERRORS}
        and
        {errors("5m")} > 14.4 * {OBJECTIVE_ERRORS}
        and
        {CALLS} * 300 > 5
        """,
        "critical",
        "reliability",
        BURNS,
        "{{ $value | humanizePercentage }} of the calls of an hour have failed: a month's errors in two days.",
        BOARD,
        hold="2m",
        labels={"burn_window": "1h"},
    ),
    Alert(
        "TollkeeperErrorBudgetBurn",
        f"""
        {errors("6h")} > 6 * {OBJECTIVE_ERRORS}
        and
        {errors("30m")} > 6 * {OBJECTIVE_ERRORS}
        and
        avg_over_time({CALLS}[30m]) * 1800 > 5
        """,
        "warning",
        "reliability",
        BURNS,
        "{{ $value | humanizePercentage }} of the calls of six hours have failed: a month's errors in five days.",
        BOARD,
        hold="15m",
        labels={"burn_window": "6h"},
    ),
    Alert(
        "TollkeeperProviderDown",
        f"""
        {errors("5m")} > 0.5
        and
        {CALLS} * 300 > 5
        """,
        "critical",
        "reliability",
        f"Most calls to {PROVIDER_NAME} fail.",
        f"{{{{ $value | humanizePercentage }}}} of the calls to {PROVIDER_NAME} have failed in five minutes.",
        BOARD,
        hold="2m",
    ),
    Alert(
        "TollkeeperLatencyHigh",
        f"""
        {LATENCY} > 30
        and
        {MODEL_CALLS} * 300 > 5
        """,
        "warning",
        "reliability",
        f"{MODEL_NAME} is slow.",
        "One call in twenty takes longer than {{ $value | humanizeDuration }}, for ten minutes.",
        MODEL_BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperTimeToFirstTokenHigh",
        f"""
        {FIRST_CHUNK} > 5
        and
        {MODEL_CALLS} * 300 > 5
        """,
        "warning",
        "reliability",
        f"Streams of {MODEL_NAME} begin late.",
        "One stream in twenty begins after more than {{ $value | humanizeDuration }}, for ten minutes.",
        MODEL_BOARD,
        hold="10m",
    ),
    Alert(
        "TollkeeperRateLimited",
        f"""
        {THROTTLED_SHARE} > 0.05
        and
        {MODEL_CALLS} * 300 > 5
        """,
        "warning",
        "reliability",
        f"{PROVIDER_NAME} throttles {{{{ $value | humanizePercentage }}}} of the calls.",
        f"{{{{ $value | humanizePercentage }}}} of the calls to {MODEL_NAME} get status 429.",
        MODEL_BOARD,
        hold="5m",
    ),
)

CATEGORY = Category(
    "reliability",
    (Group("tollkeeper-reliability.records", RECORDS), Group("tollkeeper-reliability.alerts", ALERTS)),
)
