"""How often somebody may try to sign in: limits like those of calls, over the same counters. Only failures count."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from tollkeeper.model.limit import Limit, Window
from tollkeeper.policy.binding import Binder
from tollkeeper.storage.counters import Counters, CountersUnavailable, Hold, Refused
from tollkeeper.storage.counters.memory import MemoryCounters

log = logging.getLogger("tollkeeper")

PER_ADDRESS = Limit("sign-in per address", "requests", 60, Window("hour", rolling=True, burst=20), per=("user",))
PER_ACCOUNT = Limit(
    "sign-in per account and network", "requests", 20, Window("hour", rolling=True, burst=10), per=("user",)
)
PER_ACCOUNT_ANYWHERE = Limit(
    "sign-in per account", "requests", 100, Window("hour", rolling=True, burst=100), per=("user",)
)
"""Failures that follow each other at once: the burst. After it, one more each 60, 180 or 36 seconds.

Whoever knows a name can fail in it: that holds up others of the network, and its owner elsewhere only where many
networks do so together.
"""

LONGEST_ATTEMPT_NS = 60_000_000_000
NS_A_SECOND = 1_000_000_000
NETWORK_OF_ONE = 64
"""The bits of an IPv6 address that one customer has at the least; the others are theirs to change."""


class Attempt(NamedTuple):
    """Somebody tries: it is to be told how it ended."""

    hold: Hold
    counters: Counters


class TooMany(Exception):
    """There were too many failures. The next attempt is welcome after so many whole seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many attempts; the next one in {seconds} s")
        self.seconds = seconds


class Throttle:
    """Attempts to sign in, of all sidecars that share these counters. Where they are away, each counts by itself."""

    def __init__(self, counters: Counters, clock: Callable[[], int] = time.time_ns) -> None:
        self._shared = counters
        self._own = MemoryCounters(clock)

    def begin(self, address: str, account: str | None = None) -> Attempt:
        """Somebody tries, from this address, for this account if it is for one. Raises `TooMany`."""
        try:
            return _begin(self._shared, address, account)
        except CountersUnavailable:
            return _begin(self._own, address, account)

    def end(self, attempt: Attempt, *, failed: bool) -> None:
        """What is not told of counts as a failure."""
        try:
            attempt.counters.settle(attempt.hold, [int(failed)] * len(attempt.hold.charges))
        except CountersUnavailable as away:
            log.warning("an attempt to sign in counts as failed, as the counters cannot be used: %s", away)


def _begin(counters: Counters, address: str, account: str | None) -> Attempt:
    now = counters.now()
    network = _network(address)
    asked = [(PER_ADDRESS, network)]
    if account is not None:
        asked += [(PER_ACCOUNT, f"{network} {account}"), (PER_ACCOUNT_ANYWHERE, account)]
    # Counters are shown here and there: who tries is no name there.
    bindings = [Binder((limit,)).of_scope({"user": _digest(value)})[0] for limit, value in asked]
    charges = tuple(binding.charge(1, now) for binding in bindings)
    hold = Hold(f"sign-in {uuid.uuid4()}", "sign-in", now + LONGEST_ATTEMPT_NS, charges)
    answer = counters.reserve(hold)
    if isinstance(answer, Refused):
        wait = (answer.retry_at or now + LONGEST_ATTEMPT_NS) - now
        raise TooMany(max(1, -(-wait // NS_A_SECOND)))
    return Attempt(hold, counters)


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((int(found), NETWORK_OF_ONE), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:24]
