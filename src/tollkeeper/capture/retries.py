"""An SDK that sends a call once more by itself: each attempt passes the gate.

`before_retry` is for SDKs made by Stainless, `between_attempts` for those made by Speakeasy. Others have a hook of
their own, in the provider's file; what they share is `call_in_progress`, `admit_again` and `Attempts`.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import context as otel_context

from tollkeeper.capture.contract import Adapter, Target
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.emit import OBSERVATION_KEY, Emitter
from tollkeeper.capture.errors import is_refusal, was_never_sent
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.payload import field


def call_in_progress(adapter: Adapter, emitter: Emitter) -> Observation | None:
    """The call that an SDK is about to send once more, where it is one of this SDK's, and holds something."""
    observation = otel_context.get_value(OBSERVATION_KEY)
    if not isinstance(observation, Observation) or observation.emitter is not emitter:
        return None
    # Under the call of one SDK there may be one of another: it is part of it, and its attempts are none of this one's.
    return observation if observation.adapter is adapter and observation.ticket is not None else None


def admit_again(observation: Observation, status: int | None, error: BaseException | None) -> None:
    """Settle the attempt that has failed, and admit the next one, or raise `Denied`.

    `status` is what it was answered with. Where it was not answered, `error` says why: it may have been billed, unless
    it was never sent; so may what a gateway gave up. An answer that was no error, and was not good enough for the SDK,
    may have been billed as well.
    """
    gate, ticket = observation.emitter.gate, observation.ticket
    if gate is None or ticket is None or observation.ended:
        return
    is_unbilled = is_refusal(status) if status is not None else error is not None and was_never_sent(error)
    observation.ticket = gate.again(ticket, observation.request, observation.adapter, is_unbilled)


class Attempts:
    """The attempts of one sending, for a hook that is around each of them.

    `status_of` says what an attempt was answered with that has raised this; `None`, where it was not answered.
    """

    def __init__(self, observation: Observation, status_of: Callable[[BaseException], int | None]) -> None:
        self._observation = observation
        self._status_of = status_of
        self._failure: BaseException | None = None

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """One of them. The first was admitted with the call; any other is now, or `Denied`."""
        self.begin()
        try:
            yield
        except Exception as failure:
            self._failure = failure
            raise

    def begin(self, failure: BaseException | None = None) -> None:
        """The next one is about to be sent; the one before it ended in `failure`, or in what was seen of it."""
        failure = failure or self._failure
        if failure is not None:
            admit_again(self._observation, self._status_of(failure), failure)


def within(
    original: Callable[..., Any], is_async: bool, make: Callable[[], AbstractContextManager[None]]
) -> Callable[..., Any]:
    """`original`, each call of it inside of a context of its own."""

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        with make():
            return original(*args, **kwargs)

    @functools.wraps(original)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with make():
            return await original(*args, **kwargs)

    return awaited if is_async else called


def before_retry(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`original`, by which an SDK waits before its next attempt, once that has been admitted.

    It is given `response`, the answer of the attempt that failed, or `None` where there was none; it is called while
    the error of that attempt is handled.
    """

    @functools.wraps(original)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        observation = call_in_progress(adapter, emitter)
        if observation is not None:
            admit_again(observation, field(kwargs.get("response"), "status_code"), sys.exc_info()[1])
        return original(*args, **kwargs)

    return waiting


def between_attempts(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`original`, which calls its first argument until that succeeds: each time, the attempt has been admitted.

    It gives up at once where the attempt raises the SDK's `PermanentError`, and raises what is in it.
    """
    permanent = sys.modules[target.module].PermanentError

    @contextlib.contextmanager
    def admitted(attempts: Attempts) -> Iterator[None]:
        try:
            with attempts.attempt():
                yield
        except Denied as denied:
            raise permanent(denied) from None

    @functools.wraps(original)
    def retrying(attempt: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Of an async one, this is what makes the coroutine: it is awaited at once, by the same call.
        observation = call_in_progress(adapter, emitter)
        if observation is not None:
            attempts = Attempts(observation, _status_of_response)
            attempt = within(attempt, target.is_async, functools.partial(admitted, attempts))
        return original(attempt, *args, **kwargs)

    return retrying


def _status_of_response(error: BaseException) -> int | None:
    status = field(field(error, "response"), "status_code")
    return status if type(status) is int else None
