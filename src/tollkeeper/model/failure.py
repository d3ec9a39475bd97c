"""Whose fault it is that a call has failed: the provider's, in one of a few ways, or the caller's."""

from __future__ import annotations

from tollkeeper.model.ladder import Failure


def failure_by(status: int | None, word: str) -> Failure | None:
    """The kind of a failure that is the provider's own, by the status or the name of the error; `None` for others."""
    if status is not None:
        return "429" if status == 429 else "timeout" if status == 408 else "5xx" if status >= 500 else None
    if "timeout" in word.lower() or "timedout" in word.lower():
        return "timeout"
    if word in _SERVER_WORDS:
        return "5xx"
    if word in _CONNECTION_WORDS or "Connect" in word:
        return "connection"
    return None


_SERVER_WORDS = frozenset(("overloaded_error", "api_error", "server_error", "InternalServerException"))
"""What a stream is ended with that has begun well: its status was 200."""

_CONNECTION_WORDS = frozenset(
    ("RemoteProtocolError", "ReadError", "WriteError", "NetworkError", "EndpointConnectionError")
)
