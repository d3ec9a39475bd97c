"""What one finished call adds to each metric: the same numbers whoever exports them."""

from __future__ import annotations

from collections.abc import Iterable

from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING, Meter, Quantity
from tollkeeper.model.usage import TOKEN_METERS as TOKEN_METER_ORDER
from tollkeeper.telemetry import metrics as metric
from tollkeeper.telemetry.attributes import (
    ERROR_TYPE,
    OPERATION,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SERVER_ADDRESS,
    SERVER_PORT,
    TOKEN_TYPE,
)
from tollkeeper.telemetry.metrics import (
    LIMIT_LABEL,
    METER_LABEL,
    MODALITY_LABEL,
    OTHER,
    STEP_LABEL,
    USAGE_SOURCE_LABEL,
    Metric,
)

Labels = tuple[tuple[str, str], ...]
"""Attribute names and values, always the same names in the same order for one metric. An absent value is empty."""

INFERENCE = frozenset({"chat", "generate_content", "text_completion"})
"""The operations that the newest conventions count as inference."""

TOKEN_METERS = frozenset(TOKEN_METER_ORDER)

HTTPS = 443
"""The port that goes without saying: one label less on nearly every series."""

COST_SCALE = 1_000_000_000
"""Money is counted in billionths of a dollar, so that sums are exact."""


Amount = tuple[Metric, str, int]
"""A counter, the value of the one label that only this counter has, and what to add to it."""

OWN_LABEL = {
    metric.CALLS: ERROR_TYPE,
    metric.TOKENS: METER_LABEL,
    metric.DENIED_CALLS: LIMIT_LABEL,
    metric.DEGRADED_CALLS: STEP_LABEL,
    metric.UNMEASURED_CALLS: USAGE_SOURCE_LABEL,
    metric.INFERENCE_USAGE_INPUT: MODALITY_LABEL,
    metric.INFERENCE_USAGE_OUTPUT: MODALITY_LABEL,
    metric.INFERENCE_USAGE_CACHE_READ: MODALITY_LABEL,
    metric.INFERENCE_USAGE_CACHE_WRITE: MODALITY_LABEL,
    metric.INFERENCE_USAGE_REASONING: MODALITY_LABEL,
}
"""The label that only this counter has."""

COUNTER_LABELS = (OPERATION, PROVIDER, REQUEST_MODEL, RESPONSE_MODEL)
"""The labels of every counter; the metric tags follow."""


def counter_labels(call: Call, metric_tags: tuple[str, ...]) -> tuple[str, ...]:
    """The values of the labels that every counter has."""
    tags = call.tags
    head = (call.operation, call.provider, call.request_model or "", call.response_model or "")
    return (*head, *[tags.get(name, "") for name in metric_tags]) if tags else head + ("",) * len(metric_tags)


def amounts(call: Call, newest: bool) -> list[Amount]:
    """What a finished call adds to the counters, those of the `newest` conventions included if they are wanted.

    Money is in billionths of a dollar.
    """
    added: list[Amount] = [(metric.CALLS, call.error_type or "", 1)]
    if call.cost is not None:
        added.append((metric.COST, "", call.cost.nano_usd))
    elif call.price_status == "unpriced":
        added.append((metric.UNPRICED_CALLS, "", 1))
    if call.usage is not NOTHING:
        for meter, quantity in _meters(call):
            if meter in TOKEN_METERS:
                added.append((metric.TOKENS, meter, quantity))  # type: ignore[arg-type]
    if call.usage_source != "provider" and call.error_type is None:
        added.append((metric.UNMEASURED_CALLS, call.usage_source, 1))
    if newest and call.operation in INFERENCE:
        added += _by_modality(call.usage)
    return added


def _meters(call: Call) -> Iterable[tuple[Meter, Quantity]]:
    """The meters of a call's own usage. Where the cost has split it already, it is not split again."""
    if call.cost is not None and call.cost.items and not call.passes and call.billed_usage is None:
        return [(item.meter, item.quantity) for item in call.cost.items]
    return call.usage.billable().items()


def _by_modality(usage: Usage) -> list[Amount]:
    """The newest conventions' token counters. `unknown` where the provider does not split them."""
    added: list[Amount] = []
    for which, whole, parts in (
        (
            metric.INFERENCE_USAGE_INPUT,
            usage.input_tokens,
            {"audio": usage.input_audio_tokens, "image": usage.input_image_tokens, "video": usage.input_video_tokens},
        ),
        (
            metric.INFERENCE_USAGE_OUTPUT,
            usage.output_tokens,
            {"audio": usage.output_audio_tokens, "image": usage.output_image_tokens},
        ),
        (
            metric.INFERENCE_USAGE_CACHE_READ,
            usage.cache_read_tokens,
            {"audio": usage.cache_read_audio_tokens, "image": usage.cache_read_image_tokens},
        ),
        (metric.INFERENCE_USAGE_CACHE_WRITE, usage.cache_write_tokens, {}),
        (metric.INFERENCE_USAGE_REASONING, usage.reasoning_tokens, {}),
    ):
        told = {modality: count for modality, count in parts.items() if count}
        left = (whole or 0) - sum(told.values())
        added += [(which, modality, count) for modality, count in told.items()]
        if left > 0 or not told:
            added.append((which, "text" if told else "unknown", max(left, 0)))
    return added


def name_labels(which: Metric, values: tuple[str, ...], own: str, metric_tags: tuple[str, ...]) -> Labels:
    """The labels of one series, by name."""
    labels = tuple(zip((*COUNTER_LABELS, *metric_tags), values, strict=True))
    return (*labels, (OWN_LABEL[which], own)) if which in OWN_LABEL else labels


def histogram_values(call: Call, newest: bool) -> list[tuple[Metric, Labels, float]]:
    """What a finished call records in the histograms of one family: those in use today, or the newest."""
    base: Labels = (
        (OPERATION, call.operation),
        (PROVIDER, call.provider),
        (REQUEST_MODEL, call.request_model or ""),
        (RESPONSE_MODEL, call.response_model or ""),
        (SERVER_ADDRESS, call.server_address or ""),
        (SERVER_PORT, "" if call.server_port in (None, HTTPS) else str(call.server_port)),
    )
    values: list[tuple[Metric, Labels, float]] = []
    if call.duration is not None:
        duration = metric.INFERENCE_DURATION if newest and call.operation in INFERENCE else metric.OPERATION_DURATION
        values.append((duration, (*base, (ERROR_TYPE, call.error_type or "")), call.duration))
    if call.time_to_first_chunk is not None:
        first = metric.INFERENCE_TIME_TO_FIRST_CHUNK if newest else metric.TIME_TO_FIRST_CHUNK
        values.append((first, base, call.time_to_first_chunk))
    if call.time_per_chunk is not None:
        each = metric.INFERENCE_TIME_PER_OUTPUT_CHUNK if newest else metric.TIME_PER_OUTPUT_CHUNK
        values.append((each, base, call.time_per_chunk))
    for tokens, direction, of_direction in (
        (call.usage.input_tokens, "input", metric.INFERENCE_INPUT),
        (call.usage.output_tokens, "output", metric.INFERENCE_OUTPUT),
    ):
        if tokens is not None and newest:
            values.append((of_direction, base, tokens))
        elif tokens is not None:
            values.append((metric.TOKEN_USAGE, (*base, (TOKEN_TYPE, direction)), tokens))
    return values


def other(labels: Labels) -> Labels:
    """The label set for what comes after a metric's last free one. Input and output tokens stay apart."""
    return tuple((name, text if name == TOKEN_TYPE else OTHER) for name, text in labels)
