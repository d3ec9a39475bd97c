"""What must hold for each field of a record, so that whatever was let through can be priced, summed and stored.

Texts that are only too long are cut. Everything else raises `ValueError`.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, get_args

from tollkeeper.model.call import UsageSource
from tollkeeper.model.cost import CostSource, PriceStatus
from tollkeeper.model.usage import Quantity

LONGEST_ID = 200
LONGEST_TEXT = 500
"""The characters of a text that are kept when a record is read: what is longer is cut."""
LARGEST_COUNT = 2**53
LARGEST_MOMENT = 2**63 - 1
LONGEST_SECONDS = 1e9
DEAREST = Decimal(10) ** 9
"""In US dollars: of a call or of a unit. In nano-dollars it still fits into 64 bits."""
SMALLEST = Decimal("1E-60")
"""Of a Decimal: what is less, and not zero, is no price."""
LONGEST_LENGTH = Decimal(2**53)
LONGEST_DECIMAL = 120
"""The characters of a Decimal."""


_SCALARS = frozenset((str, int, bool, type(None)))
_USAGE_SOURCES = get_args(UsageSource)
_PRICE_STATUSES = get_args(PriceStatus)
COST_SOURCES = get_args(CostSource)

_TEXTS = (
    (6, "request_model"),
    (7, "response_model"),
    (8, "response_id"),
    (9, "endpoint"),
    (10, "server_address"),
    (18, "error_type"),
    (21, "service_tier"),
    (30, "trace_id"),
    (31, "span_id"),
)
"""Where each kind of field is in a record, and its name."""
_NAMES = ((4, "provider"), (5, "operation"))
_LABELS = ((22, "tags"), (32, "price_context"))
_NUMBERS = ((11, "server_port"), (16, "chunks"), (17, "status_code"))
_SECONDS = ((13, "duration"), (14, "time_to_first_chunk"), (15, "time_per_chunk"))
_FLAGS = ((12, "stream"), (19, "abandoned"))


def check(fields: list[Any]) -> None:
    """Raise for a wrong field, and cut the texts that are too long. Usage and money are checked as they are read."""
    _check_identity(fields)
    # Loops and not a function for each field: a sidecar reads twenty thousand records a second.
    for at, name in _TEXTS:
        value = fields[at]
        if value is not None and (type(value) is not str or len(value) > LONGEST_TEXT):
            fields[at] = _cut(name, value)
    for at, name in _NUMBERS:
        value = fields[at]
        if (type(value) is not int or not 0 <= value < 2**31) and (value is not None or at == 16):
            _refuse(name, value)
    for at, name in _SECONDS:
        value = fields[at]
        if value is not None and not (type(value) in (float, int) and 0 <= value <= LONGEST_SECONDS):
            _refuse(name, value)
    for at, name in _FLAGS:
        if type(fields[at]) is not bool:
            _refuse(name, fields[at])
    for at, name in _LABELS:
        if fields[at] != {}:
            fields[at] = _labels(name, fields[at])
    fields[20] = [_cut("a finish reason", text) for text in _list("finish_reasons", fields[20])]
    if fields[33] != {}:
        _check_parameters(fields[33])


def _check_identity(fields: list[Any]) -> None:
    id, attempt, started_at = fields[1:4]
    if type(id) is not str or not 0 < len(id) <= LONGEST_ID:
        _refuse("id", id)
    if type(attempt) is not int or not 1 <= attempt < 2**31:
        _refuse("attempt", attempt)
    if type(started_at) is not int or not 0 <= started_at <= LARGEST_MOMENT:
        _refuse("started_at", started_at)
    for at, name in _NAMES:
        if not fields[at]:
            _refuse(name, fields[at])
        fields[at] = _cut(name, fields[at])
    if fields[23] not in _USAGE_SOURCES:
        _refuse("usage_source", fields[23])
    if fields[28] is not None and fields[28] not in _PRICE_STATUSES:
        _refuse("price_status", fields[28])


def _refuse(name: str, value: Any) -> Any:
    raise ValueError(f"{name} is {value!r:.100}")


def _cut(name: str, value: Any) -> str:
    if type(value) is not str:
        _refuse(name, value)
    return value[:LONGEST_TEXT]  # type: ignore[no-any-return]


def _labels(name: str, value: Any) -> dict[str, str]:
    if type(value) is not dict:
        _refuse(name, value)
    return {_cut(name, label): _cut(name, text) for label, text in value.items()}


def _list(name: str, value: Any) -> list[Any]:
    return value if type(value) is list else _refuse(name, value)


def _check_parameters(value: Any) -> None:
    if type(value) is not dict:
        _refuse("parameters", value)
    for name, inner in value.items():
        if not _is_parameter(inner):
            _refuse(name, inner)


def _is_parameter(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    return kind in _SCALARS or kind is list and all(map(_is_parameter, value))


def read_name(value: Any) -> str:
    """A text that is not empty."""
    return _cut("a name", value) if value else _refuse("a name", value)


def read_money(value: Any) -> Decimal:
    """US dollars."""
    return _decimal(value, DEAREST)


def _decimal(value: Any, most: Decimal) -> Decimal:
    """A Decimal of a size that can be reckoned with: `1E+1000000` is a number too, and would fill the memory."""
    if type(value) is str and len(value) <= LONGEST_DECIMAL:
        number = Decimal(value)
        if SMALLEST <= number <= most or (not number and -number.adjusted() <= LONGEST_DECIMAL):
            return number
    raise ValueError(f"a number is {value!r:.100}")


def read_length(value: Any) -> Decimal:
    """Seconds."""
    return _decimal(value, LONGEST_LENGTH)


def read_quantity(value: int | str) -> Quantity:
    """What a line item counts."""
    if type(value) is int and 0 <= value <= LARGEST_COUNT:
        return value
    return _decimal(value, LONGEST_LENGTH)
