"""Whose call it is: `tags()`, and what the SDK's own fields say for one call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, cast

from opentelemetry import baggage, context

TAG_NAMES = ("tenant", "project", "user", "session", "service", "feature", "config")
"""The tags with a meaning of their own; any other name is allowed too."""

HEADER_PREFIX = "x-tollkeeper-"
"""`extra_headers={"x-tollkeeper-tenant": "acme"}` tags one call. It goes to the provider as it is."""

BAGGAGE_PREFIX = "tollkeeper."

Tags = Mapping[str, str]
Function = TypeVar("Function", bound=Callable[..., Any])


class _Scope(NamedTuple):
    """The tags in force in one context: those of a block, and of the blocks around it."""

    named: Tags
    owner: tags | None = None
    outer: _Scope | None = None
    carried: Token[context.Context] | None = None


_current: ContextVar[_Scope] = ContextVar("tollkeeper_tags", default=_Scope({}))  # noqa: B039  never written to
_baggage_on = False


def propagate_in_baggage(on: bool) -> None:
    """Whether `tags()` also writes OTel baggage, and calls read it: tags then cross service boundaries."""
    global _baggage_on
    _baggage_on = on


def current_tags() -> Tags:
    """The tags in force here: those of enclosing `tags()` blocks, over those that came in as baggage."""
    own = _current.get().named
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

    def __enter__(self) -> tags:
        outer = _current.get()
        merged = {
            **outer.named,
            **{name: str(value) for name, value in self._attributes.items() if value is not None},
        }
        for name, value in self._attributes.items():
            if value is None:
                merged.pop(name, None)
        # All that has to be remembered is in the context, for threads and tasks may share one `tags`.
        _current.set(_Scope(merged, self, outer, self._enter_baggage() if _baggage_on else None))
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
        scope = _current.get()
        if scope.owner is not self or scope.outer is None:
            return  # left in another context than it was entered in, as by a generator that is closed elsewhere
        _current.set(scope.outer)
        if scope.carried is not None:
            context.detach(scope.carried)

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

        def of_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with again():
                generator = function(*args, **kwargs)
            step, given = generator.send, None
            while True:
                try:
                    with again():
                        item = step(given)
                except StopIteration as done:
                    return done.value
                try:
                    step, given = generator.send, (yield item)
                except GeneratorExit:
                    with again():
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001  whatever the caller throws in is the generator's
                    step, given = generator.throw, error

        async def of_async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with again():
                generator = function(*args, **kwargs)
            step, given = generator.asend, None
            while True:
                try:
                    with again():
                        item = await step(given)
                except StopAsyncIteration:
                    return
                try:
                    step, given = generator.asend, (yield item)
                except GeneratorExit:
                    with again():
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001  whatever the caller throws in is the generator's
                    step, given = generator.athrow, error

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
        return {**defaults, **own}
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
