"""The attempts that Google's Gen AI SDK makes by itself, each of which passes the gate.

Where the app has asked for retries, tenacity calls `_request_once` again and again, inside `_request`. Interactions
have retries of their own. And over aiohttp, `_async_request_once` itself sends once more where the connection broke:
seen by the session that it asks for again.
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
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.payload import field
from tollkeeper.capture.retries import Attempts, between_attempts, call_in_progress, within

ATTEMPTS_KEY = otel_context.create_key("tollkeeper-google-attempts")


class _Stopped(Exception):
    """Brings a denial past tenacity, which would take it for the provider's own 429, and try again."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied)
        self.denied = denied


class _GoogleAttempts(Attempts):
    """Also knows whether the attempt under way has asked for its session."""

    has_session = False

    def begin(self, failure: BaseException | None = None) -> None:
        self.has_session = False
        try:
            super().begin(failure)
        except Denied as denied:
            raise _Stopped(denied) from None


def _status_of(error: BaseException) -> int | None:
    status = field(error, "code")
    return status if type(status) is int else None


def _attempts() -> _GoogleAttempts | None:
    attempts = otel_context.get_value(ATTEMPTS_KEY)
    return attempts if isinstance(attempts, _GoogleAttempts) else None


def around_all(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """`_request`: all attempts of one request are made inside of it."""

    @contextlib.contextmanager
    def attempting() -> Iterator[None]:
        observation = call_in_progress(adapter, emitter)
        attempts = None if observation is None else _GoogleAttempts(observation, _status_of)
        token = otel_context.attach(otel_context.set_value(ATTEMPTS_KEY, attempts))
        try:
            yield
        except _Stopped as stopped:
            raise stopped.denied from None
        finally:
            otel_context.detach(token)

    return within(original, target.is_async, attempting)


def around_one(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """`_request_once`: one attempt."""

    def attempt() -> AbstractContextManager[None]:
        attempts = _attempts()
        return contextlib.nullcontext() if attempts is None else attempts.attempt()

    return within(original, target.is_async, attempt)


def before_session(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`_get_aiohttp_session`: an attempt that asks for one again is about to send once more, handling its error."""

    @functools.wraps(original)
    def session(*args: Any, **kwargs: Any) -> Any:
        attempts = _attempts()
        if attempts is not None:
            if attempts.has_session:
                attempts.begin(sys.exc_info()[1])
            attempts.has_session = True
        return original(*args, **kwargs)

    return session


CLIENT, BACKOFF = "google.genai._api_client", "google.genai._gaos.utils.retries"
TARGETS = (
    Target(CLIENT, "BaseApiClient._request", optional=True, wrap=around_all),
    Target(CLIENT, "BaseApiClient._request_once", optional=True, wrap=around_one),
    Target(CLIENT, "BaseApiClient._async_request", is_async=True, optional=True, wrap=around_all),
    Target(CLIENT, "BaseApiClient._async_request_once", is_async=True, optional=True, wrap=around_one),
    Target(CLIENT, "BaseApiClient._get_aiohttp_session", is_async=True, optional=True, wrap=before_session),
    *(
        Target(BACKOFF, f"retry_with_{kind}{suffix}", is_async=bool(suffix), optional=True, wrap=between_attempts)
        for kind in ("backoff", "attempt_count_backoff")
        for suffix in ("", "_async")
    ),
)
