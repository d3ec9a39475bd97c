"""A `Call` as one line of text: what the spool holds and the sidecar is sent, written and read side by side.

A JSON list, positional, so that writing one takes a few microseconds. `VERSION` is its first element; a reader takes
every version up to its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.model.usage import NOTHING, Quantity

VERSION = 1

CALL_EVENT = "tollkeeper.call"
"""The event whose body is a record."""
STARTED_EVENT = "tollkeeper.call.started"
"""The event whose body is the record of a call that was begun, and of which nothing more was heard."""

_write: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), default=str, check_circular=False).encode
_FIELDS = 35


def encode(call: Call) -> str:
    """Every field of `call`. Decimals are texts, so that nothing is rounded."""
    return _write(
        (
            VERSION,
            call.id,
            call.attempt,
            call.started_at,
            call.provider,
            call.operation,
            call.request_model,
            call.response_model,
            call.response_id,
            call.endpoint,
            call.server_address,
            call.server_port,
            call.stream,
            call.duration,
            call.time_to_first_chunk,
            call.time_per_chunk,
            call.chunks,
            call.status_code,
            call.error_type,
            call.abandoned,
            call.finish_reasons,
            call.service_tier,
            dict(call.tags),
            call.usage_source,
            None if call.usage is NOTHING else call.usage,
            call.billed_usage,
            call.passes,
            call.provider_cost,
            call.price_status,
            call.cost,
            call.trace_id,
            call.span_id,
            dict(call.price_context),
            call.parameters,
            None,
        )
    )


def decode(text: str | bytes) -> Call:
    """The `Call` that `encode` wrote. Raises `ValueError` for anything else."""
    try:
        fields = json.loads(text)
        if type(fields) is not list or len(fields) < _FIELDS:
            raise ValueError(f"a list of {_FIELDS} fields was expected")
        if fields[0] != VERSION:
            raise ValueError(f"it is of version {fields[0]!r}; known is {VERSION}")
        return _read(fields)
    except (TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"a field has a wrong type: {error}") from error


def _read(fields: list[Any]) -> Call:
    (
        _, id, attempt, started_at, provider, operation, request_model, response_model, response_id, endpoint,
        server_address, server_port, stream, duration, time_to_first_chunk, time_per_chunk, chunks, status_code,
        error_type, abandoned, finish_reasons, service_tier, tags, usage_source, usage, billed_usage, passes,
        provider_cost, price_status, cost, trace_id, span_id, price_context, parameters, *_,
    ) = fields  # fmt: skip
    return Call(
        id=id,
        attempt=attempt,
        started_at=started_at,
        provider=provider,
        operation=operation,
        request_model=request_model,
        response_model=response_model,
        response_id=response_id,
        endpoint=endpoint,
        server_address=server_address,
        server_port=server_port,
        stream=stream,
        duration=duration,
        time_to_first_chunk=time_to_first_chunk,
        time_per_chunk=time_per_chunk,
        chunks=chunks,
        status_code=status_code,
        error_type=error_type,
        abandoned=abandoned,
        finish_reasons=tuple(finish_reasons),
        service_tier=service_tier,
        tags=tags,
        usage_source=usage_source,
        usage=NOTHING if usage is None else _usage(usage),
        billed_usage=None if billed_usage is None else _usage(billed_usage),
        passes=tuple(Pass(kind, model, _usage(used)) for kind, model, used in passes),
        provider_cost=None if provider_cost is None else Decimal(provider_cost),
        price_status=price_status,
        cost=None if cost is None else _cost(*cost),
        trace_id=trace_id,
        span_id=span_id,
        price_context=price_context,
        parameters={name: tuple(value) if type(value) is list else value for name, value in parameters.items()}
        if parameters
        else {},
    )


def _usage(values: list[Any]) -> Usage:
    usage = Usage(*values)
    if usage.input_audio_seconds is None:
        return usage
    return usage._replace(input_audio_seconds=Decimal(usage.input_audio_seconds))


def _cost(usd: str, source: Any, items: list[Any], version: str | None) -> Cost:
    return Cost(Decimal(usd), source, tuple(_item(*item) for item in items), version)


def _item(meter: Any, quantity: int | str, unit_price: str, amount: str, model: str | None) -> LineItem:
    return LineItem(meter, _quantity(quantity), Decimal(unit_price), Decimal(amount), model)


def _quantity(value: int | str) -> Quantity:
    return value if type(value) is int else Decimal(value)
