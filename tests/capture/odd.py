"""Answers that no provider should give, and what came of them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

ODD = (None, True, -1, 5.0, 1.5, 1e300, "", "12", [], ["x"], {}, {"a": {"b": [None]}}, "\ud800")


def variants(value: Any) -> Iterator[Any]:
    """`value` with each part of it, in turn, missing or of another type."""
    for path in _paths(value):
        for odd in ODD:
            changed = copy.deepcopy(value)
            _parent(changed, path)[path[-1]] = odd
            yield changed
        changed = copy.deepcopy(value)
        del _parent(changed, path)[path[-1]]
        yield changed


def _paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*prefix, key)
        yield from _paths(item, (*prefix, key))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def outcome(action: Callable[[], Any]) -> Any:
    """What came of it, as something that can be compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(action())
        except Exception as error:  # noqa: BLE001  whatever it is, it must be the same with and without us
            return type(error), str(error)
