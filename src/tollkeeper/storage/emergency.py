"""The emergency: a state that all who share counters see. It is kept in them, and nothing but a person ends it.

Its count only grows, and each change of it has an id of its own: so two who enter, or leave, at once do it once. While
it is odd, there is an emergency.
"""

from __future__ import annotations

from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.policy.period import LENGTHS
from tollkeeper.storage.counters import Counters, Hold

KEY = "emergency"
WATCH = Charge(KEY, 0, LARGEST_AMOUNT, hard=False)
"""Held with each call, it takes nothing, and tells the state without another question."""


def is_emergency(level: Level) -> bool:
    """Whether the level of `WATCH`, or of another such state, says so."""
    return level.spent % 2 == 1


class Switch:
    """Reads and changes such a state. Every method may raise `CountersUnavailable`. `owner` is who does it.

    `charge` names the state, and takes nothing.
    """

    def __init__(self, counters: Counters, owner: str, charge: Charge) -> None:
        self._counters = counters
        self._owner = owner
        self._charge = charge

    def is_on(self) -> bool:
        """Whether the state holds."""
        return is_emergency(self._level(self._charge))

    def enter(self) -> bool:
        """Begin it. False: it has begun already."""
        return self._turn(to=True)

    def leave(self) -> bool:
        """End it. False: it did not hold."""
        return self._turn(to=False)

    def _turn(self, *, to: bool) -> bool:
        level = self._level(self._charge)
        if is_emergency(level) is to:
            return False
        self._book(self._charge, f"{self._charge.key} {level.spent + 1}")
        return True

    def _book(self, charge: Charge, id: str) -> None:
        self._counters.settle(Hold(id, self._owner, self._counters.now(), (charge,)), (1,))

    def _level(self, charge: Charge) -> Level:
        (level,) = self._counters.read((charge,))
        return level


class EmergencySwitch(Switch):
    """That of the emergency."""

    def __init__(self, counters: Counters, owner: str) -> None:
        super().__init__(counters, owner, WATCH)

    def enter_once(self, cause: Charge) -> bool:
        """Begin one because of a limit, once for each of its periods: who has ended it is not overruled.

        Of a limit whose usage has no period, once in the time that its window takes, or in an hour.
        """
        now = self._counters.now()
        length = cause.window or LENGTHS["hour"]
        until = cause.until or now - now % length + length
        mark = Charge(f"{KEY} by {cause.key} {until}", 0, LARGEST_AMOUNT, False, "period", until)
        if self._level(mark).spent:
            return False
        entered = self.enter()
        self._book(mark, mark.key)
        return entered
