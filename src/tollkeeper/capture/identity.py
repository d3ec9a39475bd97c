"""Ids of calls, and the memory that counts a response once however often it is fetched."""

from __future__ import annotations

import hashlib
import os
import random
import time

_random = random.Random(os.urandom(16))
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(16)))


def new_call_id() -> str:
    """A UUIDv7 (RFC 9562): sorts by time, and is the idempotency key of its call."""
    low = _random.getrandbits(74)
    number = (
        (time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF) << 80
        | 0x7 << 76
        | (low >> 62) << 64
        | 0x2 << 62
        | low & (1 << 62) - 1
    )
    return _dashed(f"{number:032x}")


def response_call_id(provider: str, response_id: str) -> str:
    """A UUIDv8 that is the same in every process that fetches this response, so that it can be counted once."""
    digest = hashlib.sha256(f"{provider}\0{response_id}".encode()).hexdigest()
    return _dashed(f"{digest[:12]}8{digest[12:15]}8{digest[15:30]}")


def is_of_response(call_id: str) -> bool:
    """Whether this id stands for a response, and not for one sending of a request."""
    return call_id[14:15] == "8"


def _dashed(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Seen:
    """The last responses that were counted. Bounded: the oldest is forgotten first. Without a lock: a fork is safe."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._ids: dict[str, object] = {}

    def first(self, call_id: str) -> bool:
        """Whether this id is new; from now on it is not."""
        mine = object()
        if self._ids.setdefault(call_id, mine) is not mine:
            return False
        if len(self._ids) > self._capacity:
            self._ids.pop(next(iter(self._ids)), None)
        return True
