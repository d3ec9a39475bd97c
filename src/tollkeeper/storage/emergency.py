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
    """Whether the level of `WATCH` says so."""
    return level.spent % 2 == 1


class EmergencySwitch:
    """Reads and changes the state. Every method may raise `CountersUnavailable`. `owner` is who does it."""

    def __init__(self, counters: Counters, owner: str) -> None:
        self._counters = counters
        self._owner = owner

    def is_on(self) -> bool:
        """Whether there is an emergency."""
        return is_emergency(self._level(WATCH))

    def enter(self) -> bool:
        """Begin one. False: there was one already."""
        return self._turn(to=True)

    def leave(self) -> bool:
        """End it. False: there was none."""
        return self._turn(to=False)

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

    def _turn(self, *, to: bool) -> bool:
        level = self._level(WATCH)
        if is_emergency(level) is to:
            return False
        self._book(WATCH, f"{KEY} {level.spent + 1}")
        return True

    def _book(self, charge: Charge, id: str) -> None:
        self._counters.settle(Hold(id, self._owner, self._counters.now(), (charge,)), (1,))

    def _level(self, charge: Charge) -> Level:
        (level,) = self._counters.read((charge,))
        return level
