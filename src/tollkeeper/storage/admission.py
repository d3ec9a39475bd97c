"""Whether a call may go: every limit that binds it has room for the most that it can use, or none is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tollkeeper.model import Call
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.decision import Bound, Denial, Reason, Status
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binder, Binding, Bindings
from tollkeeper.storage.counters import Counters, CountersUnavailable, Held, Hold, Refused

NS_A_SECOND = 1_000_000_000

HOLD_SECONDS = 900
"""For how long a call may be under way before it is taken to be lost, and charged in full. It is corrected when it
ends after all; the SDKs themselves give up after ten minutes."""


RETRY_SECONDS = 1.0
"""When to ask again counters that could not be reached."""

UNKNOWN = Bound(None, None, None)


class Ticket(NamedTuple):
    """A call that may go: what it holds, by which limits, and the levels at that moment.

    `each` are the limits that bind it by itself.
    """

    hold: Hold
    bindings: tuple[Binding, ...]
    levels: tuple[Level, ...]
    each: tuple[Binding, ...]
    bound: Bound

    def statuses(self, levels: Sequence[Level]) -> list[Status]:
        """How the limits stand that it shares with other calls."""
        return [
            binding.status(level, charge.until or None)
            for binding, charge, level in zip(self.bindings, self.hold.charges, levels, strict=True)
        ]


class Admission:
    """A policy, and the counters that say how much of it is used. `owner` names this process to people."""

    def __init__(self, policy: Policy, counters: Counters, owner: str, seconds: int = HOLD_SECONDS) -> None:
        self.policy = policy
        self.counters = counters
        self._binder = Binder(policy.limits)
        self._owner = owner
        self._seconds = seconds

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on. Calls under way are settled by the limits that admitted them."""
        self.policy, self._binder = policy, Binder(policy.limits)

    def bindings(self, call: Call) -> Bindings:
        """The limits that bind a call."""
        return self._binder.of(call.provider, call.request_model or "", call.operation, call.tags)

    def admit(self, id: str, bindings: Bindings, bound: Bound) -> Ticket | Denial:
        """Hold what a call can use at the most, or say which limit has no room. `id` names this attempt of the call."""
        denial = _beyond(bindings, bound)
        if denial is not None:
            return denial
        now = self.counters.now()
        charged = [
            (binding, charge)
            for binding in bindings.counted
            if (charge := self._binder.charge(binding, bound, now)) is not None
        ]
        charges = tuple(charge for _, charge in charged)
        hold = Hold(id, self._owner, now + self._seconds * NS_A_SECOND, charges)
        if not charges:
            return Ticket(hold, (), (), bindings.each, bound)
        try:
            answer = self.counters.reserve(hold)
        except CountersUnavailable as away:
            return _without_counters(hold, bindings, bound, charged, away)
        if isinstance(answer, Held):
            return Ticket(hold, tuple(binding for binding, _ in charged), answer.levels, bindings.each, bound)
        binding, charge = charged[answer.place]
        return _denial(binding, charge, answer, now)

    def statuses(self, scope: Mapping[str, str]) -> list[Status]:
        """How the limits stand that count for what `scope` names, and for all; what binds one call alone is not used.

        `scope` is of tags, `provider` and `model`.
        """
        now = self.counters.now()
        found = [
            (binding, charge)
            for binding in self._binder.of_scope(scope)
            if (charge := self._binder.charge(binding, UNKNOWN, now)) is not None
        ]
        levels = self.counters.read([charge for _, charge in found])
        return [
            binding.status(level, charge.until or None) for (binding, charge), level in zip(found, levels, strict=True)
        ]

    def book(self, id: str, bindings: Bindings, used: Bound) -> list[Status]:
        """Book, once, what a call has used that was not asked about before: a batch's result, a background response."""
        now = self.counters.now()
        counted = [(binding, self._binder.charge(binding, used, now)) for binding in bindings.counted]
        charged = [(binding, charge._replace(amount=0)) for binding, charge in counted if charge is not None]
        hold = Hold(id, self._owner, now, tuple(charge for _, charge in charged))
        return self.settle(Ticket(hold, tuple(binding for binding, _ in charged), (), bindings.each, used), used)

    def settle(self, ticket: Ticket, used: Bound, assumed: bool = False) -> list[Status]:
        """Book what the call has used, once.

        What nobody knows is booked at the most that it can be; so is what is `assumed`, where less is known of.
        """
        alone = [_alone(binding, used.of(binding.limit.measure) or 0) for binding in ticket.each]
        amounts = [
            _amount(charge.amount, used.of(binding.limit.measure), assumed)
            for binding, charge in zip(ticket.bindings, ticket.hold.charges, strict=True)
        ]
        return alone + ticket.statuses(self.counters.settle(ticket.hold, amounts, assumed)) if amounts else alone


def _without_counters(
    hold: Hold, bindings: Bindings, bound: Bound, charged: Sequence[tuple[Binding, Charge]], away: CountersUnavailable
) -> Ticket | Denial:
    """What the limits say for when nobody can be asked. What is let through is booked when somebody can.

    `local` is `deny` here: what is left of a lease was granted before one came to this.
    """
    for binding, charge in charged:
        if charge.hard and binding.limit.on_unavailable != "allow":
            return Denial(_alone(binding, 0), charge.amount, RETRY_SECONDS, "unavailable", str(away))
    return Ticket(hold, tuple(binding for binding, _ in charged), (), bindings.each, bound)


def _amount(held: int, used: int | None, assumed: bool) -> int:
    if used is None:
        return held
    return max(held, used) if assumed else used


def _beyond(bindings: Bindings, bound: Bound) -> Denial | None:
    """The limit that the call is beyond by itself, or of which nobody can tell whether it is."""
    for binding in bindings.each:
        amount = bound.of(binding.limit.measure)
        if binding.limit.mode == "hard" and (amount is None or amount > binding.limit.amount):
            return Denial(_alone(binding, 0), amount, None, _unknown(bound) if amount is None else "call_too_large")
    for binding in bindings.counted:
        if binding.limit.mode == "hard" and bound.of(binding.limit.measure) is None:
            return Denial(_alone(binding, 0), None, None, _unknown(bound), bound.why)
    return None


def _unknown(bound: Bound) -> Reason:
    return "unpriced" if bound.unpriced else "unbounded"


def _alone(binding: Binding, used: int) -> Status:
    return Status(binding.limit, binding.scope, used, 0, None)


def _denial(binding: Binding, charge: Charge, refused: Refused, now: int) -> Denial:
    status = binding.status(refused.level, charge.until or None)
    if charge.amount > (charge.burst if charge.kind == "rate" else charge.cap):
        return Denial(status, charge.amount, None, "call_too_large")
    retry_at = refused.retry_at
    return Denial(status, charge.amount, None if retry_at is None else max(retry_at - now, 0) / NS_A_SECOND, "used_up")
