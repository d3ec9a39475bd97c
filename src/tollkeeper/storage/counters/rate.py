"""The generic cell rate algorithm: a bucket as one number, the moment at which it is full again.

That moment (the "theoretical arrival time") moves on by `amount * window / cap` with each use, and there is room as
long as it is no further away than the bucket is deep. No remainder is lost, and nothing bursts at a window's edge.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from tollkeeper.storage.counters.contract import Charge


def cost_of(charge: Charge, amount: int) -> int:
    """How much later the bucket is full again for an amount; rounded up, so that many small ones are not free."""
    return -(-amount * charge.window // (charge.cap or 1))


def depth_of(charge: Charge) -> int:
    """How long an empty bucket takes to be full."""
    return charge.burst * charge.window // (charge.cap or 1)


def room_at(charge: Charge, tat: int, now: int) -> int:
    """The first moment at which there is room: `now`, a later one, or 0 if the bucket is never deep enough.

    A full bucket has room for its burst, though the cost is rounded up and the depth is rounded down.
    """
    cap = charge.cap
    if charge.amount > charge.burst or not cap:
        return 0
    cost, depth = -(-charge.amount * charge.window // cap), charge.burst * charge.window // cap
    at = tat - (depth - cost) if depth > cost else tat
    return at if at > now else now


def level_of(charge: Charge, tat: int, now: int) -> int:
    """How many units are out of the bucket; rounded up, but for the thousandth of a unit that costs are rounded by."""
    if tat <= now:
        return 0
    return -(-((tat - now) * charge.cap * 1000 - charge.window) // (charge.window * 1000))
