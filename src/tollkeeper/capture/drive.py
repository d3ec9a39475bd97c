"""Run a flow. The only functions of the capture side that differ by `await`, and the only guard.

A fault of ours must never cost the caller an answer: `Rescue` tells our faults from the provider's. `Denied` is no
fault: it is what was asked for.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.denied import Denied


class Send:
    """Ask the provider, with these arguments. What a flow may yield; the answer is what the yield returns."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs


class Pause:
    """Wait for so many seconds, then go on. What a flow may yield as well."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


Flow = Generator[Send | Pause, Any, Any]


class Rescue:
    """What the provider last said, so that a fault of ours can step aside."""

    __slots__ = ("answer", "answered", "error")

    def __init__(self) -> None:
        self.answered = False
        self.answer: Any = None
        self.error: BaseException | None = None

    def swallow(self, fault: Exception) -> bool:
        """Report a fault of ours and say yes; say no to the provider's own errors."""
        if fault is self.error:
            return False
        faults.report("observe a call", fault)
        return True

    def fall_back(self) -> bool:
        """After a fault of ours: raise what the SDK has raised, as it was; else say whether it has answered."""
        error, self.error = self.error, None
        if error is not None:
            context = error.__context__
            try:
                raise error
            finally:
                error.__context__ = context
                del error, context
        return self.answered


def drive(flow: Flow, send: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    rescue = Rescue()
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Send):
                    result = send(*step.args, **step.kwargs)
                    rescue.answered, rescue.answer, rescue.error = True, result, None
                else:
                    result = None
                    time.sleep(step.seconds)
            except BaseException as error:  # noqa: BLE001  the flow must see every end of a call, cancellation too
                rescue.error = error
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as done:
        return done.value
    except Denied:
        rescue.error = None
        raise
    except Exception as fault:  # noqa: BLE001  the boundary: the caller gets the provider's word, not our fault
        if not rescue.swallow(fault):
            rescue.error = None
            raise
    except BaseException:
        rescue.error = None
        raise
    return rescue.answer if rescue.fall_back() else send(*args, **kwargs)


async def adrive(flow: Flow, send: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    rescue = Rescue()
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Send):
                    result = await send(*step.args, **step.kwargs)
                    rescue.answered, rescue.answer, rescue.error = True, result, None
                else:
                    result = None
                    await _sleep(step.seconds)
            except BaseException as error:  # noqa: BLE001  the flow must see every end of a call, cancellation too
                rescue.error = error
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as done:
        return done.value
    except Denied:
        rescue.error = None
        raise
    except Exception as fault:  # noqa: BLE001  the boundary: the caller gets the provider's word, not our fault
        if not rescue.swallow(fault):
            rescue.error = None
            raise
    except BaseException:
        rescue.error = None
        raise
    return rescue.answer if rescue.fall_back() else await send(*args, **kwargs)


async def _sleep(seconds: float) -> None:
    """By whichever event loop there is: an SDK that knows others than asyncio's has loaded anyio."""
    name = "anyio" if "anyio" in sys.modules else "asyncio"
    await importlib.import_module(name).sleep(seconds)
