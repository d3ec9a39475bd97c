"""A call as somebody else observed it, and its id."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

from tollkeeper.model import Call

CacheAccounting = Literal["inclusive", "exclusive", "assumed"]
"""How an emitter counted its input: with what was cached, without, or nobody knows and it was taken to be with."""

ACCOUNTING = "tollkeeper.foreign.cache_accounting"
RAW_INPUT = "tollkeeper.foreign.input_tokens"
RAW_OUTPUT = "tollkeeper.foreign.output_tokens"
RAW_COST = "tollkeeper.foreign.cost_usd"
"""Parameters of the `Call`: what was said of it, where it was not taken as it came."""


class Observed(NamedTuple):
    """One observation of one call. `ended_at` is in nanoseconds, as `call.started_at` is.

    `is_aggregate`: it may be the sum of calls beneath it (a hosted agent), and counts only if none of them is known.
    """

    call: Call
    emitter: str
    parent_span_id: str
    ended_at: int
    kind: Literal["span", "event"]
    is_aggregate: bool = False


def call_id(trace_id: str, span_id: str, response_id: str | None, otherwise: str = "", is_measured: bool = True) -> str:
    """A UUIDv8 that this call has in every sidecar, however often and in whatever form it arrives.

    An event and its span agree on nothing but the trace, the span and the response: their times differ. So the id has
    no time in it, and these calls are kept with those of no month. The response is part of it because some emitters
    write the events of several calls with the id of the one span around them. `otherwise` tells apart what belongs to
    no trace. An observation that does not tell what was used has an id of its own, or one that does would be taken for
    its repeat when it comes later; the two are compared by their trace, so without one there is no such difference.
    """
    known = f"{trace_id}\0{span_id}\0{response_id or ''}" if trace_id or response_id else f"\0\0\0{otherwise}"
    if trace_id and not is_measured:
        known += "\0unmeasured"
    digest = hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-{digest[18:30]}"


def digest_of(call: Call) -> bytes:
    """16 bytes of what an observation says of who answered, and of what was used."""
    said = (call.id, call.provider, call.request_model, call.response_model, call.error_type, tuple(call.usage))
    return hashlib.blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=16).digest()
