"""A record read back: what is let through can be priced, summed and stored by any database.

Texts that are only too long are cut. Everything else that is not as it should be raises `ValueError`. The app process
has no need of this: it writes records, and whoever keeps them reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, ValidationError, convert, json

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.model.call import UsageSource
from tollkeeper.model.cost import CostSource, PriceStatus
from tollkeeper.model.usage import NOTHING

LONGEST_TEXT = 500
"""The characters of a text that are kept: what is longer is cut."""
LARGEST_COUNT = 2**53
DEAREST = Decimal(10) ** 9
"""In US dollars: of a call or of a unit. In nano-dollars it still fits into 64 bits."""
SMALLEST = Decimal("1E-60")
"""Of a Decimal: what is less, and not zero, is no price."""

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
Number = Annotated[int, Meta(ge=0, lt=2**31)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)] | Annotated[int, Meta(ge=0, le=10**9)]
Scalar = str | int | float | bool | None


class _Item(NamedTuple):
    """A line item, of an app that may know more meters than we do."""

    meter: Name
    quantity: int | Decimal
    unit_price: Decimal
    amount: Decimal
    model: Name | None


class _Cost(NamedTuple):
    usd: Decimal
    source: CostSource
    items: tuple[_Item, ...]
    price_version: Name | None


class _Pass(NamedTuple):
    kind: Name
    model: Name | None
    usage: Usage


class Record(Struct, array_like=True, gc=False):
    """The fields of a record, in the order in which `record.encode` writes them. More may follow them some day."""

    version: Literal[1]
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    attempt: Annotated[int, Meta(ge=1, lt=2**31)]
    started_at: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    provider: Name
    operation: Name
    request_model: Text | None
    response_model: Text | None
    response_id: Text | None
    endpoint: Text | None
    server_address: Text | None
    server_port: Number | None
    stream: bool
    duration: Seconds | None
    time_to_first_chunk: Seconds | None
    time_per_chunk: Seconds | None
    chunks: Number
    status_code: Number | None
    error_type: Text | None
    abandoned: bool
    finish_reasons: tuple[Text, ...]
    service_tier: Text | None
    tags: dict[Text, Text]
    usage_source: UsageSource
    usage: Usage | None
    billed_usage: Usage | None
    passes: tuple[_Pass, ...]
    provider_cost: Decimal | None
    price_status: PriceStatus | None
    cost: _Cost | None
    trace_id: Text | None
    span_id: Text | None
    price_context: dict[Text, Text]
    parameters: dict[str, Scalar | tuple[Scalar | tuple[Scalar, ...], ...]]
    reserved: None


_FIELDS = Record.__struct_fields__
_PARAMETERS = _FIELDS.index("parameters")
_PLACE = re.compile(r"\$\[(\d+)\]")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_parse = json.Decoder(Record).decode


def decode(text: str | bytes) -> Call:
    """The `Call` that `record.encode` wrote. Raises `ValueError` for anything else."""
    if not isinstance(text, str):
        text = text.decode()
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("a text has NUL in it, which no database takes")
    try:
        record = _parse(text)
    except ValidationError:
        record = _shortened(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        return _call(record)
    except ArithmeticError as error:
        raise ValueError(f"a number is none: {error}") from error


def _shortened(text: str) -> Record:
    """The record with its texts cut; if they were not what was wrong with it, this says what is."""
    fields = json.decode(text)
    if type(fields) is list:
        fields[:_PARAMETERS] = _cut(fields[:_PARAMETERS])
    try:
        return convert(fields, Record)
    except ValidationError as error:
        raise ValueError(_PLACE.sub(lambda found: _FIELDS[int(found[1])], str(error), count=1)) from None


def _cut(value: Any) -> Any:
    if type(value) is str:
        return value[:LONGEST_TEXT]
    if type(value) is list:
        return [_cut(inner) for inner in value]
    if type(value) is dict:
        return {_cut(name): _cut(inner) for name, inner in value.items()}
    return value


def _call(record: Record) -> Call:
    return Call(
        id=record.id,
        attempt=record.attempt,
        started_at=record.started_at,
        provider=record.provider,
        operation=record.operation,  # type: ignore[arg-type]
        request_model=record.request_model,
        response_model=record.response_model,
        response_id=record.response_id,
        endpoint=record.endpoint,
        server_address=record.server_address,
        server_port=record.server_port,
        stream=record.stream,
        duration=record.duration,
        time_to_first_chunk=record.time_to_first_chunk,
        time_per_chunk=record.time_per_chunk,
        chunks=record.chunks,
        status_code=record.status_code,
        error_type=record.error_type,
        abandoned=record.abandoned,
        finish_reasons=record.finish_reasons,
        service_tier=record.service_tier,
        tags=record.tags,
        usage_source=record.usage_source,
        usage=NOTHING if record.usage is None else _usage(record.usage),
        billed_usage=None if record.billed_usage is None else _usage(record.billed_usage),
        passes=tuple([Pass(kind, model, _usage(usage)) for kind, model, usage in record.passes]),
        provider_cost=None if record.provider_cost is None else _money(record.provider_cost),
        price_status=record.price_status,
        cost=None if record.cost is None else _cost(*record.cost),
        trace_id=record.trace_id,
        span_id=record.span_id,
        price_context=record.price_context,
        parameters=record.parameters,
    )


def _usage(usage: Usage) -> Usage:
    counts = [count for count in usage if count]
    if counts and not 0 <= min(counts) <= max(counts) <= LARGEST_COUNT:
        raise ValueError(f"a count is below zero, or above {LARGEST_COUNT}: {counts}")
    if usage.input_audio_seconds is not None:
        _check_size(usage.input_audio_seconds, LARGEST_COUNT)
    return usage


def _cost(usd: Decimal, source: CostSource, items: Iterable[_Item], price_version: str | None) -> Cost:
    read = []
    for meter, quantity, unit_price, amount, model in items:
        _check_size(quantity, LARGEST_COUNT)
        _check_size(unit_price, DEAREST)
        _check_size(amount, DEAREST)
        read.append(LineItem(meter, quantity, unit_price, amount, model))  # type: ignore[arg-type]
    return Cost(_money(usd), source, tuple(read), price_version)


def _money(number: Decimal) -> Decimal:
    _check_size(number, DEAREST)
    return number


def _check_size(number: int | Decimal, most: int | Decimal) -> None:
    """Whether a number can be reckoned with: `1E+1000000` is a Decimal too, and would fill the memory."""
    if not (SMALLEST <= number <= most or (not number and (type(number) is int or -number.adjusted() <= 120))):  # type: ignore[union-attr]
        raise ValueError(f"a number is {number!r:.100}")
