"""Whether a call may go: every limit that binds it has room for the most that it can use, or none is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tollkeeper.model import Call
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.decision import Bound, Denial, Reason, Status
from tollkeeper.model.limit import LARGEST_AMOUNT, Limit, Measure
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binder, Binding, Bindings, joined
from tollkeeper.storage.counters import Counters, CountersUnavailable, Held, Hold, Refused
from tollkeeper.storage.emergency import WATCH, EmergencySwitch

NS_A_SECOND = 1_000_000_000

HOLD_SECONDS = 900
"""For how long a call may be under way before it is taken to be lost, and charged in full. It is corrected when it
ends after all; the SDKs themselves give up after ten minutes."""


RETRY_SECONDS = 1.0
"""When to ask again counters that could not be reached."""

UNKNOWN = Bound(None, None, None)

Learn = Callable[[Sequence[Binding], Sequence[Charge], Sequence[Level]], None]
"""Is told how limits stand when a call is admitted or settled. The emergency's charge comes after theirs."""


class Ticket(NamedTuple):
    """A call that may go: what it holds, by which limits, and which limits bind it by itself."""

    hold: Hold
    bindings: tuple[Binding, ...]
    each: tuple[Binding, ...]
    bound: Bound


class Admission:
    """A policy, and the counters that say how much of it is used. `owner` names this process to people."""

    def __init__(self, policy: Policy, counters: Counters, owner: str, seconds: int = HOLD_SECONDS) -> None:
        self.policy = policy
        self.counters = counters
        self.emergency = EmergencySwitch(counters, owner)
        self.learn: Learn | None = None
        self._binder = Binder(policy.limits)
        self._throttles: dict[tuple[int, ...], tuple[tuple[Limit, ...], Binder]] = {}
        self._owner = owner
        self._seconds = seconds

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on. Calls under way are settled by the limits that admitted them."""
        self.policy, self._binder, self._throttles = policy, Binder(policy.limits), {}

    def bindings(self, call: Call, throttles: tuple[Limit, ...] = ()) -> Bindings:
        """The limits that bind a call; `throttles` are such that bind it besides."""
        found = self._binder.of(call.provider, call.request_model or "", call.operation, call.tags)
        if not throttles:
            return found
        # By what they are: another policy may have others of the same names. They are kept, and with them their ids.
        ids = tuple(map(id, throttles))
        if ids not in self._throttles:
            self._throttles[ids] = throttles, Binder(throttles)
        _, binder = self._throttles[ids]
        return joined(found, binder.of(call.provider, call.request_model or "", call.operation, call.tags))

    def admit(self, id: str, bindings: Bindings, bound: Bound) -> Ticket | Denial:
        """Hold what a call can use at the most, or say which limit has no room. `id` names this attempt of the call."""
        most = bound.by_measure()
        denial = _beyond(bindings, bound, most)
        if denial is not None:
            return denial
        now = self.counters.now()
        bound_by = bindings.counted
        if most["usd"] == 0:
            # A free call takes nothing of a budget, and goes where a budget is used up.
            bound_by = tuple(binding for binding in bound_by if binding.measure != "usd")
        if bound.likely_output is not None:
            charges = _with_likely(bound_by, most, bound.likely().by_measure(), now)
        else:
            # A soft limit would take any amount, and no counters can keep it.
            charges = tuple([
                binding.charge(min(most[binding.measure] or 0, LARGEST_AMOUNT), now) for binding in bound_by
            ])  # fmt: skip
        if charges and self.policy.emergency is not None:
            charges = (*charges, WATCH)
        hold = Hold(id, self._owner, now + self._seconds * NS_A_SECOND, charges)
        if not charges:
            return Ticket(hold, (), bindings.each, bound)
        try:
            answer = self.counters.reserve(hold)
        except CountersUnavailable as away:
            return _without_counters(Ticket(hold, bound_by, bindings.each, bound), away)
        if isinstance(answer, Held):
            if self.learn is not None:
                self.learn(bound_by, charges, answer.levels)
            return Ticket(hold, bound_by, bindings.each, bound)
        return _denial(bound_by[answer.place], charges[answer.place], answer, now)

    def statuses(self, scope: Mapping[str, str]) -> list[Status]:
        """How the limits stand that count for what `scope` names, and for all; what binds one call alone is not used.

        `scope` is of tags, `provider` and `model`.
        """
        now = self.counters.now()
        found = self._binder.of_scope(scope)
        charges = [binding.charge(0, now) for binding in found]
        return [
            binding.status(level, charge.until or None)
            for binding, charge, level in zip(found, charges, self.counters.read(charges), strict=True)
        ]

    def book(self, id: str, bindings: Bindings, used: Bound) -> list[Status]:
        """Book, once, what a call has used that was not asked about before: a batch's result, a background response."""
        now = self.counters.now()
        charges = tuple([binding.charge(0, now) for binding in bindings.counted])
        return self.settle(Ticket(Hold(id, self._owner, now, charges), bindings.counted, bindings.each, used), used)

    def settle(self, ticket: Ticket, used: Bound, assumed: bool = False) -> list[Status]:
        """Book what the call has used, once. Returns how the limits stand that are near their amount, or over it.

        What nobody knows is booked at the most that it can be; so is what is `assumed`, where less is known of.
        """
        hold, bindings, each, bound = ticket
        told = used.by_measure()
        near = [_alone(one, amount) for one in each if (amount := told[one.measure] or 0) >= one.tells_from]
        if not bindings:
            return near
        held = [charge.amount for charge in hold.charges]
        if bound.likely_output is not None and (assumed or None in told.values()):
            # Of soft limits less was held than it can be.
            most = bound.by_measure()
            held = [max(one, most[binding.measure] or 0) for one, binding in zip(held, bindings, strict=False)]
        amounts = [_amount(one, told[binding.measure], assumed) for binding, one in zip(bindings, held, strict=False)]
        amounts += [0] * (len(hold.charges) - len(amounts))
        levels = self.counters.settle(hold, amounts, assumed)
        if self.learn is not None:
            self.learn(bindings, hold.charges, levels)
        for place, binding in enumerate(bindings):
            if levels[place].spent >= binding.tells_from:
                near.append(binding.status(levels[place], hold.charges[place].until or None))
        return near


