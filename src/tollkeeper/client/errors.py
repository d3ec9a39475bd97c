"""What goes wrong between a client and the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API has refused, or there is none. `field`, `value` and `expected` say what was wrong with the request."""

    def __init__(
        self,
        status: int | None,
        message: str,
        field: str | None = None,
        value: Any = None,
        expected: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.value = value
        self.expected = expected
        self.retry_after = retry_after


class Unreachable(ApiError):
    """Nobody answers at this address, or not in time."""


class KeyRefused(ApiError):
    """There is no key, it is not valid, or it does not have the scope that is needed (401, 403)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Invalid(ApiError):
    """The request does not make sense (400, 422)."""


class Outdated(ApiError):
    """It was changed by somebody else in the meantime, or is there already (409, 412)."""


class Unavailable(ApiError):
    """The sidecar cannot do it just now; `retry_after` is in seconds (429, 503)."""


_KINDS: Mapping[int, type[ApiError]] = {
    400: Invalid, 401: KeyRefused, 403: KeyRefused, 404: NotFound, 409: Outdated, 412: Outdated, 422: Invalid,
    429: Unavailable, 503: Unavailable,
}  # fmt: skip


def error_of(status: int, headers: Mapping[str, str], body: Any) -> ApiError:
    """The exception for an answer that is an error."""
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    others = body.get("others", ()) if told else ()
    said = [str(each["message"]) for each in (told, *others) if isinstance(each, dict) and each.get("message")]
    wait = headers.get("retry-after", "")
    return _KINDS.get(status, ApiError)(
        status,
        "; ".join(said) or f"the sidecar answered with status {status}",
        told.get("field"),
        told.get("value"),
        told.get("expected"),
        float(wait) if wait.isdecimal() else None,
    )
