"""JSON as dataclasses, by their type hints. Money comes as `Decimal`; fields that a newer sidecar has are left out."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def read(kind: Any, value: Any) -> Any:
    """`value` as a `kind`. Raises `TypeError`, `ValueError` or `LookupError` if it is none."""
    origin = get_origin(kind)
    if kind is Any or origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        one, *_ = (each for each in get_args(kind) if each is not types.NoneType)
        return None if value is None else read(one, value)
    if origin is list:
        return [read(get_args(kind)[0], each) for each in _a(list, value)]
    if origin is dict:
        return {name: read(get_args(kind)[1], each) for name, each in _a(dict, value).items()}
    if is_dataclass(kind):
        return _read_fields(kind, _a(dict, value))
    if kind is datetime:
        return datetime.fromisoformat(_a(str, value))
    if kind is date:
        return date.fromisoformat(_a(str, value))
    if kind is Decimal:
        return Decimal(_a((int, str, Decimal), value))
    if kind is float:
        return float(_a((int, Decimal), value))
    return _a(kind, value)


def _a(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} where {kind!r} was expected")
    return value


def _read_fields(kind: Any, values: dict[str, Any]) -> Any:
    found = {}
    for name, hint, is_required in _fields(kind):
        if name in values:
            found[name] = read(hint, values[name])
        elif is_required:
            raise LookupError(f"{kind.__name__} without {name!r}")
    return kind(**found)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (each.name, hints[each.name], each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
    )
