"""Whether a call would be admitted now, and how each limit that binds it stands. Nothing is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tollkeeper.model import Bound, Call, Denial, Status
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.decision import Reason
from tollkeeper.policy.binding import Binding, Bindings
from tollkeeper.policy.ladder import Change
from tollkeeper.pricing.bound import Demand, bound_of
from tollkeeper.pricing.rates import Rates, Unpriced
from tollkeeper.storage.admission import Admission
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


def deciding(standings: Sequence[Standing]) -> Standing | None:
    """The limit that denies the call; else the one that is used up most. Soft ones, and caps of one call, come last."""
    return min(standings, key=_decides, default=None)


def _decides(standing: Standing) -> tuple[bool, bool, bool, float]:
    status = standing.status
    return standing.can_call, status.limit.mode == "soft", status.limit.window is None, -status.percent


class Outlook(NamedTuple):
    """What a call would meet: a `refusal` by a step or an emergency, or how the limits stand that would bind it.

    `steps` are those that would change it.
    """

    refusal: Denial | None
    standings: Sequence[Standing] = ()
    steps: tuple[str, ...] = ()


def foresee(
    admission: Admission,
    call: Call,
    change: Change | Denial,
    tokens: tuple[int | None, int | None],
    rates: Callable[[Call], Rates | Unpriced],
) -> Outlook:
    """What a call meets that becomes what `change` says; `call` becomes it. `tokens` are the most in and out.

    Raises `CountersUnavailable`.
    """
    if isinstance(change, Denial):
        return Outlook(change)
    input_tokens, output_tokens = tokens
    if change.model is not None:
        model, endpoint = admission.policy.target(change.model)
        call.request_model = model
        if endpoint is not None and endpoint.provider is not None:
            call.provider = endpoint.provider
    if change.output_tokens is not None:
        output_tokens = change.output_tokens if output_tokens is None else min(change.output_tokens, output_tokens)
    bindings = admission.bindings(call, change.throttles)
    bound = bound_of_wanted(bindings, input_tokens, output_tokens, lambda: rates(call))
    return Outlook(None, outlook(admission.counters, bindings, bound), change.steps)


def bound_of_wanted(
    bindings: Bindings, input_tokens: int | None, output_tokens: int | None, rates: Callable[[], Rates | Unpriced]
) -> Bound:
    """The most of a call that is only thought of: as the gate of an app finds it, which knows the call's text."""
    if output_tokens is None and bindings.needs_output:
        output_tokens = bindings.most_output
    why = None if input_tokens is not None else "nobody has said how much its input can have"
    return bound_of(Demand(input_tokens, output_tokens, why=why), rates() if bindings.counts_usd else None)


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
