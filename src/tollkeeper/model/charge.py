"""What a call takes of a counter, and how the counter stands."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["period", "rate", "slots"]
"""`period`: a sum, until the period ends. `rate`: a bucket that is refilled evenly. `slots`: what is held, only."""


class Charge(NamedTuple):
    """What a call may use of one key. One that is not `hard` is counted, and never refused.

    `until` is when the period ends (0: it does not end), in nanoseconds since the epoch. Of a rate, `cap` is what
    `window` nanoseconds refill, and `burst` what the bucket holds.
    """

    key: str
    amount: int
    cap: int
    hard: bool = True
    kind: Kind = "period"
    until: int = 0
    window: int = 0
    burst: int = 0


class Level(NamedTuple):
    """Of one key: what is spent, what is held, and how much of `spent` was charged for holds that nobody settled."""

    spent: int
    held: int
    assumed: int = 0