def _with_likely(
    bindings: Sequence[Binding], most: Mapping[Measure, int | None], likely: Mapping[Measure, int | None], now: int
) -> tuple[Charge, ...]:
    """What is held where a soft limit holds what the call is likely to use. Hard ones hold the most."""
    amounts = {"hard": most, "soft": likely}
    return tuple([
        binding.charge(min(amounts[binding.limit.mode][binding.measure] or 0, LARGEST_AMOUNT), now)
        for binding in bindings
    ])  # fmt: skip


def _without_counters(ticket: Ticket, away: CountersUnavailable) -> Ticket | Denial:
    """What the limits say for when nobody can be asked. What is let through is booked when somebody can.

    `local` is `deny` here: what is left of a lease was granted before one came to this.
    """
    for binding, charge in zip(ticket.bindings, ticket.hold.charges, strict=False):
        if charge.hard and binding.limit.on_unavailable != "allow":
            return Denial(_alone(binding, 0), charge.amount, RETRY_SECONDS, "unavailable", str(away))
    return ticket


def _amount(held: int, used: int | None, assumed: bool) -> int:
    if used is None:
        return held
    return max(held, used) if assumed else used


def _beyond(bindings: Bindings, bound: Bound, most: Mapping[Measure, int | None]) -> Denial | None:
    """The limit that the call is beyond by itself, or of which nobody can tell whether it is."""
    for binding in bindings.each:
        amount = most[binding.measure]
        if amount is None and binding.limit.mode == "hard":
            return Denial(_alone(binding, 0), None, None, _unknown(bound), bound.why)
        if amount is not None and amount > binding.limit.amount and binding.limit.mode == "hard":
            return Denial(_alone(binding, 0), amount, None, "call_too_large")
    if None in most.values():
        for binding in bindings.counted:
            if most[binding.measure] is None and binding.limit.mode == "hard":
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
