"""A `Call` as one line of text: what the spool holds and the sidecar is sent. `reading.py` reads it.

A JSON list, positional, so that writing one takes a few microseconds. `VERSION` is its first element; a reader takes
every version up to its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tollkeeper.model import Call
from tollkeeper.model.usage import NOTHING

VERSION = 1

CALL_EVENT = "tollkeeper.call"
"""The event whose body is a record."""
STARTED_EVENT = "tollkeeper.call.started"
"""The event whose body is the record of a call that was begun, and of which nothing more was heard."""
LOST_EVENT = "tollkeeper.spool.lost"
"""The event whose body is a JSON object: `dropped` records of the spool `spool` were lost in all, as it was full."""

_NUL, _SURROGATE = "\\u0000", "\\ud"
_ODD_CHARACTERS = re.compile("[\0\ud800-\udfff]")

_write: Callable[[Any], str] = json.JSONEncoder(
    separators=(",", ":"), default=str, check_circular=False, allow_nan=False
).encode


def digest(text: str | bytes) -> bytes:
    """16 bytes that tell one record's text from another: the same id with another digest is a conflict."""
    return hashlib.blake2b(text if type(text) is bytes else text.encode(), digest_size=16).digest()  # type: ignore[union-attr]


def encode(call: Call) -> str:
    """Every field of `call`, in ASCII. Decimals are texts, so that nothing is rounded.

    What no database can keep is replaced: NUL and lone surrogates by U+FFFD, infinity and NaN by null.
    """
    values = _values(call)
    try:
        text = _write(values)
    except ValueError:
        return _write(_clean(values))
    if "\\u" in text and (_NUL in text or _SURROGATE in text):
        return _write(_clean(json.loads(text)))
    return text


def _values(call: Call) -> tuple[Any, ...]:
    return (
        VERSION,
        call.id,
        call.attempt,
        call.started_at,
        call.provider,
        call.operation,
        call.request_model,
        call.response_model,
        call.response_id,
        call.endpoint,
        call.server_address,
        call.server_port,
        call.stream,
        call.duration,
        call.time_to_first_chunk,
        call.time_per_chunk,
        call.chunks,
        call.status_code,
        call.error_type,
        call.abandoned,
        call.finish_reasons,
        call.service_tier,
        dict(call.tags),
        call.usage_source,
        None if call.usage == NOTHING else call.usage,
        call.billed_usage,
        call.passes,
        call.provider_cost,
        call.price_status,
        call.cost,
        call.trace_id,
        call.span_id,
        dict(call.price_context),
        call.parameters,
        None,
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _ODD_CHARACTERS.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
