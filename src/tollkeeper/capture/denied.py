"""What a caller meets whose call was not sent: `Denied`, which is also the SDK's own rate-limit error."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import quote

from tollkeeper.capture import faults
from tollkeeper.model import Call, Denial, Limit
from tollkeeper.policy.wording import message_of, slug_of

STATUS_CODE = 429


class Denied(Exception):
    """A limit has no room for this call, and it was not sent. It costs nothing.

    `limit` is the limit, `scope` whom it binds, `used` and `estimate` are in the unit of its measure (nano-dollars of
    `usd`); `reason` is one word. `retry_after` is in seconds, `resets_at` in nanoseconds since the epoch; both are
    `None` where waiting does not help.
    """

    status_code = STATUS_CODE
    denial: Denial

    @classmethod
    def of(cls, denial: Denial, *arguments: Any, **named: Any) -> Self:
        """Made as the SDK's error is made, with its arguments; without any, it has its text."""
        error = cls(*arguments, **named) if arguments or named else cls(message_of(denial))
        error.denial = denial
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the SDK's part: it holds a response, and the process that reads it need not have the SDK.
        return Denied.of, (self.denial,)

    def __copy__(self) -> Self:
        """Within the process it stays the SDK's error."""
        error = type(self).__new__(type(self), *self.args)
        error.__dict__.update(self.__dict__)
        return error

    def __deepcopy__(self, memo: Any) -> Self:
        # What it holds is never changed, and an HTTP response cannot be copied.
        return self.__copy__()

    @property
    def limit(self) -> Limit:
        return self.denial.status.limit

    @property
    def scope(self) -> dict[str, str]:
        return dict(self.denial.status.scope)

    @property
    def used(self) -> int:
        return self.denial.status.used

    @property
    def amount(self) -> int:
        return self.denial.status.limit.amount

    @property
    def estimate(self) -> int | None:
        return self.denial.estimate

    @property
    def reason(self) -> str:
        return self.denial.reason

    @property
    def retry_after(self) -> float | None:
        return self.denial.retry_after

    @property
    def resets_at(self) -> int | None:
        return self.denial.status.resets_at

    def __str__(self) -> str:
        return message_of(self.denial)


def never_let_through(
    make: Callable[[Any, Any, Denial], Denied],
) -> Callable[[Any, Any, Denial], Denied]:
    """For what makes an SDK's error: where that fails, as an SDK has changed, the call is denied all the same."""

    @functools.wraps(make)
    def denied(self: Any, request: Any, denial: Denial) -> Denied:
        try:
            return make(self, request, denial)
        except Exception as fault:  # noqa: BLE001  the boundary to the SDK's own classes
            faults.report("make the SDK's error", fault)
            return Denied.of(denial)

    return denied


def headers_of(denial: Denial) -> dict[str, str]:
    """The headers of a 429 answer. Whole seconds, rounded up: who comes back then finds room."""
    headers = {"content-type": "application/json", "x-tollkeeper-limit": quote(denial.status.limit.name, safe=" ")}
    if denial.retry_after is not None:
        headers["retry-after"] = str(max(math.ceil(denial.retry_after), 1))
    return headers


def body_of(denial: Denial) -> dict[str, Any]:
    """The body of a 429 answer, in the form that OpenAI and most others use for their errors."""
    return {
        "error": {
            "message": message_of(denial),
            "type": "rate_limit_error",
            "code": slug_of(denial.status.limit),
            "param": None,
        }
    }


def response_of(http: Any, call: Call, denial: Denial, body: Any, scheme: str | None = None) -> Any:
    """The answer of status 429 that an SDK's error holds, made by the HTTP library (httpx or its successor) it uses."""
    asked = http.Request("POST", _url_of(call, scheme))
    return http.Response(STATUS_CODE, headers=headers_of(denial), json=body, request=asked)


def _url_of(call: Call, scheme: str | None) -> str:
    """Where the call would have been sent; of what the port does not tell, the scheme is taken to be https."""
    address, port = call.server_address or "", call.server_port
    path = (call.endpoint or "").removeprefix(address)
    scheme = scheme or ("http" if port == 80 else "https")
    host = f"[{address}]" if ":" in address else address
    usual = 80 if scheme == "http" else 443
    return f"{scheme}://{host}{'' if port in (None, usual) else f':{port}'}{path}"


@functools.lru_cache(maxsize=64)
def denied_as(error: type[Exception]) -> type[Denied]:
    """A class that is both: `except` clauses of either see it."""
    return type("Denied", (Denied, error), {"__module__": __name__, "__doc__": Denied.__doc__})
