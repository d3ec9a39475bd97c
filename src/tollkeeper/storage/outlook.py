"""Whether a call would be admitted now, and how each limit that binds it stands. Nothing is held."""

from __future__ import annotations

from typing import NamedTuple

from tollkeeper.model import Bound, Status
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.decision import Reason
from tollkeeper.policy.binding import Binding, Bindings
from tollkeeper.storage.counters import Counters


class Standing(NamedTuple):
    """How a limit stands before a call that may use `estimate` (in the unit of its measure; `None`: nobody can tell).

    `reason`: why the call is beyond it. A soft limit lets it go all the same.
    """

    status: Status
    estimate: int | None
    reason: Reason | None

    @property
    def can_call(self) -> bool:
        """Whether this limit lets the call go."""
        return self.reason is None or self.status.limit.mode == "soft"


def outlook(counters: Counters, bindings: Bindings, bound: Bound) -> list[Standing]:
    """Each limit that binds a call of these bounds, first those that bind it by itself.

    Raises `CountersUnavailable`.
    """
    most, why = bound.by_measure(), "unpriced" if bound.unpriced else "unbounded"
    alone: list[Standing] = []
    for binding in bindings.each:
        amount = most[binding.measure]
        reason: Reason | None = _reason(why) if amount is None else None
        if amount is not None and amount > binding.limit.amount:
            reason = "call_too_large"
        alone.append(Standing(Status(binding.limit, binding.scope, 0, 0, None), amount, reason))
    now = counters.now()
    charges = [binding.charge(most[binding.measure] or 0, now) for binding in bindings.counted]
    levels = counters.read(charges) if charges else ()
    return alone + [
        _standing(binding, charge, level, most[binding.measure], why)
        for binding, charge, level in zip(bindings.counted, charges, levels, strict=True)
    ]


def _standing(binding: Binding, charge: Charge, level: Level, amount: int | None, why: str) -> Standing:
    status = binding.status(level, charge.until or None)
    room = charge.burst if charge.kind == "rate" else charge.cap
    reason: Reason | None = None
    if amount is None:
        reason = _reason(why)
    elif amount > room:
        reason = "call_too_large"
    # A free call takes nothing of a budget, and goes where a budget is used up.
    elif status.used + amount > room and not (amount == 0 and binding.measure == "usd"):
        reason = "used_up"
    return Standing(status, amount, reason)


def _reason(why: str) -> Reason:
    return "unpriced" if why == "unpriced" else "unbounded"
