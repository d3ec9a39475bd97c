"""Counters as simple as they can be: they keep every event, and reckon all anew each time. The others must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from tollkeeper.storage.counters import Charge, Held, Hold, Level, Refused


@dataclass
class Reference:
    """`now` is set by the test."""

    now: int = 0
    live: dict[str, Hold] = field(default_factory=dict)
    lapsed: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    booked: list[tuple[str, int, int]] = field(default_factory=list)
    """Key, what was spent, and what of it is assumed; taken back as a negative number."""
    full_at: dict[str, Fraction] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    """Of each bucket, when it was last changed: a clock that is set back beyond that neither fills nor empties it."""

    def reserve(self, hold: Hold) -> Held | Refused:
        self._expire()
        if hold.id in self.live or hold.id in self.lapsed or hold.id in self.settled:
            return Held(self._levels(hold.charges))
        for place, charge in enumerate(hold.charges):
            if charge.hard and not self._has_room(charge):
                return Refused(place, self._level(charge), self._room_at(charge))
        self.live[hold.id] = hold
        for charge in hold.charges:
            if charge.kind == "rate":
                self._pour(charge, charge.amount)
        return Held(self._levels(hold.charges))

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool) -> tuple[Level, ...]:
        self._expire()
        if hold.id not in self.settled:
            was_held = hold.id in self.live or hold.id in self.lapsed
            for charge, amount in zip(hold.charges, amounts, strict=True):
                if hold.id in self.lapsed:
                    self._book(charge, -charge.amount, True)
                self._book(charge, amount, assumed)
                if charge.kind == "rate":
                    self._pour(charge, amount - charge.amount if was_held else amount)
            self.live.pop(hold.id, None)
            self.lapsed.discard(hold.id)
            self.settled.add(hold.id)
        return self._levels(hold.charges)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        self._expire()
        return self._levels(charges)

    def _levels(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        return tuple(self._level(charge) for charge in charges)

    def _expire(self) -> None:
        for hold in [hold for hold in self.live.values() if hold.expires_at <= self.now]:
            del self.live[hold.id]
            self.lapsed.add(hold.id)
            for charge in hold.charges:
                self._book(charge, charge.amount, True)

    def _book(self, charge: Charge, amount: int, assumed: bool) -> None:
        if charge.kind == "period":
            self.booked.append((charge.key, amount, amount if assumed else 0))

    def _level(self, charge: Charge) -> Level:
        if charge.kind == "rate":
            return Level(ceil(self._out(charge)), 0)
        spent = sum(amount for key, amount, _ in self.booked if key == charge.key)
        assumed = sum(amount for key, _, amount in self.booked if key == charge.key)
        held = sum(
            each.amount for hold in self.live.values() for each in hold.charges if each.key == charge.key
        )  # fmt: skip
        return Level(spent, held, assumed)

    def _has_room(self, charge: Charge) -> bool:
        if charge.kind == "rate":
            return self._out(charge) + charge.amount <= charge.burst
        level = self._level(charge)
        return level.spent + level.held + charge.amount <= charge.cap

    def _room_at(self, charge: Charge) -> int | None:
        if charge.kind != "rate":
            return charge.until or None
        if charge.amount > charge.burst:
            return None
        too_much = self._out(charge) + charge.amount - charge.burst
        return ceil(self.now + too_much * charge.window / charge.cap)

    def _out(self, charge: Charge) -> Fraction:
        """What is out of a bucket that is refilled evenly."""
        self._step_back(charge.key)
        left = max(self.full_at.get(charge.key, Fraction(0)) - self.now, Fraction(0))
        return left * charge.cap / charge.window

    def _step_back(self, key: str) -> None:
        back = self.seen.get(key, 0) - self.now
        if back > 0:
            self.full_at[key] -= back
            self.seen[key] = self.now

    def _pour(self, charge: Charge, amount: int) -> None:
        self._step_back(charge.key)
        self.seen[charge.key] = self.now
        known = self.full_at.get(charge.key, Fraction(0))
        start = max(known, Fraction(self.now)) if amount > 0 else known
        self.full_at[charge.key] = start + Fraction(amount * charge.window, charge.cap)
