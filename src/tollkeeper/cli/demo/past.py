"""A simulated company's past, put into a ledger: priced as everything else is, at the prices of each moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from tollkeeper.model import Call, Usage
from tollkeeper.simulator.history import PastCall, past
from tollkeeper.storage.ledger import Entry, Ledger
from tollkeeper.storage.prices.pricer import Pricer

NANO = 1_000_000_000
WEEK = 7 * 86_400 * NANO
MONDAY = 4 * 86_400 * NANO
"""The first one of the epoch."""
AT_ONCE = 2000
MAX_TOKENS = "gen_ai.request.max_tokens"
ENDPOINTS = {
    "openai": "api.openai.com/v1/chat/completions",
    "anthropic": "api.anthropic.com/v1/messages",
}


def record_past(ledger: Ledger, pricer: Pricer, ends_at: int, days: int = 90, seed: int = 1) -> int:
    """So many days or a few more, up to a moment (nanoseconds since the epoch); how many calls.

    They begin on a Monday, at midnight of UTC, and end with an agent in a loop.
    """
    begins_at = ends_at - days * 86_400 * NANO
    begins_at -= (begins_at - MONDAY) % WEEK
    made = calls_of(past((ends_at - begins_at) / NANO / 86_400, seed), begins_at)
    number = 0
    while some := list(islice(made, AT_ONCE)):
        number += ledger.record([Entry(call, _digest(call)) for call in pricer.price(some)]).new
    return number


def calls_of(made: Iterator[PastCall], begins_at: int) -> Iterator[Call]:
    """As an app would have reported them. What is tried again is one more attempt of the same call."""
    failed: dict[str, str] = {}
    for number, one in enumerate(made):
        at = begins_at + int(one.call.at_seconds * NANO)
        planned, succeeded = one.call, one.error is None
        id = _uuid7(at, number) if one.attempt == 1 else failed.pop(one.session)
        if not succeeded:
            failed[one.session] = id
        usage = Usage(
            planned.input_tokens,
            planned.output_tokens,
            cache_read_tokens=one.cache_read or None,
            cache_write_tokens=one.cache_write or None,
        )
        yield Call(
            id=id,
            provider=planned.provider,
            operation="chat",
            started_at=at,
            request_model=planned.model,
            response_model=planned.model if succeeded else None,
            endpoint=ENDPOINTS[planned.provider],
            attempt=one.attempt,
            stream=planned.stream,
            parameters={} if one.max_tokens is None else {MAX_TOKENS: one.max_tokens},
            tags=_tags(one),
            duration=one.duration,
            time_to_first_chunk=one.first_chunk,
            finish_reasons=(one.finish,) if succeeded else (),
            status_code=one.status,
            error_type=one.error,
            usage=usage if succeeded else Usage(),
            usage_source="provider" if succeeded else "unknown",
        )


def _tags(one: PastCall) -> dict[str, str]:
    planned = one.call
    said = {
        "tenant": planned.tenant,
        "user": planned.user,
        "feature": planned.feature,
        "service": one.service,
        "session": one.session,
    }
    return {name: value for name, value in said.items() if value}


def _uuid7(at: int, number: int) -> str:
    """Of the moment, and the same for the same call."""
    milliseconds = at // 1_000_000
    tail = hashlib.blake2b(f"{at} {number}".encode(), digest_size=9).hexdigest()
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"


def _digest(call: Call) -> bytes:
    return hashlib.blake2b(repr(call).encode(), digest_size=16).digest()
