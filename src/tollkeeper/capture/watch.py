"""Watch an httpx response: that it is closed, and, where the caller reads it himself, what passes.

The response gets a subclass of its own class. An attribute with a closure would do too, but would have to hold the
response: a dropped stream would then wait for the garbage collector because of us.
"""

from __future__ import annotations

import copyreg
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tollkeeper.capture.observation import Fold, Observation
from tollkeeper.capture.stream import Tap

ATTRIBUTE = "_tollkeeper_watch"


class Watch:
    """What is told when a watched response is read or closed. `iterator` is the generator that reads it, if any."""

    __slots__ = ("fold", "iterator_ref", "observation")

    def __init__(self, observation: Observation, fold: Fold | None = None, iterator: Any = None) -> None:
        self.observation = observation
        self.fold = fold
        self.iterator_ref = weakref.ref(iterator) if iterator is not None else None

    def tap(self, iterator: Any) -> Any:
        """The iterator that the caller gets in place of `iterator`."""
        if self.fold is None or self.observation.ended:
            return iterator
        self.iterator_ref = weakref.ref(iterator)
        return Tap(iterator, self.observation, self.fold)

    def closed(self) -> None:
        """The response is being closed. By its own reader, at the end of it: then the tap knows better how it ended."""
        if self.iterator_ref is not None and self.iterator_ref() is None:
            # The reader is gone, so this is its finaliser: it may run inside any lock of the process.
            if not self.observation.ended:
                self.observation.emitter.courier.run(self.observation.end, "end a forgotten stream")
        elif not self.is_being_read():
            self.observation.end()

    def is_being_read(self) -> bool:
        iterator = self.iterator_ref() if self.iterator_ref is not None else None
        return bool(getattr(iterator, "gi_running", False) or getattr(iterator, "ag_running", False))


def watch(response: Any, what: Watch) -> None:
    """Watch `response` from now on."""
    original = type(response)
    watched = _classes.get(original)
    if watched is None:
        watched = _classes[original] = _watched_class(original)
    setattr(response, ATTRIBUTE, what)
    response.__class__ = watched


_classes: dict[type, type] = {}


def _watched_class(original: Any) -> type:
    class Watched(original):  # type: ignore[misc]
        def close(self, *args: Any, **kwargs: Any) -> Any:
            getattr(self, ATTRIBUTE).closed()
            return original.close(self, *args, **kwargs)

        async def aclose(self, *args: Any, **kwargs: Any) -> Any:
            getattr(self, ATTRIBUTE).closed()
            return await original.aclose(self, *args, **kwargs)

        def iter_bytes(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            return getattr(self, ATTRIBUTE).tap(original.iter_bytes(self, *args, **kwargs))  # type: ignore[no-any-return]

        def aiter_bytes(self, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            return getattr(self, ATTRIBUTE).tap(original.aiter_bytes(self, *args, **kwargs))  # type: ignore[no-any-return]

        def __reduce_ex__(self, protocol: Any) -> Any:
            state = original.__getstate__(self)
            return copyreg.__newobj__, (original,), {name: state[name] for name in state if name != ATTRIBUTE}  # type: ignore[attr-defined]

    Watched.__name__, Watched.__qualname__, Watched.__module__ = (
        original.__name__,
        original.__qualname__,
        original.__module__,
    )
    return Watched
