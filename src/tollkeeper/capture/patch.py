"""Put the wrappers in, and take them out again: both walk the same targets."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from tollkeeper.capture import faults
from tollkeeper.capture.contract import Adapter, Request, Target
from tollkeeper.capture.drive import adrive, drive
from tollkeeper.capture.emit import OBSERVATION_KEY, Emitter
from tollkeeper.capture.flow import observe
from tollkeeper.capture.import_hook import ImportHook

log = logging.getLogger("tollkeeper")


class Patch:
    """One wrapped function of an SDK, and the function that was there before."""

    def __init__(self, owner: Any, name: str, original: Any, wrapper: Any) -> None:
        self._owner, self._name, self._original, self._wrapper = owner, name, original, wrapper
        self._inherited = name not in owner.__dict__

    def undo(self) -> None:
        """Put the very function back that was there, unless somebody has wrapped ours in the meantime."""
        if self._owner.__dict__.get(self._name) is self._wrapper:
            if self._inherited:
                delattr(self._owner, self._name)
            else:
                setattr(self._owner, self._name, self._original)
        else:
            log.warning(
                "%s.%s was wrapped again by somebody else; our wrapper stays under it, and is passive",
                self._owner,
                self._name,
            )


def is_installed(package: str) -> bool:
    """Whether the app has an SDK, found without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


class Patches:
    """The wrapped functions of every SDK, those of SDKs that are not imported yet included."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._done: list[Patch] = []
        self._hook = ImportHook()

    def add(self, adapter: Adapter) -> None:
        """Wrap every target of an SDK: now, where its module is imported; else when the app imports it."""
        for target in adapter.targets:
            self._hook.when_imported(target.module, functools.partial(self._patch, target, adapter))

    def when_imported(self, module: str, action: Callable[[], None]) -> None:
        """Run `action` when the app has imported `module`; now, if it has."""
        self._hook.when_imported(module, action)

    def undo(self) -> None:
        self._hook.remove()
        while self._done:
            self._done.pop().undo()

    def _patch(self, target: Target, adapter: Adapter) -> None:
        """Wrap one function. One that is missing is told, not passed over in silence."""
        try:
            owner: Any = importlib.import_module(target.module)
            *path, name = target.path.split(".")
            for step in path:
                owner = getattr(owner, step)
            original = owner.__dict__[name] if name in owner.__dict__ else getattr(owner, name)
        except (ImportError, AttributeError) as missing:
            if not target.optional:
                log.warning(
                    "%s: no %s.%s (%s): its calls are not metered", adapter.name, target.module, target.path, missing
                )
            return
        wrapper = (target.wrap or wrap)(original, target, adapter, self._emitter)
        self._done.append(Patch(owner, name, original, wrapper))
        setattr(owner, name, wrapper)


def begin(
    target: Target, adapter: Adapter, emitter: Emitter, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request | None:
    """The call in these arguments; `None` where it is not to be observed, or is part of one that is."""
    if not emitter.active:
        return None
    current = otel_context.get_current()
    outer = current.get(OBSERVATION_KEY)
    if outer is not None and not outer.ended or current.get(_SUPPRESS_INSTRUMENTATION_KEY):  # type: ignore[attr-defined]
        return None
    try:
        return adapter.read_request(target, args, kwargs)
    except Exception as fault:  # noqa: BLE001  the boundary to the arguments of a foreign call
        faults.report("read a request", fault)
        return None


def wrap(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """`original`, observed. Once the emitter is inactive the wrapper only passes on: it may outlive its patch."""

    if target.is_async:

        @functools.wraps(original)
        async def observed_async(*args: Any, **kwargs: Any) -> Any:
            request = begin(target, adapter, emitter, args, kwargs)
            if request is None:
                return await original(*args, **kwargs)
            return await adrive(observe(emitter, adapter, request), original, args, kwargs)

        return observed_async

    @functools.wraps(original)
    def observed(*args: Any, **kwargs: Any) -> Any:
        request = begin(target, adapter, emitter, args, kwargs)
        if request is None:
            return original(*args, **kwargs)
        return drive(observe(emitter, adapter, request), original, args, kwargs)

    return observed
