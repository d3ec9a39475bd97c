"""A `Call` as one line of text: what the spool holds and the sidecar is sent, written and read side by side.

A JSON list, positional, so that writing one takes a few microseconds. `VERSION` is its first element; a reader takes
every version up to its own. What `decode` lets through can be priced, summed and stored by any database: texts are
Unicode without NUL, numbers are finite and of a size that a call can have.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.model.usage import NOTHING
from tollkeeper.telemetry.checks import (
    COST_SOURCES,
    LARGEST_COUNT,
    check,
    read_length,
    read_money,
    read_name,
    read_quantity,
)

VERSION = 1

CALL_EVENT = "tollkeeper.call"
"""The event whose body is a record."""
STARTED_EVENT = "tollkeeper.call.started"
"""The event whose body is the record of a call that was begun, and of which nothing more was heard."""
LOST_EVENT = "tollkeeper.spool.lost"
"""The event whose body is a JSON object: `dropped` records of the spool `spool` were lost in all, as it was full."""

_NUL, _SURROGATE = "\\u0000", "\\ud"
_ODD_CHARACTERS = re.compile("[\0\ud800-\udfff]")
_ODD_ESCAPES = re.compile(r"\\u(?:0000|[dD])")

_write: Callable[[Any], str] = json.JSONEncoder(
    separators=(",", ":"), default=str, check_circular=False, allow_nan=False
).encode
_FIELDS = 35


def digest(text: str | bytes) -> bytes:
    """16 bytes that tell one record's text from another: the same id with another digest is a conflict."""
    return hashlib.blake2b(text if type(text) is bytes else text.encode(), digest_size=16).digest()  # type: ignore[union-attr]


def encode(call: Call) -> str:
    """Every field of `call`, in ASCII. Decimals are texts, so that nothing is rounded.

    What no database can keep is replaced: NUL and lone surrogates by U+FFFD, infinity and NaN by null.
    """
    values = _values(call)
    try:
        text = _write(values)
    except ValueError:
        return _write(_clean(values))
    if "\\u" in text and (_NUL in text or _SURROGATE in text):
        return _write(_clean(json.loads(text)))
    return text


def _values(call: Call) -> tuple[Any, ...]:
    return (
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
        None if call.usage == NOTHING else call.usage,
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


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _ODD_CHARACTERS.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value


def decode(text: str | bytes, whole: bool = True) -> Call:
    """The `Call` that `encode` wrote. Raises `ValueError` for anything else.

    Not `whole`: without the line items of a cost at list prices, for whoever prices the call anew. They are half of
    the work.
    """
    if not isinstance(text, str):
        text = text.decode()
    elif not text.isascii():
        text.encode()
    try:
        fields, end = _parse(text, 0)
        if type(fields) is not list or len(fields) < _FIELDS or end != len(text):
            raise ValueError(f"a list of {_FIELDS} fields was expected")
        if fields[0] != VERSION or type(fields[0]) is not int:
            raise ValueError(f"it is of version {fields[0]!r}; known is {VERSION}")
        if "\\u" in text and _ODD_ESCAPES.search(text) and _clean(fields) != fields:
            raise ValueError("a text has NUL or half a surrogate pair in it")
        check(fields)
        return _read(fields, whole)
    except StopIteration:
        raise ValueError("it is no JSON") from None
    except (TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"a field has a wrong type: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


_parse: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]


def _read(fields: list[Any], whole: bool) -> Call:
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
        passes=tuple(_pass(*each) for each in passes),
        provider_cost=None if provider_cost is None else read_money(provider_cost),
        price_status=price_status,
        cost=None if cost is None else _cost(whole, *cost),
        trace_id=trace_id,
        span_id=span_id,
        price_context=price_context,
        parameters={name: tuple(value) if type(value) is list else value for name, value in parameters.items()}
        if parameters
        else {},
    )


def _usage(values: list[Any]) -> Usage:
    usage = Usage(*values)
    seconds = usage.input_audio_seconds
    for count in values:
        if count is not None and not (type(count) is int and 0 <= count <= LARGEST_COUNT) and count is not seconds:
            raise ValueError(f"a count is {count!r:.100}")
    return usage if seconds is None else usage._replace(input_audio_seconds=read_length(seconds))


def _pass(kind: Any, model: Any, usage: list[Any]) -> Pass:
    return Pass(read_name(kind), None if model is None else read_name(model), _usage(usage))


def _cost(whole: bool, usd: str, source: Any, items: list[Any], version: str | None) -> Cost:
    if source not in COST_SOURCES:
        raise ValueError(f"the cost's source is {source!r:.100}")
    price_version = None if version is None else read_name(version)
    is_wanted = whole or source != "catalog"
    return Cost(read_money(usd), source, tuple(_item(*item) for item in items) if is_wanted else (), price_version)


def _item(meter: Any, quantity: int | str, unit_price: str, amount: str, model: str | None) -> LineItem:
    name: Any = read_name(meter)
    return LineItem(
        name,
        read_quantity(quantity),
        read_money(unit_price),
        read_money(amount),
        None if model is None else read_name(model),
    )
