"""The attempts that Google's Gen AI SDK makes by itself, each of which passes the gate.

Where the app has asked for retries, tenacity calls `_request_once` again and again, inside `_request`. Interactions
have retries of their own. And over aiohttp, `_async_request_once` itself sends once more where the connection broke:
seen by the session that it asks for again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context

from tollkeeper.capture.contract import Adapter, Target
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.payload import field
from tollkeeper.capture.retries import Attempts, between_attempts, call_in_progress

ATTEMPTS_KEY = otel_context.create_key("tollkeeper-google-attempts")


class _Stopped(Exception):
    """Brings a denial past tenacity, which would take it for the provider's own 429, and try again."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied)
        self.denied = denied


class _GoogleAttempts(Attempts):
    """Also knows whether the attempt under way has asked for its session."""

    has_session = False

    def begin(self) -> None:
        self.has_session = False
        try:
            super().begin()
        except Denied as denied:
            raise _Stopped(denied) from None

    def failed_with(self, error: BaseException) -> None:
        status = field(error, "code")
        self.failed(status if type(status) is int else None, error)


def _attempts() -> _GoogleAttempts | None:
    attempts = otel_context.get_value(ATTEMPTS_KEY)
    return attempts if isinstance(attempts, _GoogleAttempts) else None


def around_all(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """`_request`: all attempts of one request are made inside of it."""

    def enter() -> Any:
        observation = call_in_progress(adapter, emitter)
        attempts = None if observation is None else _GoogleAttempts(observation)
        return otel_context.attach(otel_context.set_value(ATTEMPTS_KEY, attempts))

    @functools.wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        token = enter()
        try:
            return original(*args, **kwargs)
        except _Stopped as stopped:
            raise stopped.denied from None
        finally:
            otel_context.detach(token)

    @functools.wraps(original)
    async def request_async(*args: Any, **kwargs: Any) -> Any:
        token = enter()
        try:
            return await original(*args, **kwargs)
        except _Stopped as stopped:
            raise stopped.denied from None
        finally:
            otel_context.detach(token)

    return request_async if target.is_async else request


def around_one(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """`_request_once`: one attempt."""

    @functools.wraps(original)
    def once(*args: Any, **kwargs: Any) -> Any:
        attempts = _attempts()
        if attempts is None:
            return original(*args, **kwargs)
        attempts.begin()
        try:
            return original(*args, **kwargs)
        except Exception as error:
            attempts.failed_with(error)
            raise

    @functools.wraps(original)
    async def once_async(*args: Any, **kwargs: Any) -> Any:
        attempts = _attempts()
        if attempts is None:
            return await original(*args, **kwargs)
        attempts.begin()
        try:
            return await original(*args, **kwargs)
        except Exception as error:
            attempts.failed_with(error)
            raise

    return once_async if target.is_async else once


def before_session(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`_get_aiohttp_session`: an attempt that asks for one again is about to send once more."""

    @functools.wraps(original)
    async def session(*args: Any, **kwargs: Any) -> Any:
        attempts = _attempts()
        if attempts is not None:
            if attempts.has_session:
                attempts.failed_with(sys.exc_info()[1] or ConnectionError())
                attempts.begin()
            attempts.has_session = True
        return await original(*args, **kwargs)

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
