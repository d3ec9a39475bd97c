"""Keyword arguments that several questions share: which time, which calls, for whom."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import wraps
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack, get_args, get_origin, get_type_hints

P = ParamSpec("P")
T = TypeVar("T")

Dimension = Literal["provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config"]
When = str | date | datetime
"""A day (as `end`, included whole) or a moment (as `end`, not included)."""
Wanted = str | Sequence[str] | None
"""One value or several, of which any fits; an empty text stands for calls without one."""


class Range(TypedDict, total=False):
    """The last `days` days, or from `start` to `end`; days are those of the time zone `zone`."""

    days: int | None
    start: When | None
    end: When | None
    zone: str | None


class Selection(Range, total=False):
    """Calls of a range that fit everything that is given."""

    provider: Wanted
    model: Wanted
    operation: Wanted
    tenant: Wanted
    project: Wanted
    user: Wanted
    service: Wanted
    feature: Wanted
    config: Wanted


class Whose(TypedDict, total=False):
    """Whom something is about."""

    tenant: str | None
    project: str | None
    user: str | None
    session: str | None
    service: str | None
    feature: str | None
    config: str | None
    model: str | None
    provider: str | None


class WhoseAndWhen(Whose, Range, total=False):
    """Whom something is about, and which time."""


def spelled_out(build: Callable[P, T]) -> Callable[P, T]:
    """With each key of `**keywords: Unpack[…]` in the signature; any other is a `TypeError`, as with every function."""
    signature = inspect.signature(build)
    parameters = tuple(_parameters(build, signature))
    known = {each.name for each in parameters}

    @wraps(build)
    def checked(*arguments: P.args, **keywords: P.kwargs) -> T:
        for name in keywords:
            if name not in known:
                raise TypeError(f"{build.__name__}() got an unexpected keyword argument {name!r}")
        return build(*arguments, **keywords)

    checked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return checked


def listed(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """As a body has them: filters are lists there, of a single value too."""
    filters = {name: value for name, value in keywords.items() if name in get_args(Dimension) and value is not None}
    return {
        **keywords,
        **{name: [value] if isinstance(value, str) else list(value) for name, value in filters.items()},
    }


def _parameters(build: Callable[..., Any], signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(build)
    for parameter in signature.parameters.values():
        hint = hints[parameter.name]
        if get_origin(hint) is not Unpack:
            yield parameter
            continue
        for name, kind in get_args(hint)[0].__annotations__.items():
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind.__forward_arg__)
