"""A tap on a stream: it tells what passed and that it ended, exactly once, and leaves the SDK's stream object in place.

The tap takes the place of the iterator *inside* the SDK's stream, so that the stream keeps its type, its attributes and
its helpers. A stream can end in six ways: exhausted, failed, closed, left by its `with` block, cancelled, or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.observation import Fold, Observation


class Tap:
    """An iterator around an SDK's iterator, sync or async."""

    __slots__ = ("_inner", "_next", "_observation", "_read")

    def __init__(self, iterator: Any, observation: Observation, fold: Fold) -> None:
        observation.fold = fold
        self._read = fold.__call__
        self._observation = observation
        self._inner = iterator
        self._next: Callable[[], Any] = iterator.__anext__ if hasattr(iterator, "__anext__") else iterator.__next__

    def generator(self) -> Generator[Any, None, None]:
        """What `__next__` does, as a generator: that takes half the time for each chunk."""
        observation, take, read = self._observation, self._next, self._read
        while True:
            try:
                chunk = take()
            except StopIteration:
                observation.end()
                return
            except BaseException as error:
                observation.end(error)
                raise
            if not observation.chunks:
                observation.first_chunk_at = perf_counter()
            observation.chunks += 1
            try:
                hidden = read(chunk)
            except Exception as fault:  # noqa: BLE001  the boundary: an odd chunk must reach the caller all the same
                faults.report("read a chunk", fault)
                hidden = False
            if not hidden:
                yield chunk

    def __iter__(self) -> Tap:
        return self

    def __next__(self) -> Any:
        while True:
            try:
                chunk = self._next()
            except StopIteration:
                self._observation.end()
                raise
            except BaseException as error:
                self._observation.end(error)
                raise
            if not self._passed(chunk):
                return chunk

    def __aiter__(self) -> Tap:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await self._next()
            except StopAsyncIteration:
                self._observation.end()
                raise
            except BaseException as error:
                self._observation.end(error)
                raise
            if not self._passed(chunk):
                return chunk

    def _passed(self, chunk: Any) -> bool | None:
        """Note a chunk; says whether to hide it."""
        observation = self._observation
        if not observation.chunks:
            observation.first_chunk_at = perf_counter()
        observation.chunks += 1
        try:
            return self._read(chunk)
        except Exception as fault:  # noqa: BLE001  the boundary: an odd chunk must reach the caller all the same
            faults.report("read a chunk", fault)
            return False

    def close(self) -> None:
        self._observation.end()
        self._inner.close()

    async def aclose(self) -> None:
        self._observation.end()
        await self._inner.aclose()

    def send(self, value: Any) -> Any:
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        observation = self._observation
        if not observation.ended:
            observation.emitter.courier.run(observation.end, "end a forgotten stream")
