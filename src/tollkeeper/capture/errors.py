"""The status and the type of a failed call, from the SDK's exception and from what the provider wrote in the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.payload import encodable, field, parse_json
from tollkeeper.model import Call

NEVER_SENT = frozenset(
    (
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ClientConnectorError",
    )
)
"""Errors of httpx, botocore and aiohttp for a connection that could not be made."""

GAVE_UP = frozenset((502, 504, 520, 524))
"""What a gateway answers that has had no answer itself, or none that it could read: the call may have been billed."""


def is_refusal(status: int) -> bool:
    """Whether an answer of this status says that nothing was done, and nothing will be billed."""
    return status >= 400 and status not in GAVE_UP


def read_error(call: Call, error: BaseException) -> None:
    """`error_type` is the provider's own word where it has one, and the exception's name where it has none."""
    response = field(error, "response")
    status = field(error, "status_code")
    if type(status) is not int:
        status = field(response, "status_code")
    if type(status) is int:
        call.status_code = status
    call.error_type = error_word(_payload(error, response)) or type(error).__qualname__


def _payload(error: BaseException, response: Any) -> Any:
    content = getattr(response, "_content", None)
    if isinstance(content, bytes) and (payload := parse_json(content)) is not None:
        return payload
    return field(error, "body")


def error_word(payload: Any) -> str | None:
    """The word by which a provider names an error: `type`, `status` or `code`, inside `error` or at the top."""
    if isinstance(payload, str | bytes):
        payload = parse_json(payload)
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, Mapping):
        return None
    inner = payload.get("error")
    source = inner if isinstance(inner, Mapping) else payload
    for name in ("type", "status", "code"):
        word = source.get(name)
        if isinstance(word, str) and word and word != "error":
            return encodable(word)
        if type(word) is int:
            return str(word)
    return None


def was_never_sent(error: BaseException) -> bool:
    """Whether no connection could be made at all: then nothing can have been billed."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError) or any(kind.__name__ in NEVER_SENT for kind in type(seen).__mro__):
            return True
        # Not its context: the app may have called while it was handling a refused connection of its own.
        seen = seen.__cause__
    return False
