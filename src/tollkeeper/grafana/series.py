"""PromQL over our series: what is asked of them, written once, for whoever draws it.

The ledger's series come from the sidecars, and each sidecar of a ledger shows the same figures: they are taken as one
(`max without (instance, pod)`) and never added up. Where no sidecar is scraped, `either` falls back to the apps' own
series, whose labels have the names of the semantic conventions.

Totals of money are differences of the ledger's totals. `increase()` of a counter with few calls loses the first of
them, as the first value of a new series is no increase, and takes a correction of prices for a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tollkeeper.telemetry import metrics
from tollkeeper.telemetry.attributes import OPERATION, PROVIDER, REQUEST_MODEL, RESPONSE_MODEL, TOKEN_TYPE
from tollkeeper.telemetry.metrics import Metric

WINDOW = "$__rate_interval"
RANGE = "$__range"
LOOKBACK = "1h"
"""How long a series may have been missing at the beginning of the range before it counts as new."""

MODEL = "$model(-20[0-9-]+)?"
"""A model, whether it was called by its name or by that of a dated snapshot: `gpt-4o-mini-2024-07-18`."""

LEDGER_SELECTION = f'service=~"$service",provider=~"$provider",model=~"{MODEL}",tenant=~"$tenant"'

TAGS = 'service=~"$service",tenant=~"$tenant"'
"""What the ledger and the apps' counters are both told apart by."""


def label(attribute: str) -> str:
    """An attribute's name as a label."""
    return attribute.replace(".", "_")


APP_LABELS = {
    "provider": (PROVIDER,),
    "operation": (OPERATION,),
    "model": (REQUEST_MODEL, RESPONSE_MODEL),
    "model_name": (REQUEST_MODEL, RESPONSE_MODEL),
}
"""Where the apps' series have what the ledger's label says; the last that is there is meant."""

MODEL_NAME = "model_name"
"""The model without the date of a snapshot, as what failed has it: a label that queries make, and no series has."""
UNDATED = "(.+?)(?:-20[0-9-]+)?"


class Histogram(NamedTuple):
    """What an app tells of each call, by the conventions in use today, or by the newest if it has opted in to them."""

    metric: Metric
    newest: Metric
    selection: str = ""


INPUT_SIZE = Histogram(metrics.TOKEN_USAGE, metrics.INFERENCE_INPUT, f'{label(TOKEN_TYPE)}=~"input|"')
OUTPUT_SIZE = Histogram(metrics.TOKEN_USAGE, metrics.INFERENCE_OUTPUT, f'{label(TOKEN_TYPE)}=~"output|"')
DURATION = Histogram(metrics.OPERATION_DURATION, metrics.INFERENCE_DURATION)
FIRST_CHUNK = Histogram(metrics.TIME_TO_FIRST_CHUNK, metrics.INFERENCE_TIME_TO_FIRST_CHUNK)
EACH_CHUNK = Histogram(metrics.TIME_PER_OUTPUT_CHUNK, metrics.INFERENCE_TIME_PER_OUTPUT_CHUNK)


def name(metric: Metric) -> str:
    """A metric's name on `/metrics`."""
    return metric.prometheus_name + ("_total" if metric.kind == "counter" else "")


def selected(metric: str, *selections: str) -> str:
    """A metric's series; `a|b` are those of either."""
    if "|" in metric:
        return selected("", f'__name__=~"{metric}"', *selections)
    return f"{metric}{{{','.join(part for part in selections if part)}}}"


def once(expression: str) -> str:
    """What every sidecar shows alike, as one."""
    return f"max without (instance, pod) ({expression})"


def summed(expression: str, by: Sequence[str] = ()) -> str:
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def either(ledger: str, app: str) -> str:
    """The ledger's, or where there is none the apps'."""
    return f"({ledger} or on () {app})"


def of_ledger(expression: str, by: Sequence[str]) -> str:
    """What every sidecar shows alike, with the labels that are asked for."""
    if MODEL_NAME in by:
        expression = f'label_replace({expression}, "{MODEL_NAME}", "$1", "model", "{UNDATED}")'
    return summed(once(expression), by)


def none_while(expression: str, there: str) -> str:
    """0 where there is nothing of it, as long as there is that which would tell of it: silence is not 0."""
    return f"{expression} or on () {there} * 0"


