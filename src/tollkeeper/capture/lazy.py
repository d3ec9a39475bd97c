"""Calls that are sent later than they are made: generators that ask the provider when they are first read, and context
managers that do so when they are entered. What the caller gets is a generator, or a context manager, as before.

A generator is closed by its finaliser too, in whatever lock the process happens to be; so the end of a call that comes
by closing goes through the courier.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

from tollkeeper.capture.contract import Adapter, Request, Target
from tollkeeper.capture.drive import adrive, drive
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.flow import observe
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.patch import begin
from tollkeeper.capture.stream import Tap
from tollkeeper.capture.watch import Watch


def end_soon(observation: Observation) -> None:
    if not observation.ended:
        observation.emitter.courier.run(observation.end, "end a closed stream")


class GeneratorTap(Tap):
    """A tap on a generator. It can be closed by a finaliser, and what is thrown into it counts like any other error."""

    __slots__ = ()

    def close(self) -> None:
        end_soon(self._observation)
        self._inner.close()

    async def aclose(self) -> None:
        end_soon(self._observation)
        await self._inner.aclose()

    def throw(self, *error: Any) -> Any:
        try:
            chunk = self._inner.throw(*error)
        except BaseException as raised:
            self._observation.end(None if isinstance(raised, StopIteration) else raised)
            raise
        self._passed(chunk)
        return chunk

    async def athrow(self, *error: Any) -> Any:
        try:
            chunk = await self._inner.athrow(*error)
        except BaseException as raised:
            self._observation.end(None if isinstance(raised, StopAsyncIteration) else raised)
            raise
        self._passed(chunk)
        return chunk


class ClosedSoon(Watch):
    """The watch of a response that a generator's finaliser may close."""

    __slots__ = ()

    def closed(self) -> None:
        if not self.is_being_read():
            end_soon(self.observation)


async def relay(start: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Any, None]:
    """What `yield from await start()` would be, if there were such a thing in an async generator."""
    stream = await start()
    step: Callable[..., Any] = stream.__anext__
    given: tuple[Any, ...] = ()
    try:
        while True:
            try:
                chunk = await step(*given)
            except StopAsyncIteration:
                return
            try:
                yield chunk
                step, given = stream.__anext__, ()
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  whatever the caller throws in is the inner generator's
                step, given = stream.athrow, (error,)
    finally:
        given = ()
        await stream.aclose()


def wrap_generator(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """Wrap a function whose streams are generators. A call starts with its generator; one never read is no call."""

    def read(request: Request) -> Generator[Any, Any, Any]:
        request.call.started_at = time.time_ns()
        return (yield from drive(observe(emitter, adapter, request), original, request.args, request.kwargs))

    async def start(request: Request) -> Any:
        request.call.started_at = time.time_ns()
        return await adrive(observe(emitter, adapter, request), original, request.args, request.kwargs)

    if target.is_async:

        @functools.wraps(original)
        async def observed_async(*args: Any, **kwargs: Any) -> Any:
            request = begin(target, adapter, emitter, args, kwargs)
            if request is None:
                return await original(*args, **kwargs)
            if request.call.stream:
                return relay(functools.partial(start, request))
            return await adrive(observe(emitter, adapter, request), original, args, kwargs)

        return observed_async

    @functools.wraps(original)
    def observed(*args: Any, **kwargs: Any) -> Any:
        request = begin(target, adapter, emitter, args, kwargs)
        if request is None:
            return original(*args, **kwargs)
        if request.call.stream:
            return read(request)
        return drive(observe(emitter, adapter, request), original, args, kwargs)

    return observed


def wrap_manager(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """Wrap a function that gives a context manager. A call starts when it is entered; one never entered is no call."""

    @contextlib.contextmanager
    def entered(request: Request) -> Iterator[Any]:
        request.call.started_at = time.time_ns()
        with contextlib.ExitStack() as stack:

            def send(*args: Any, **kwargs: Any) -> Any:
                return stack.enter_context(original(*args, **kwargs))

            yield drive(observe(emitter, adapter, request), send, request.args, request.kwargs)

    @contextlib.asynccontextmanager
    async def entered_async(request: Request) -> AsyncIterator[Any]:
        request.call.started_at = time.time_ns()
        async with contextlib.AsyncExitStack() as stack:

            async def send(*args: Any, **kwargs: Any) -> Any:
                return await stack.enter_async_context(original(*args, **kwargs))

            yield await adrive(observe(emitter, adapter, request), send, request.args, request.kwargs)

    @functools.wraps(original)
    def observed(*args: Any, **kwargs: Any) -> Any:
        request = begin(target, adapter, emitter, args, kwargs)
        manager = original(*args, **kwargs)  # made at once, so that wrong arguments are told at once
        if request is None:
            return manager
        return entered_async(request) if target.is_async else entered(request)

    return observed
