"""Whose call it is: `tags()`, and what the SDK's own fields say for one call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, TypeVar, cast

from opentelemetry import baggage, context

TAG_NAMES = ("tenant", "project", "user", "session", "service", "feature", "config")
"""The tags with a meaning of their own; any other name is allowed too."""

HEADER_PREFIX = "x-tollkeeper-"
"""`extra_headers={"x-tollkeeper-tenant": "acme"}` tags one call. It goes to the provider as it is."""

BAGGAGE_PREFIX = "tollkeeper."

Tags = Mapping[str, str]
Function = TypeVar("Function", bound=Callable[..., Any])

_current: ContextVar[Tags] = ContextVar("tollkeeper_tags", default={})  # noqa: B039  never written to
_baggage_on = False


def propagate_in_baggage(on: bool) -> None:
    """Whether `tags()` also writes OTel baggage, and calls read it: tags then cross service boundaries."""
    global _baggage_on
    _baggage_on = on


def current_tags() -> Tags:
    """The tags in force here: those of enclosing `tags()` blocks, over those that came in as baggage."""
    own = _current.get()
    if not _baggage_on:
        return own
    received = {
        key.removeprefix(BAGGAGE_PREFIX): str(value)
        for key, value in baggage.get_all().items()
        if key.startswith(BAGGAGE_PREFIX)
    }
    return {**received, **own}


class tags:  # noqa: N801  a context manager and decorator reads like a function
    """Tag every call made inside: `with tags(tenant="acme"): …`, `async with …`, or `@tags(feature="search")`.

    `tenant, project, user, session, service, feature, config` have a meaning of their own; any other name is kept as a
    free tag. Inner blocks add to outer ones and win over them; a value of `None` removes a tag. Values become strings.
    Tags are a `contextvars` variable: they follow tasks, `asyncio.to_thread` and executors that copy the context.
    """

    def __init__(self, **attributes: object) -> None:
        self._attributes = attributes
        self._entered: list[tuple[Token[Tags], Token[context.Context] | None]] = []

    def __enter__(self) -> tags:
        merged = {
            **_current.get(),
            **{name: str(value) for name, value in self._attributes.items() if value is not None},
        }
        for name, value in self._attributes.items():
            if value is None:
                merged.pop(name, None)
        token = _current.set(merged)
        self._entered.append((token, self._enter_baggage() if _baggage_on else None))
        return self

    def _enter_baggage(self) -> Token[context.Context]:
        carried = context.get_current()
        for name, value in self._attributes.items():
            key = BAGGAGE_PREFIX + name
            carried = (
                baggage.remove_baggage(key, carried) if value is None else baggage.set_baggage(key, str(value), carried)
            )
        return context.attach(carried)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, carried = self._entered.pop()
        _current.reset(token)
        if carried is not None:
            context.detach(carried)

    async def __aenter__(self) -> tags:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, a coroutine function or a generator of either kind."""
        return cast(Function, functools.wraps(function)(self._around(function)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        again = functools.partial(tags, **self._attributes)

        async def of_coroutine(*args: Any, **kwargs: Any) -> Any:
            with again():
                return await function(*args, **kwargs)

        def of_generator(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
            with again():
                iterator = function(*args, **kwargs)
            while True:
                with again():
                    try:
                        item = next(iterator)
                    except StopIteration as done:
                        return done.value
                yield item

        async def of_async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with again():
                iterator = function(*args, **kwargs)
            while True:
                with again():
                    try:
                        item = await anext(iterator)
                    except StopAsyncIteration:
                        return
                yield item

        def of_function(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        if inspect.iscoroutinefunction(function):
            return of_coroutine
        if inspect.isasyncgenfunction(function):
            return of_async_generator
        return of_generator if inspect.isgeneratorfunction(function) else of_function


def call_tags(defaults: Tags, body: Mapping[str, Any] | None, headers: Mapping[str, Any] | None) -> Tags:
    """The tags of one call. The nearer wins: defaults, `tags()`, the SDK's `user` and `metadata`, its extra headers."""
    own = current_tags()
    found: dict[str, str] = {}
    if body:
        _read_body(found, body)
    if headers:
        for header, value in headers.items():
            lower = header.lower() if isinstance(header, str) else ""
            if lower.startswith(HEADER_PREFIX) and isinstance(value, str):
                found[lower.removeprefix(HEADER_PREFIX)] = value
    if not found:
        return {**defaults, **own} if defaults and own else own or defaults
    return {**defaults, **own, **found}


def _read_body(found: dict[str, str], body: Mapping[str, Any]) -> None:
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping):
        user = metadata.get("user_id")
        if isinstance(user, str):
            found["user"] = user
        for name in TAG_NAMES:
            value = metadata.get(name)
            if isinstance(value, str):
                found[name] = value
    user = body.get("user") or body.get("safety_identifier")
    if isinstance(user, str):
        found["user"] = user
