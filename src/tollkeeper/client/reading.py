"""JSON as dataclasses, by their type hints. Money comes as `Decimal`; fields that a newer sidecar has are left out."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Reader = Callable[[Any], Any]


def read(kind: Any, value: Any) -> Any:
    """`value` as a `kind`. Raises `TypeError`, `ValueError` or `LookupError` if it is none."""
    return _reader(kind)(value)


@cache
def _reader(kind: Any) -> Reader:
    """What reads a kind: found once, as an answer has thousands of values of a few kinds."""
    origin = get_origin(kind)
    if kind is Any or origin is Literal:
        return lambda value: value
    if origin in (Union, types.UnionType):
        one, *_ = (_reader(each) for each in get_args(kind) if each is not types.NoneType)
        return lambda value: None if value is None else one(value)
    if origin is list:
        each_of = _reader(get_args(kind)[0])
        return lambda value: [each_of(each) for each in _a(list, value)]
    if origin is dict:
        value_of = _reader(get_args(kind)[1])
        return lambda value: {name: value_of(each) for name, each in _a(dict, value).items()}
    if is_dataclass(kind):
        return lambda value: _read_fields(kind, _a(dict, value))
    return _PLAIN.get(kind) or (lambda value: _a(kind, value))


_PLAIN: dict[Any, Reader] = {
    datetime: lambda value: datetime.fromisoformat(_a(str, value)),
    date: lambda value: date.fromisoformat(_a(str, value)),
    Decimal: lambda value: Decimal(_a((int, str, Decimal), value)),
    float: lambda value: float(_a((int, Decimal), value)),
}


def _a(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} where {kind!r} was expected")
    return value


def _read_fields(kind: Any, values: dict[str, Any]) -> Any:
    found = {}
    for name, reader, is_required in _fields(kind):
        if name in values:
            found[name] = reader(values[name])
        elif is_required:
            raise LookupError(f"{kind.__name__} without {name!r}")
    return kind(**found)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Reader, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (each.name, _reader(hints[each.name]), each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
    )
