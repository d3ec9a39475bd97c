"""The usage event: a whole `Call` in one log record, exact, written and read side by side.

It is the record that counts: it is emitted for every call, sampled or not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.telemetry import attributes as name
from tollkeeper.telemetry.attributes import Attributes, request_attributes, response_attributes

STARTED_AT = "tollkeeper.call.started_at"
DURATION = "tollkeeper.call.duration"
ATTEMPT = "tollkeeper.call.attempt"
ENDPOINT = "tollkeeper.call.endpoint"
CHUNKS = "tollkeeper.stream.chunks"
TIME_PER_CHUNK = "tollkeeper.stream.time_per_chunk"
PRICE_CONTEXT = "tollkeeper.price.context"
PRICE_STATUS = "tollkeeper.price.status"
PRICE_VERSION = "tollkeeper.price.version"
COST_EXACT = "tollkeeper.cost.usd"
COST_ORIGIN = "tollkeeper.cost.source"
COST_ITEMS = "tollkeeper.cost.items"
PROVIDER_COST = "tollkeeper.cost.provider_usd"
BILLED = "tollkeeper.usage.billed"
PASSES = "tollkeeper.usage.passes"
TRACE_ID = "tollkeeper.trace_id"
SPAN_ID = "tollkeeper.span_id"


def encode(call: Call) -> Attributes:
    """Every field of `call`. Money and seconds of audio are decimal strings, so that nothing is rounded."""
    attributes = {**request_attributes(call), **response_attributes(call)}
    if call.operation == "fetch_response":
        name.write_cost(attributes, call.cost)
    attributes[name.CALL_ID] = call.id
    attributes[STARTED_AT] = call.started_at
    attributes[ATTEMPT] = call.attempt
    for key, value in (
        *((key, str(value) if isinstance(value, Decimal) else value) for key, value in _usage_pairs(call.usage)),
        (name.STATUS_CODE, call.status_code),
        (DURATION, call.duration),
        (ENDPOINT, call.endpoint),
        (CHUNKS, call.chunks or None),
        (TIME_PER_CHUNK, call.time_per_chunk),
        (PRICE_STATUS, call.price_status),
        (PROVIDER_COST, None if call.provider_cost is None else str(call.provider_cost)),
        (PRICE_CONTEXT, json.dumps(dict(call.price_context)) if call.price_context else None),
        (BILLED, json.dumps(_pack(call.billed_usage)) if call.billed_usage is not None else None),
        (PASSES, _write_passes(call.passes) if call.passes else None),
        (TRACE_ID, call.trace_id),
        (SPAN_ID, call.span_id),
    ):
        if value is not None:
            attributes[key] = value  # noqa: PERF403  the pairs are of several kinds
    if call.cost is not None:
        attributes[COST_EXACT] = str(call.cost.usd)
        attributes[COST_ORIGIN] = call.cost.source
        if call.cost.items:
            attributes[COST_ITEMS] = _write_items(call.cost.items)
        if call.cost.price_version is not None:
            attributes[PRICE_VERSION] = call.cost.price_version
    return attributes


def decode(attributes: Mapping[str, Any]) -> Call:
    """The `Call` that `encode` wrote. Attributes that name no field of it are its request parameters.

    Raises `KeyError` for a missing id, provider, operation or start, and `ValueError` for a number that is none.
    """
    left = dict(attributes)
    take = left.pop
    for derived in (
        name.COST_AMOUNT,
        name.COST_CURRENCY,
        name.COST_SOURCE,
        name.CACHE_CREATION,
        name.USER_ID,
        name.SESSION_ID,
    ):
        left.pop(derived, None)
    provider = take(name.PROVIDER)
    return Call(
        id=take(name.CALL_ID),
        provider=provider,
        operation=take(name.OPERATION),
        started_at=int(take(STARTED_AT)),
        request_model=take(name.REQUEST_MODEL, None),
        endpoint=take(ENDPOINT, None),
        server_address=take(name.SERVER_ADDRESS, None),
        server_port=take(name.SERVER_PORT, None),
        attempt=int(take(ATTEMPT, 1)),
        stream=bool(take(name.STREAM, False)),
        duration=take(DURATION, None),
        response_model=take(name.RESPONSE_MODEL, None),
        response_id=take(name.RESPONSE_ID, None),
        finish_reasons=tuple(take(name.FINISH_REASONS, ())),
        service_tier=take(name.SERVICE_TIER_NAMES.get(provider, name.SERVICE_TIER), None),
        price_context=json.loads(take(PRICE_CONTEXT, "{}")),
        status_code=take(name.STATUS_CODE, None),
        error_type=take(name.ERROR_TYPE, None),
        abandoned=bool(take(name.ABANDONED, False)),
        time_to_first_chunk=take(name.TIME_TO_FIRST_CHUNK, None),
        time_per_chunk=take(TIME_PER_CHUNK, None),
        chunks=take(CHUNKS, 0),
        usage=_read_usage(left),
        billed_usage=_unpack(json.loads(billed)) if (billed := take(BILLED, None)) is not None else None,
        passes=_read_passes(take(PASSES, "[]")),
        usage_source=take(name.USAGE_SOURCE, "provider"),
        provider_cost=_decimal(take(PROVIDER_COST, None)),
        cost=_read_cost(left),
        price_status=take(PRICE_STATUS, None),
        trace_id=take(TRACE_ID, None),
        span_id=take(SPAN_ID, None),
        tags={key.removeprefix(name.TAG_PREFIX): take(key) for key in list(left) if key.startswith(name.TAG_PREFIX)},
        parameters={key: tuple(value) if isinstance(value, list) else value for key, value in left.items()},
    )


def _usage_pairs(usage: Usage) -> list[tuple[str, Any]]:
    """Every field, zeros included: a known zero is not an unknown."""
    return [(attribute, getattr(usage, field)) for field, attribute in name.USAGE_NAMES.items()]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _read_usage(left: Attributes) -> Usage:
    values = {field: left.pop(attribute, None) for field, attribute in name.USAGE_NAMES.items()}
    values["input_audio_seconds"] = _decimal(values["input_audio_seconds"])
    return Usage(**values)


def _read_cost(left: Attributes) -> Cost | None:
    usd, source = left.pop(COST_EXACT, None), left.pop(COST_ORIGIN, None)
    items, version = left.pop(COST_ITEMS, "[]"), left.pop(PRICE_VERSION, None)
    if usd is None or source is None:
        return None
    return Cost(Decimal(usd), source, _read_items(items), version)


def _write_items(items: tuple[LineItem, ...]) -> str:
    return json.dumps(
        [[item.meter, str(item.quantity), str(item.unit_price), str(item.amount), item.model] for item in items]
    )


def _read_items(text: str) -> tuple[LineItem, ...]:
    return tuple(
        LineItem(meter, _quantity(quantity), Decimal(unit_price), Decimal(amount), model)
        for meter, quantity, unit_price, amount, model in json.loads(text)
    )


def _quantity(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)


def _write_passes(passes: tuple[Pass, ...]) -> str:
    return json.dumps([[one.kind, one.model, _pack(one.usage)] for one in passes])


def _pack(usage: Usage) -> dict[str, Any]:
    said = {key: value for key, value in usage._asdict().items() if value is not None}
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in said.items()}


def _read_passes(text: str) -> tuple[Pass, ...]:
    return tuple(Pass(kind, model, _unpack(values)) for kind, model, values in json.loads(text))


def _unpack(values: dict[str, Any]) -> Usage:
    seconds = values.get("input_audio_seconds")
    return Usage(**{**values, "input_audio_seconds": _decimal(cast("str | None", seconds))})