def ledger_rate(metric: str, by: Sequence[str] = (), where: str = "", ago: str = "") -> str:
    """By the second; `ago`: so long before."""
    shift = f" offset {ago}" if ago else ""
    return of_ledger(f"rate({selected(metric, LEDGER_SELECTION, where)}[{WINDOW}]{shift})", by)


def ledger_pace(metric: str, by: Sequence[str] = (), where: str = "", ago: str = "") -> str:
    """By the second, of what a correction may lower: `rate()` would take that for a restart, and add all of it anew."""
    shift = f" offset {ago}" if ago else ""
    series = selected(metric, LEDGER_SELECTION, where)
    return of_ledger(f"clamp_min(deriv({series}[{WINDOW}]{shift}), 0)", by)


def ledger_gain_known(metric: str, span: str) -> str:
    """What has been added in all, where it was looked at so long ago: else all of an old ledger would be new."""
    series = selected(metric, LEDGER_SELECTION)
    return f"({of_ledger(series, ())} - {of_ledger(f'last_over_time({series}[{LOOKBACK}] offset {span})', ())})"


def ledger_gain(metric: str, by: Sequence[str] = (), where: str = "", span: str = RANGE) -> str:
    """What has been added during the range: exact, however few calls there are."""
    series = selected(metric, LEDGER_SELECTION, where)
    now = of_ledger(series, by)
    before = of_ledger(f"last_over_time({series}[{LOOKBACK}] offset {span})", by)
    return f"({now} - ({before} or {now} * 0))"


def app_rate(metric: Metric, by: Sequence[str] = (), where: str = "", ago: str = "") -> str:
    """By the second, summed over the apps, with the labels of the ledger."""
    shift = f" offset {ago}" if ago else ""
    return summed(as_of_ledger(of_apps("rate({}[" + WINDOW + "]" + shift + ")", name(metric), TAGS, where), by), by)


def app_gain(metric: Metric, by: Sequence[str] = (), where: str = "", span: str = RANGE) -> str:
    """What apps that have not been started anew have added during the range."""
    series, at_least_none = name(metric), "clamp_min({} - (last_over_time({}[" + LOOKBACK + "] offset " + span + ")"
    pattern = at_least_none + " or {} * 0), 0)"
    return summed(as_of_ledger(of_apps(pattern, series, TAGS, where), by), by)


def histogram(
    which: Histogram, part: str, by: Sequence[str] = (), where: str = "", growth: Literal["rate", "increase"] = "rate"
) -> str:
    """The `bucket`, `sum` or `count` of a histogram, which knows neither tenants nor services.

    By the second, or its `increase` during the range: of what is no money, an estimate will do.
    """
    series = f"{which.metric.prometheus_name}_{part}|{which.newest.prometheus_name}_{part}"
    labels = [*by, "le"] if part == "bucket" else by
    window = WINDOW if growth == "rate" else RANGE
    return summed(as_of_ledger(of_apps(growth + "({}[" + window + "])", series, which.selection, where), by), labels)


def quantile(share: float, which: Histogram, by: Sequence[str] = (), where: str = "") -> str:
    return f"histogram_quantile({share:g}, {histogram(which, 'bucket', by, where)})"


def quantile_in_range(share: float, which: Histogram, by: Sequence[str] = (), where: str = "") -> str:
    """Of the whole range; of those without a record, none."""
    return f"histogram_quantile({share:g}, {histogram(which, 'bucket', by, where, 'increase')}) >= 0"


def of_apps(pattern: str, series: str, *selections: str) -> str:
    """The selected series of apps. What failed before an answer came has only the model that was asked for."""
    chosen = f'{label(PROVIDER)}=~"$provider"'
    answered = selected(series, *selections, chosen, f'{label(RESPONSE_MODEL)}=~"{MODEL}"')
    silent = selected(series, *selections, chosen, f'{label(RESPONSE_MODEL)}="",{label(REQUEST_MODEL)}=~"{MODEL}"')
    return f"({pattern.replace('{}', answered)} or {pattern.replace('{}', silent)})"


def as_of_ledger(expression: str, by: Sequence[str]) -> str:
    """The apps' series with those labels of the ledger that are asked for."""
    for wanted in by:
        pattern = UNDATED if wanted == MODEL_NAME else "(.+)"
        for attribute in APP_LABELS.get(wanted, ()):
            expression = f'label_replace({expression}, "{wanted}", "$1", "{label(attribute)}", "{pattern}")'
    return expression
