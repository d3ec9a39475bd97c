"""The HTTP answer to somebody whose request could not be served, as a limit had no room for the call that it needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tollkeeper.capture.denied import STATUS_CODE, Denied, headers_of
from tollkeeper.policy.wording import slug_of

STATUS_LINE = f"{STATUS_CODE} Too Many Requests"


def headers(error: Denied) -> dict[str, str]:
    """Names in lower case. `retry-after` is in whole seconds, and only there where waiting helps."""
    return headers_of(error.denial)


def body(error: Denied) -> bytes:
    """JSON: `detail` for people, and beside it which limit it was, whom it binds, why, and when there is room again."""
    resets_at = error.resets_at
    return json.dumps(
        {
            "detail": f"Rate limit exceeded: {slug_of(error.limit)}",
            "limit": error.limit.name,
            "scope": error.scope,
            "reason": error.reason,
            "retry_after": error.retry_after,
            "resets_at": None if resets_at is None else _time(resets_at),
        }
    ).encode()


def _time(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(nanoseconds // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def denied_in(error: BaseException) -> Denied | None:
    """The denial that an app has failed with: task groups put it into a group, alone."""
    if isinstance(error, Denied):
        return error
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return denied_in(error.exceptions[0])
    # Starlette, whose handler for it came too late: the answer had been started, which we have held back.
    if isinstance(error, RuntimeError) and "response already started" in str(error):
        return denied_in(error.__cause__) if error.__cause__ is not None else None
    return None
