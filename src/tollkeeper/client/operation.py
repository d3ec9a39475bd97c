"""Every operation is written once: `Client` answers it, `AsyncClient` is to be awaited for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from tollkeeper.client.ask import Ask

P = ParamSpec("P")
T = TypeVar("T")


class Sender(Protocol):
    """Sends a question and waits for the answer."""

    def send(self, ask: Ask[T], /) -> T: ...


class AsyncSender(Protocol):
    """Sends a question; to be awaited."""

    def send(self, ask: Ask[T], /) -> Awaitable[T]: ...


class Operation(Generic[P, T]):
    """A method of both clients, made of the function that builds its question."""

    def __init__(self, build: Callable[P, Ask[T]]) -> None:
        self.build = build
        update_wrapper(self, build)

    @overload
    def __get__(self, client: Sender, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSender, kind: type) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, client: None, kind: type) -> Operation[P, T]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        if client is None:
            return self

        def method(*arguments: P.args, **options: P.kwargs) -> Any:
            return client.send(self.build(*arguments, **options))

        return update_wrapper(method, self.build)

    def __call__(self, client: Any, *arguments: P.args, **options: P.kwargs) -> Any:
        """`Client.usage(client, …)`, as with any method."""
        return client.send(self.build(*arguments, **options))
