"""What the tests of counters charge, and the time at which they do."""

from __future__ import annotations

from clocks import START
from tollkeeper.storage.counters import Charge, Hold

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def hold(id: str, *charges: Charge, seconds: float = 60, at: int = START) -> Hold:
    return Hold(id, "test", at + int(seconds * SECOND), charges)


def dollars(amount: int, cap: int = 100, key: str = "usd", hard: bool = True, until: int = START + HOUR) -> Charge:
    return Charge(key, amount, cap, hard, until=until)


def rate(amount: int = 1, cap: int = 60, burst: int = 3, key: str = "rate", hard: bool = True) -> Charge:
    """So many a minute."""
    return Charge(key, amount, cap, hard, "rate", 0, 60 * SECOND, burst)


def slot(cap: int = 2, amount: int = 1, key: str = "slots", hard: bool = True) -> Charge:
    return Charge(key, amount, cap, hard, "slots")
