"""A record read back: what is let through can be priced, summed and stored by any database.

Texts that are only too long are cut. Everything else that is not as it should be raises `ValueError`. The app process
has no need of this: it writes records, and whoever keeps them reads them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert, json

from tollkeeper.model import Call, Cost, LineItem, Pass, Usage
from tollkeeper.model.call import UsageSource
from tollkeeper.model.cost import PriceStatus
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


class _Item(LineItem):
    """A line item, of an app that may know more meters than we do."""

    __slots__ = ()
    _field_defaults = {}  # noqa: RUF012  none of them may be missing
    meter: Name  # type: ignore[assignment]
    model: Name | None


class _Cost(Cost):
    __slots__ = ()
    _field_defaults = {}  # noqa: RUF012
    items: tuple[_Item, ...]
    price_version: Name | None


class _Pass(Pass):
    __slots__ = ()
    kind: Name
    model: Name | None


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
    # One character is found much faster than six, and most records have no backslash.
    if "\\" in text and "\\u0000" in text and _NUL.search(text):
        raise ValueError("a text has NUL in it, which no database takes")
    try:
        record = _parse(text)
    except ValidationError:
        record = _shortened(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        _check(record)
    except ArithmeticError as error:
        raise ValueError(f"a number is none: {error}") from error
    return _call(record)


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


def _check(record: Record) -> None:
    """What a type cannot say: how large numbers may be. In the order of the fields that a `Call` has."""
    if record.usage is not None:
        _check_usage(record.usage)
    if record.billed_usage is not None:
        _check_usage(record.billed_usage)
    for extra in record.passes:
        _check_usage(extra.usage)
    if record.provider_cost is not None:
        _check_size(record.provider_cost, DEAREST)
    if record.cost is not None:
        _check_cost(record.cost)


def _call(record: Record) -> Call:
    # By position, in the order of the fields: by name, Python would take twice as long.
    return Call(
        record.id,
        record.provider,
        record.operation,  # type: ignore[arg-type]
        record.started_at,
        record.request_model,
        record.endpoint,
        record.server_address,
        record.server_port,
        record.attempt,
        record.stream,
        record.parameters,
        record.tags,
        record.duration,
        record.response_model,
        record.response_id,
        record.finish_reasons,
        record.service_tier,
        record.price_context,
        record.status_code,
        record.error_type,
        record.abandoned,
        record.time_to_first_chunk,
        record.time_per_chunk,
        record.chunks,
        NOTHING if record.usage is None else record.usage,
        record.billed_usage,
        record.passes,
        record.usage_source,
        record.provider_cost,
        record.cost,
        record.price_status,
        record.trace_id,
        record.span_id,
    )


def _check_usage(usage: Usage) -> None:
    for count in usage:
        if count and not 0 <= count <= LARGEST_COUNT:
            counts = [count for count in usage if count]
            raise ValueError(f"a count is below zero, or above {LARGEST_COUNT}: {counts}")
    if usage.input_audio_seconds is not None:
        _check_size(usage.input_audio_seconds, LARGEST_COUNT)


def _check_cost(cost: Cost) -> None:
    for _, quantity, unit_price, amount, _ in cost.items:
        if type(quantity) is not int or not 0 <= quantity <= LARGEST_COUNT:
            _check_size(quantity, LARGEST_COUNT)
        _check_size(unit_price, DEAREST)
        _check_size(amount, DEAREST)
    _check_size(cost.usd, DEAREST)


def _check_size(number: int | Decimal, most: int | Decimal) -> None:
    """Whether a number can be reckoned with: `1E+1000000` is a Decimal too, and would fill the memory."""
    if not (SMALLEST <= number <= most or (not number and (type(number) is int or -number.adjusted() <= 120))):  # type: ignore[union-attr]
        raise ValueError(f"a number is {number!r:.100}")
