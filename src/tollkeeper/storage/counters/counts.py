"""How one key is counted, by its kind. Memory and SQLite count with these; the scripts of Redis do the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tollkeeper.model.charge import Charge, Kind, Level
from tollkeeper.storage.counters.contract import LATE
from tollkeeper.storage.counters.rate import cost_of, level_of, room_at

_level: Callable[[tuple[int, int, int]], Level] = partial(tuple.__new__, Level)
"""`Level(…)` in half the time: a call of an app asks for ten."""


class Count:
    """One key. Of a rate, `tat` is the moment at which its bucket is full again, and `seen` the last one at which it
    was changed.
    """

    __slots__ = ("assumed", "held", "seen", "spent", "tat", "until")

    def __init__(
        self, until: int, spent: int = 0, held: int = 0, assumed: int = 0, tat: int = 0, seen: int = 0
    ) -> None:
        self.until = until
        self.spent = spent
        self.held = held
        self.assumed = assumed
        self.tat = tat
        self.seen = seen

    def full_until(self, charge: Charge, now: int) -> int | None:
        """When there may be room again (0: nobody can tell); `None` where there is room now."""
        return None if self.spent + self.held + charge.amount <= charge.cap else charge.until

    def hold(self, charge: Charge, now: int) -> Level:
        """Hold what is asked for, whether there is room or not."""
        self.held = held = self.held + charge.amount
        return _level((self.spent, held, self.assumed))

    def book(self, charge: Charge, amount: int, assumed: bool, live: bool, expired: bool, now: int) -> Level:
        """Book what was used. `live`: the hold is still there; `expired`: it was charged in full before."""
        if live:
            self.held -= charge.amount
        return _level((self.spent, self.held, self.assumed))

    def lapse(self, charge: Charge) -> None:
        """Charge in full what nobody has settled in time."""
        self.held -= charge.amount

    def level(self, charge: Charge, now: int) -> Level:
        """How it stands."""
        return _level((self.spent, self.held, self.assumed))

    def is_wanted(self, now: int) -> bool:
        """Whether anybody may still ask for it."""
        if self.held or self.spent and not self.until:
            return True
        return max(self.until, self.tat) + LATE > now


class Slots(Count):
    """What is held, only."""

    __slots__ = ()


class Period(Count):
    """A sum."""

    __slots__ = ()

    def book(self, charge: Charge, amount: int, assumed: bool, live: bool, expired: bool, now: int) -> Level:
        self.spent += amount
        if assumed:
            self.assumed += amount
        if live:
            self.held -= charge.amount
        elif expired:
            self.spent -= charge.amount
            self.assumed -= charge.amount
        return _level((self.spent, self.held, self.assumed))

    def lapse(self, charge: Charge) -> None:
        self.held -= charge.amount
        self.spent += charge.amount
        self.assumed += charge.amount


class Rate(Count):
    """A bucket. What it holds for a call is out of it at once, and stays so if nobody settles.

    It is refilled as the clock goes forward. Where that was set back, as much is out of the bucket as was at `seen`:
    neither does it fill up by that, nor does nobody find room until the clock has caught up.
    """

    __slots__ = ()

    def full_until(self, charge: Charge, now: int) -> int | None:
        if now < self.seen:
            self._step_back(now)
        at = room_at(charge, self.tat, now)
        return None if at == now else at

    def hold(self, charge: Charge, now: int) -> Level:
        if now < self.seen:
            self._step_back(now)
        self.seen = now
        if charge.amount:
            tat = self.tat
            self.tat = (tat if tat > now else now) + cost_of(charge, charge.amount)
        return _level((level_of(charge, self.tat, now), 0, 0))

    def book(self, charge: Charge, amount: int, assumed: bool, live: bool, expired: bool, now: int) -> Level:
        if now < self.seen:
            self._step_back(now)
        self.seen = now
        more = amount - charge.amount if live or expired else amount
        if more:
            self.tat = max(self.tat, now if more > 0 else 0) + cost_of(charge, more)
        return _level((level_of(charge, self.tat, now), 0, 0))

    def lapse(self, charge: Charge) -> None:
        pass

    def level(self, charge: Charge, now: int) -> Level:
        if now < self.seen:
            self._step_back(now)
        return _level((level_of(charge, self.tat, now), 0, 0))

    def _step_back(self, now: int) -> None:
        self.tat -= self.seen - now
        self.seen = now


COUNTS: dict[Kind, type[Count]] = {"period": Period, "rate": Rate, "slots": Slots}
