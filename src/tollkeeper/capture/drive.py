"""Run a flow. The only functions of the capture side that differ by `await`, and the only guard.

A fault of ours must never cost the caller an answer: `Rescue` tells our faults from the provider's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

from tollkeeper.capture import faults


class Send:
    """Ask the provider, with these arguments. What a flow may yield; the answer is what the yield returns."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs


Flow = Generator[Send, Any, Any]


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
                result = send(*step.args, **step.kwargs)
            except BaseException as error:  # noqa: BLE001  the flow must see every end of a call, cancellation too
                rescue.error = error
                step = flow.throw(error)
            else:
                rescue.answered, rescue.answer, rescue.error = True, result, None
                step = flow.send(result)
    except StopIteration as done:
        return done.value
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
                result = await send(*step.args, **step.kwargs)
            except BaseException as error:  # noqa: BLE001  the flow must see every end of a call, cancellation too
                rescue.error = error
                step = flow.throw(error)
            else:
                rescue.answered, rescue.answer, rescue.error = True, result, None
                step = flow.send(result)
    except StopIteration as done:
        return done.value
    except Exception as fault:  # noqa: BLE001  the boundary: the caller gets the provider's word, not our fault
        if not rescue.swallow(fault):
            rescue.error = None
            raise
    except BaseException:
        rescue.error = None
        raise
    return rescue.answer if rescue.fall_back() else await send(*args, **kwargs)
