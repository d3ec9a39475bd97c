"""How far each limit that drives a ladder has filled, as far as this process knows; and what its calls become then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from tollkeeper.capture import faults
from tollkeeper.capture.thresholds import Crossing
from tollkeeper.model import Call, Denial, Status
from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.finding import Severity
from tollkeeper.model.ladder import Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binding
from tollkeeper.policy.ladder import NO_CHANGE, Change, stays, steps_in_force
from tollkeeper.policy.wording import whom
from tollkeeper.storage.admission import NS_A_SECOND, Admission
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.emergency import WATCH, is_emergency
from tollkeeper.storage.ladders import NOTHING_GOES, Filled, Signal, Signals, becoming, percent_of

log = logging.getLogger("tollkeeper")

LOOK_AGAIN_NS = 2 * NS_A_SECOND
"""What is known from a call that was longer ago than this is looked up: others may have used the limit since."""

KEPT = 4096


class _Standing:
    """A limit, for those who share its usage, in one period. `in_force` is how many steps are."""

    __slots__ = ("in_force", "level", "seen_at")

    def __init__(self) -> None:
        self.in_force = 0
        self.level = Level(0, 0)
        self.seen_at = 0


class Ladders:
    """The ladders of a policy, and its emergency. It learns from each reservation and settlement of this process."""

    def __init__(
        self, admission: Admission, policy: Policy, tell: Callable[[Crossing], object], before: Ladders | None = None
    ) -> None:
        self._admission = admission
        self._emergency_does = policy.emergency
        self._by_limit = {ladder.limit: ladder for ladder in policy.ladders}
        self._order = {ladder.limit: number for number, ladder in enumerate(policy.ladders)}
        self._tell = tell
        # What another policy was told already is not told again, and steps in force are not left for it.
        is_kept = before is not None and before._by_limit == self._by_limit
        self._standing: dict[str, _Standing] = before._standing if before is not None and is_kept else {}
        self._emergency_level: Level = before._emergency_level if before is not None else Level(0, 0)
        self._emergency_seen_at = 0
        self._signals = Signals(policy)
        # By key: whether it held when it was last looked at, and when that was.
        self._signalled: dict[str, tuple[bool, int]] = {}

    def change(self, call: Call) -> Change | Denial:
        """What becomes of a call, by how the limits of its ladders stand; or why it is not sent."""
        admission = self._admission
        now = admission.counters.now()
        found = []
        for binding in admission.bindings(call).counted:
            ladder = self._by_limit.get(binding.limit.name)
            if ladder is not None:
                charge = binding.charge(0, now)
                found.append((ladder, binding, charge, self._look(binding, charge, now)))
        emergency = self._emergency_does if self._emergency_does is not None and self._is_emergency(now) else None
        signals = self._signals.of(call)
        held = self._held(signals, now) if signals else ()
        if emergency is None and not held and not any(known.in_force for _, _, _, known in found):
            return NO_CHANGE
        found.sort(key=lambda each: self._order[each[0].limit])
        filled = [
            Filled(ladder, binding, charge, known.level, known.in_force) for ladder, binding, charge, known in found
        ]
        filled += [signal.filled() for signal in held]
        return becoming(call, filled, emergency, now)

    def learn(self, bindings: Sequence[Binding], charges: Sequence[Charge], levels: Sequence[Level]) -> None:
        """Take note of how limits stand. The emergency's charge comes last, if it is there."""
        now = self._admission.counters.now()
        for binding, charge, level in zip(bindings, charges, levels, strict=False):
            ladder = self._by_limit.get(binding.limit.name)
            if ladder is not None:
                self._note(ladder, binding, charge, level, now)
        # The emergency's count only grows: a lower one is of before, as a lease has it.
        if len(charges) > len(bindings) and levels[-1].spent >= self._emergency_level.spent:
            self._see_emergency(levels[-1], now)

    def look_at_emergency(self) -> bool:
        """Whether there is one, asked of the counters now. Raises `CountersUnavailable`."""
        (level,) = self._admission.counters.read((WATCH,))
        self._see_emergency(level, self._admission.counters.now())
        return is_emergency(level)

    def _look(self, binding: Binding, charge: Charge, now: int) -> _Standing:
        known = self._standing.get(charge.key)
        if known is not None and now - known.seen_at <= LOOK_AGAIN_NS:
            return known
        try:
            (level,) = self._admission.counters.read((charge,))
        except CountersUnavailable:
            # Whether the call may go is for its limits to say; until they can be asked, the steps stay as they were.
            return known or _Standing()
        return self._note(self._by_limit[binding.limit.name], binding, charge, level, now)

    def _held(self, signals: Sequence[Signal], now: int) -> list[Signal]:
        """Those that hold: what anomalies ask for, as it was known a moment ago."""
        never = (False, -LOOK_AGAIN_NS)
        old = [one for one in signals if now - self._signalled.get(one.charge.key, never)[1] > LOOK_AGAIN_NS]
        if old:
            with suppress(CountersUnavailable):
                levels = self._admission.counters.read([one.charge for one in old])
                if len(self._signalled) >= KEPT:
                    self._signalled = {}
                for one, level in zip(old, levels, strict=True):
                    self._tell_signal(one, is_emergency(level))
                    self._signalled[one.charge.key] = is_emergency(level), now
        return [one for one in signals if self._signalled.get(one.charge.key, never)[0]]

    def _tell_signal(self, signal: Signal, is_on: bool) -> None:
        was_on, _ = self._signalled.get(signal.charge.key, (False, 0))
        if is_on is not was_on:
            status = signal.filled().binding.status(Level(0, 0), None)
            how = "hold because of an anomaly" if is_on else "hold no more"
            log.warning("rule %r%s: steps of ladder %r %s", signal.rule, whom(status), signal.ladder.limit, how)

    def _is_emergency(self, now: int) -> bool:
        if now - self._emergency_seen_at > LOOK_AGAIN_NS:
            with suppress(CountersUnavailable):
                return self.look_at_emergency()
        return is_emergency(self._emergency_level)

    def _see_emergency(self, level: Level, now: int) -> None:
        was_on, is_on = is_emergency(self._emergency_level), is_emergency(level)
        self._emergency_level, self._emergency_seen_at = level, now
        if is_on is not was_on:
            if is_on:
                log.critical("EMERGENCY: calls are changed and shed until a person ends it")
                self._tell(Crossing(Status(NOTHING_GOES, {}, 0, 0, None), 100, "emergency"))
            else:
                log.warning("the emergency is over")

    def _note(self, ladder: Ladder, binding: Binding, charge: Charge, level: Level, now: int) -> _Standing:
        known = self._standing.get(charge.key)
        if known is None:
            if len(self._standing) >= KEPT:
                self._standing = {}
            known = self._standing[charge.key] = _Standing()
        known.level, known.seen_at = level, now
        percent = percent_of(binding.limit, charge, level)
        before = known.in_force
        if not stays(ladder, percent, before):
            known.in_force = after = steps_in_force(ladder, percent, before)
            self._moved(ladder, binding, charge, level, (before, after))
        return known

    def _moved(self, ladder: Ladder, binding: Binding, charge: Charge, level: Level, steps: tuple[int, int]) -> None:
        before, after = steps
        status = binding.status(level, charge.until or None)
        for step in ladder.steps[before:after]:
            log.warning("limit %r%s is at %d %%: %s", ladder.limit, whom(status), step.at, step.do)
            self._tell(Crossing(status, step.at, "emergency" if step.do == "emergency" else _severity(step)))
            if step.do == "emergency":
                self._declare(charge)
        for step in ladder.steps[after:before]:
            log.info("limit %r%s is below %d %%: no %s any more", ladder.limit, whom(status), step.at, step.do)

    def _declare(self, charge: Charge) -> None:
        try:
            if self._admission.emergency.enter_once(charge):
                self.look_at_emergency()
        except Exception as fault:  # noqa: BLE001  the boundary to the counters: the next step is in force all the same
            faults.report("declare an emergency", fault)


def _severity(step: Step) -> Severity:
    return "info" if step.do == "alert" and step.at < 80 else "critical" if step.do == "deny" else "warning"
