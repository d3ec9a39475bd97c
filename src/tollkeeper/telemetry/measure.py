"""What one finished call adds to each metric: the same numbers whoever exports them."""

from __future__ import annotations

from tollkeeper.model import Call
from tollkeeper.model.usage import TOKEN_METERS
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
from tollkeeper.telemetry.metrics import OTHER, Metric

Labels = tuple[tuple[str, str], ...]
"""Attribute names and values, always the same names in the same order for one metric. An absent value is empty."""

INFERENCE = frozenset({"chat", "generate_content", "text_completion"})
"""The operations that the newest conventions count as inference."""

COST_SCALE = 1_000_000_000
"""Money is counted in billionths of a dollar, so that sums are exact."""


def counter_amounts(call: Call, metric_tags: tuple[str, ...]) -> list[tuple[Metric, Labels, int]]:
    """What a finished call adds to the counters. Money is in billionths of a dollar."""
    base: Labels = (
        (OPERATION, call.operation),
        (PROVIDER, call.provider),
        (REQUEST_MODEL, call.request_model or ""),
        (RESPONSE_MODEL, call.response_model or ""),
        *((name, call.tags.get(name, "")) for name in metric_tags),
    )
    amounts: list[tuple[Metric, Labels, int]] = [(metric.CALLS, (*base, (ERROR_TYPE, call.error_type or "")), 1)]
    if call.cost is not None:
        amounts.append((metric.COST, base, call.cost.nano_usd))
    for meter, quantity in call.usage.billable().items():
        if meter in TOKEN_METERS:
            amounts.append((metric.TOKENS, (*base, (metric.METER_LABEL, meter)), int(quantity)))
    if call.price_status == "unpriced":
        amounts.append((metric.UNPRICED_CALLS, base, 1))
    if call.usage_source != "provider" and call.error_type is None:
        amounts.append((metric.UNMEASURED_CALLS, (*base, (metric.USAGE_SOURCE_LABEL, call.usage_source)), 1))
    return amounts


def histogram_values(call: Call, newest: bool) -> list[tuple[Metric, Labels, float]]:
    """What a finished call records in the histograms of one family: those in use today, or the newest."""
    base: Labels = (
        (OPERATION, call.operation),
        (PROVIDER, call.provider),
        (REQUEST_MODEL, call.request_model or ""),
        (RESPONSE_MODEL, call.response_model or ""),
        (SERVER_ADDRESS, call.server_address or ""),
        (SERVER_PORT, "" if call.server_port is None else str(call.server_port)),
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
    """The label set for what comes after a metric's last free one."""
    return tuple((name, OTHER) for name, _ in labels)
