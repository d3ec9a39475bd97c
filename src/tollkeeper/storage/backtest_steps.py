"""What the ladders of a policy, and its emergency, would have made of calls that were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from tollkeeper.model import Call, Denial, Limit, Status
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.ladder import Ladder, priority_of
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binding
from tollkeeper.policy.ladder import Change, change_of, steps_in_force
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.ladders import NOTHING_GOES, percent_of
from tollkeeper.storage.ledger import Kept

Reprice = Callable[[Call], int | None]
"""What a call would have cost, in nano-dollars, at the prices in force when it was made; `None` if nobody knows."""


class Changed(NamedTuple):
    """A call as it would have been sent. `steps` are those that had a part in it; of none, it is as it was."""

    kept: Kept
    throttles: tuple[Limit, ...] = ()
    steps: tuple[str, ...] = ()


class Steps:
    """Which steps are in force at each moment of a replay. An emergency stays, as nobody is there to end it."""

    def __init__(self, policy: Policy, counters: Counters, reprice: Reprice) -> None:
        self.emergency_at: int | None = None
        """When one began, in nanoseconds since the epoch."""
        self._policy = policy
        self._counters = counters
        self._reprice = reprice
        self._ladders = {ladder.limit: ladder for ladder in policy.ladders}
        self._in_force: dict[str, int] = {}

    def change(self, kept: Kept, bindings: Sequence[Binding], now: int) -> Changed | Denial:
        """What would have become of a call that these limits bind."""
        standing, by_ladder = [], {}
        for binding in bindings:
            ladder = self._ladders.get(binding.limit.name)
            if ladder is not None:
                charge = binding.charge(0, now)
                (level,) = self._counters.read((charge,))
                standing.append((ladder, self._steps(ladder, binding.limit, charge, level, now)))
                by_ladder[ladder.limit] = binding.status(level, charge.until or None)
        emergency = self._policy.emergency if self.emergency_at is not None else None
        change = change_of(standing, emergency, kept.call.request_model or "", priority_of(kept.call.tags))
        if change.denied_by is not None:
            ladder, step = change.denied_by
            return Denial(by_ladder[ladder.limit], None, None, "shed" if step.do == "shed" else "step")
        if change.shed:
            return Denial(Status(NOTHING_GOES, {}, 0, 0, None), None, None, "emergency")
        return Changed(self._changed(kept, change), change.throttles, change.steps)

    def _steps(self, ladder: Ladder, limit: Limit, charge: Charge, level: Level, now: int) -> int:
        percent = percent_of(limit, charge, level)
        before = self._in_force.get(charge.key, 0)
        after = self._in_force[charge.key] = steps_in_force(ladder, percent, before)
        if self.emergency_at is None and any(step.do == "emergency" for step in ladder.steps[before:after]):
            self.emergency_at = now
        return after

    def _changed(self, kept: Kept, change: Change) -> Kept:
        """With another model it would have used as many tokens; cut short, no more than it might."""
        if change.model is None and change.output_tokens is None:
            return kept
        call, usage = kept.call, kept.call.usage
        if change.output_tokens is not None and (usage.output_tokens or 0) > change.output_tokens:
            reasoning = usage.reasoning_tokens
            usage = usage._replace(
                output_tokens=change.output_tokens,
                reasoning_tokens=None if reasoning is None else min(reasoning, change.output_tokens),
            )
        provider, model, answered = call.provider, call.request_model, call.response_model
        if change.model is not None:
            model, endpoint = self._policy.target(change.model)
            provider, answered = endpoint.provider or provider if endpoint is not None else provider, None
        made = replace(
            call, provider=provider, request_model=model, response_model=answered, usage=usage, provider_cost=None
        )
        nano_usd = self._reprice(made) if kept.nano_usd is not None else None
        return kept._replace(call=made, nano_usd=nano_usd, unpriced=kept.unpriced or nano_usd is None)
