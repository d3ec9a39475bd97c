"""What becomes of a call as the limits of its ladders stand: for the app that sends it, and for whoever only asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tollkeeper.model import Call, Denial, Limit, Status
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.ladder import Emergency, Ladder, Priority, Step, priority_of
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binder, Binding
from tollkeeper.policy.ladder import EMERGENCY, NO_CHANGE, Change, change_of, steps_in_force
from tollkeeper.storage.admission import NS_A_SECOND, Admission
from tollkeeper.storage.emergency import WATCH, is_emergency

NOTHING_GOES = Limit(EMERGENCY, "concurrency", 0, at=())
"""What a call runs into that is not sent because of an emergency."""


class Filled(NamedTuple):
    """A ladder whose limit binds the call, how that limit stands, and how many of the steps are in force.

    `rule`: they are, as a rule of anomalies has found something in such calls, however its limit stands.
    """

    ladder: Ladder
    binding: Binding
    charge: Charge
    level: Level
    in_force: int
    rule: str | None = None


class Signal(NamedTuple):
    """That a rule of anomalies has found something in such calls may be seen by `charge`; then the ladder holds."""

    rule: str
    ladder: Ladder
    binding: Binding
    charge: Charge

    def filled(self) -> Filled:
        """As it stands while it holds."""
        return Filled(self.ladder, self.binding, self.charge, Level(0, 0), len(self.ladder.steps), self.rule)


class Signals:
    """What calls are to look at because of a policy's rules of anomalies."""

    def __init__(self, policy: Policy) -> None:
        ladders = {ladder.limit: ladder for ladder in policy.ladders}
        self._by_limit: dict[str, tuple[str, Ladder]] = {}
        limits = []
        for rule in policy.anomalies:
            said = rule.respond
            if said is not None and said.ladder in ladders:
                ladder = ladders[said.ladder]
                steps = tuple(step for step in ladder.steps if step.at <= said.at)
                limits.append(Limit(f"anomaly {rule.name}", "concurrency", 0, None, rule.match, rule.per, at=()))
                self._by_limit[limits[-1].name] = rule.name, replace(ladder, steps=steps)
        self._binder = Binder(limits)

    def of(self, call: Call) -> list[Signal]:
        """Those of a call, in the order of the policy."""
        if not self._by_limit:
            return []
        found = self._binder.of(call.provider, call.request_model or "", call.operation, call.tags).counted
        named = [(*self._by_limit[binding.limit.name], binding) for binding in found]
        return [Signal(rule, ladder, binding, signal_of(rule, binding.scope)) for rule, ladder, binding in named]


def signal_of(rule: str, scope: Mapping[str, str], until: int = 0) -> Charge:
    """What names the state that a rule has found something in calls of a scope, until then at the most."""
    said = json.dumps([rule, sorted(scope.items())])
    return Charge(f"anomaly {said}", 0, LARGEST_AMOUNT, False, "period", until)


def percent_of(limit: Limit, charge: Charge, level: Level) -> float:
    """How far a limit has filled: what was used, or of concurrency what is held. A limit of nothing is full."""
    used = level.held if charge.kind == "slots" else level.spent
    return 100.0 * used / limit.amount if limit.amount else 100.0


def becoming(call: Call, filled: Sequence[Filled], emergency: Emergency | None, now: int) -> Change | Denial:
    """What becomes of a call, or why it is not sent. Ladders are in the order of the policy."""
    priority = priority_of(call.tags)
    standing = [(each.ladder, each.in_force) for each in filled]
    change = change_of(standing, emergency, call.request_model or "", priority)
    if change.denied_by is not None:
        ladder, step = change.denied_by
        return _denial(next(each for each in filled if each.ladder is ladder), step, priority, now)
    if change.shed:
        return Denial(Status(NOTHING_GOES, {}, 0, 0, None), None, None, "emergency", f"its priority is {priority}")
    return change


def change_now(admission: Admission, call: Call) -> Change | Denial:
    """The same by what the counters say at this moment. Nothing is begun by it, neither a step nor an emergency.

    An app knows besides which of its steps are not left yet: that is not asked here. Raises `CountersUnavailable`.
    """
    policy, counters = admission.policy, admission.counters
    if not policy.changes_calls:
        return NO_CHANGE
    signals = Signals(policy).of(call)
    now = counters.now()
    by_limit = {ladder.limit: (place, ladder) for place, ladder in enumerate(policy.ladders)}
    found = sorted(
        ((*by_limit[binding.limit.name], binding) for binding in admission.bindings(call).counted
         if binding.limit.name in by_limit),
        key=lambda each: each[0],
    )  # fmt: skip
    charges = [binding.charge(0, now) for _, _, binding in found]
    watch, *levels = counters.read([WATCH, *charges, *(signal.charge for signal in signals)])
    filled = []
    for (_, ladder, binding), charge, level in zip(found, charges, levels, strict=False):
        steps = steps_in_force(ladder, percent_of(binding.limit, charge, level), 0)
        filled.append(Filled(ladder, binding, charge, level, steps))
    said = zip(signals, levels[len(found) :], strict=True)
    filled += [signal.filled() for signal, level in said if is_emergency(level)]
    emergency = policy.emergency if is_emergency(watch) else None
    return becoming(call, filled, emergency, now)


def _denial(filled: Filled, step: Step, priority: Priority, now: int) -> Denial:
    if filled.rule is not None:
        status = Status(filled.binding.limit, filled.binding.scope, 0, 0, None)
        return Denial(status, None, None, "anomaly", f"of ladder {filled.ladder.limit!r}: {step.do}")
    until = filled.charge.until
    detail = f"from {step.at} % on" + (f", calls of priority {priority} are not sent" if step.do == "shed" else "")
    wait = max(until - now, 0) / NS_A_SECOND if until else None
    status = filled.binding.status(filled.level, until or None)
    return Denial(status, None, wait, "shed" if step.do == "shed" else "step", detail)
