"""Tokens, caches and quotas. By what the apps themselves show: it does without a sidecar, but for the quotas."""

from __future__ import annotations

from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.budget import DASHBOARD, DENIED, PERIODS, RATIO, WHO
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record

MODELS = f"{n.PROVIDER}, {n.MODEL}"
TOKENS = "provider_model_meter:tollkeeper_tokens:rate5m"
MODEL_TOKENS = "provider_model:tollkeeper_tokens:rate5m"
INPUT = "provider_model:tollkeeper_input_tokens:rate30m"
CACHED = "provider_model:tollkeeper_cache_read_per_input_token:ratio_rate30m"

RECORDS = (
    Record(TOKENS, f"sum by ({MODELS}, {n.METER}) (rate({n.TOKENS}[5m]))"),
    Record(MODEL_TOKENS, f"sum by ({MODELS}) ({TOKENS})"),
    Record("provider_model:tollkeeper_calls:rate5m", f"sum by ({MODELS}) (rate({n.CALLS}[5m]))"),
    Record(INPUT, f'sum by ({MODELS}) (rate({n.TOKENS}{{{n.METER}=~"input.*|cache_.*"}}[30m]))'),
    Record(
        CACHED,
        f"""
        (
            sum by ({MODELS}) (rate({n.TOKENS}{{{n.METER}=~"cache_read.*"}}[30m]))
          or
            {INPUT} * 0
        )
        / ({INPUT} > 0)
        """,
    ),
)

MODEL_NAME = f"{{{{ $labels.{n.MODEL} }}}} of {{{{ $labels.{n.PROVIDER} }}}}"
MODEL_VARIABLES = f"var-provider={{{{ $labels.{n.PROVIDER} }}}}&var-model={{{{ $labels.{n.MODEL} }}}}"
QUOTAS = 'measure!~"usd|concurrency"'


def _exhausted(mode: str, or_else: str, severity: str, consequence: str) -> Alert:
    used = "{{ $value | humanizePercentage }} of its {{ $labels.measure }} are used in this {{ $labels.window }}. "
    return Alert(
        "TollkeeperQuotaExhausted",
        f'{RATIO}{{{QUOTAS}, {mode}, window=~"{PERIODS}"}} >= 1{or_else}',
        severity,
        "quota",
        f"Quota {WHO} is used up.",
        used + consequence,
        DASHBOARD,
    )


ALERTS = (
    Alert(
        "TollkeeperTokenSpike",
        f"""
        {MODEL_TOKENS} > 3 * avg_over_time({MODEL_TOKENS}[1d])
        and
        {MODEL_TOKENS} > 50
        """,
        "warning",
        "usage",
        f"{MODEL_NAME} takes over three times as many tokens as usual.",
        "{{ $value | humanize }} tokens a second, over three times the average of a day, for 15 minutes.",
        f"tollkeeper-usage?{MODEL_VARIABLES}",
        hold="15m",
    ),
    Alert(
        "TollkeeperCacheReadsDrop",
        f"""
        {CACHED} < 0.5 * avg_over_time({CACHED}[1d])
        and
        avg_over_time({CACHED}[1d]) > 0.1
        and
        {INPUT} > 50
        """,
        "warning",
        "usage",
        f"Cache reads of {MODEL_NAME} have halved.",
        "{{ $value | humanizePercentage }} of the input comes from the cache, less than half the average of a day. "
        "Input that is not cached costs several times as much.",
        f"tollkeeper-usage?{MODEL_VARIABLES}",
        hold="30m",
    ),
    Alert(
        "TollkeeperQuotaNearLimit",
        f"""
        {RATIO}{{{QUOTAS}, window=~"{PERIODS}"}}
        >= on ({n.LIMIT_LABELS}) group_right ()
        (max by ({n.LIMIT_LABELS}, threshold, severity) ({n.lately(n.LIMIT_THRESHOLD, QUOTAS)}) < 1)
        """,
        None,
        "quota",
        f"Quota {WHO} is {{{{ $value | humanizePercentage }}}} used.",
        f"{{{{ $value | humanizePercentage }}}} of the {{{{ $labels.measure }}}} of {WHO} are used in this "
        "{{ $labels.window }}: over its threshold of {{ $labels.threshold }} %.",
        DASHBOARD,
    ),
    _exhausted(
        'mode="hard"',
        # What is left may be too little for any call.
        f' or ({RATIO}{{{QUOTAS}, window=~"{PERIODS}"}} and {DENIED} > 0)',
        "critical",
        "Calls that need more than is left are denied until it ends.",
    ),
    _exhausted('mode!="hard"', "", "warning", "It is a soft limit: calls go on."),
    Alert(
        "TollkeeperDenialsSustained",
        # A few calls a minute are all that some apps make.
        f"sum by ({n.LIMIT_NAME}) (rate({n.DENIED}[2m])) > 0",
        "warning",
        "quota",
        f"Limit {{{{ $labels.{n.LIMIT_NAME} }}}} keeps denying calls.",
        "In each of the last ten minutes calls were not sent: {{ $value | humanize }} a second.",
        "tollkeeper-budgets",
        hold="10m",
    ),
    Alert(
        "TollkeeperEmergency",
        f"max({n.lately(n.EMERGENCY)}) == 1",
        "critical",
        "quota",
        "Emergency mode is on.",
        "All calls go as the policy says for an emergency, until somebody ends it: `tollkeeper emergency leave`.",
        "tollkeeper-budgets",
    ),
)

CATEGORY = Category(
    "usage",
    (Group("tollkeeper-usage.records", RECORDS), Group("tollkeeper-usage.alerts", ALERTS)),
)
