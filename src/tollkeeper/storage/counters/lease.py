"""What a process has leased of counters, and what it makes of that by itself: sums in memory, nothing else.

A pool is for calls with the same keys. It holds blocks, which are ordinary holds of some calls' worth, and for each key
a share: the room of all blocks together, what of it calls under way hold, and what was used and is not booked yet.
Moments are nanoseconds of a clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from tollkeeper.storage.counters.contract import Charge, Hold, Level

FRACTION = 50
"""A block is at the most this part of what is left under each cap."""
MOST_CALLS = 1024
SOON, LONG = 100_000_000, 1_000_000_000
"""A block that is used up sooner was too small, and one that lasts longer too large: a tenth of a second, and one."""


class Share:
    """Of one key. What is used beyond its room makes it negative, until it is booked."""

    __slots__ = ("assumed", "booked", "charge", "hard", "held", "others", "room", "spent", "typical")

    def __init__(self, charge: Charge) -> None:
        self.charge = charge
        self.hard = charge.hard
        self.room = self.held = self.booked = 0
        self.spent = self.others = self.assumed = 0
        self.typical = charge.amount

    def has(self, amount: int, now: int) -> bool:
        """Whether there is room for a call. What is not hard is counted only."""
        return not self.hard or self.booked + self.held + amount <= self.room

    def take(self, amount: int, now: int) -> Level:
        """A call begins. How the key stands then, as far as is known here; so with `give`."""
        self.held = held = self.held + amount
        return Level(self.spent + self.booked, self.others + held, self.assumed)

    def give(self, amount: int, used: int, now: int) -> Level:
        """A call that held `amount` has ended."""
        self.held = held = self.held - amount
        self.booked = booked = self.booked + used
        return Level(self.spent + booked, self.others + held, self.assumed)

    def add(self, amount: int, now: int) -> None:
        """A new block."""
        self.room += amount

    def free(self, now: int) -> int:
        """What nobody uses; below zero, what was used beyond the room."""
        return self.room - self.held - self.booked

    def due(self, amount: int, now: int) -> int:
        """What to book when a block of this amount is given back."""
        return min(self.booked, amount + max(-self.free(now), 0))

    def remove(self, amount: int, booked: int, now: int) -> None:
        """A block is given back, with so much booked."""
        self.room -= amount
        self.booked -= booked

    def excess(self, now: int) -> int:
        """What a hard share was used beyond its room: to be booked without a block."""
        return max(-self.free(now), 0) if self.hard else 0

    def forgive(self, excess: int) -> None:
        """It was booked."""
        self.booked -= excess

    def note(self, level: Level, now: int) -> None:
        """How the counters stood, with this share's room among what is held."""
        self.spent, self.others, self.assumed = level.spent, max(level.held - self.room, 0), level.assumed

    def reckon(self, amount: int, used: int) -> None:
        """So much of a hold will have been used when it is booked; nobody has told yet how the counters stand then."""
        change = used - amount if self.charge.kind == "rate" else used
        self.spent = max(self.spent + change, 0)

    def level(self, now: int) -> Level:
        """How they stood, and what happened here since."""
        return Level(self.spent + self.booked, self.others + self.held, self.assumed)

    def affords(self, level: Level) -> int:
        """How many calls a block may be for, as the counters stand."""
        if not self.hard or self.typical <= 0:
            return MOST_CALLS
        return (self.charge.cap - level.spent - level.held) // FRACTION // self.typical

    def worth(self, calls: int) -> int:
        """How much a block for so many calls has of it."""
        return self.typical * calls

    def seen(self, level: Level, now: int) -> Level:
        """A level as others see it, without what is leased here and used by nobody."""
        return Level(level.spent + self.booked, max(level.held - self.room + self.held, 0), level.assumed)


class SlotShare(Share):
    """Of slots: what is held, only."""

    __slots__ = ()

    def give(self, amount: int, used: int, now: int) -> Level:
        self.held = held = self.held - amount
        return Level(self.spent, self.others + held, self.assumed)


class RateShare(Share):
    """Of a hard rate. What lies here unused is never more than what the bucket lacks to be full.

    Otherwise the bucket would be full, and this be there besides. `full_at` is when the bucket is full if nobody takes
    anything: then all of this has flowed away. `left` is what was there when it was last looked at.
    """

    __slots__ = ("full_at", "left")

    def __init__(self, charge: Charge) -> None:
        super().__init__(charge)
        self.full_at = self.left = 0

    def has(self, amount: int, now: int) -> bool:
        return amount <= self.free(now)

    def take(self, amount: int, now: int) -> Level:
        self.left = left = self.free(now) - amount
        self.held += amount
        spent = self.spent - left
        return Level(spent if spent > 0 else 0, 0)

    def give(self, amount: int, used: int, now: int) -> Level:
        self.left = left = self.free(now) + amount - used
        self.held -= amount
        spent = self.spent - left
        return Level(spent if spent > 0 else 0, 0)

    def add(self, amount: int, now: int) -> None:
        self.left = self.free(now) + amount
        self.room += amount

    def free(self, now: int) -> int:
        left = self.left
        if left <= 0:
            return left
        if now >= self.full_at:
            return 0
        lacking = (self.full_at - now) * self.charge.cap // self.charge.window
        return left if left < lacking else lacking

    def due(self, amount: int, now: int) -> int:
        free = self.free(now)
        return min(self.room - self.held - free, amount + max(-free, 0))

    def remove(self, amount: int, booked: int, now: int) -> None:
        self.left = self.free(now) - amount + booked
        self.room -= amount

    def forgive(self, excess: int) -> None:
        self.left += excess

    def note(self, level: Level, now: int) -> None:
        self.left = self.free(now)
        super().note(level, now)
        # The level is rounded up.
        self.full_at = now + max(level.spent - 1, 0) * self.charge.window // self.charge.cap

    def reckon(self, amount: int, used: int) -> None:
        super().reckon(amount, used)
        # Never later: what else has flowed out of the bucket meanwhile is not known here.
        self.full_at -= -(-max(amount - used, 0) * self.charge.window // self.charge.cap)

    def level(self, now: int) -> Level:
        return Level(max(self.spent - max(self.free(now), 0), 0), 0, self.assumed)

    def affords(self, level: Level) -> int:
        return (self.charge.burst - level.spent) // FRACTION // self.typical if self.typical > 0 else MOST_CALLS

    def worth(self, calls: int) -> int:
        """And what flows away while they come."""
        wanted, charge = self.typical * calls, self.charge
        spare = (charge.burst - self.spent) // FRACTION - wanted
        return wanted + max(min(charge.cap * 2 * SOON // charge.window, spare), 0)

    def seen(self, level: Level, now: int) -> Level:
        return Level(max(level.spent - max(self.free(now), 0), 0), 0, level.assumed)


def share_of(charge: Charge) -> Share:
    if charge.kind == "slots":
        return SlotShare(charge)
    return RateShare(charge) if charge.kind == "rate" and charge.hard and charge.cap else Share(charge)


class Block(NamedTuple):
    """A hold of the counters', and since when it is there."""

    hold: Hold
    taken_at: int


class Due(NamedTuple):
    """A block to settle, with what was used of it."""

    hold: Hold
    amounts: list[int]


class Pool:
    """Not safe by itself: whoever uses it holds the lock of all pools, but for `filling`: that is for one thread at a
    time, which asks the counters.
    """

    __slots__ = ("_asked_at", "blocks", "calls", "filling", "shares", "size", "used_at")

    def __init__(self, charges: Sequence[Charge], now: int) -> None:
        self.shares = [share_of(charge) for charge in charges]
        self.blocks: deque[Block] = deque()
        self.calls = 0
        self.size = 1
        self.used_at = self._asked_at = now
        self.filling = Lock()

    def grant(self, charges: Sequence[Charge], now: int) -> tuple[Level, ...] | None:
        """Let a call go, if there is room for it here."""
        if not self.blocks:
            return None
        for share, charge in zip(self.shares, charges, strict=True):
            if not share.has(charge.amount, now):
                return None
        self.calls += 1
        self.used_at = now
        return tuple([share.take(charge.amount, now) for share, charge in zip(self.shares, charges, strict=True)])

    def settle(self, charges: Sequence[Charge], amounts: Sequence[int], now: int) -> tuple[Level, ...]:
        """A call that was let go here has ended."""
        self.calls -= 1
        ended = zip(self.shares, charges, amounts, strict=True)
        return tuple([share.give(charge.amount, used, now) for share, charge, used in ended])

    def levels(self, now: int) -> tuple[Level, ...]:
        return tuple([share.level(now) for share in self.shares])

    def note(self, levels: Sequence[Level], asked_at: int) -> None:
        """What the counters answered to a question of that moment."""
        for share, level in zip(self.shares, levels, strict=True):
            share.note(level, asked_at)

    def reckon(self, charges: Sequence[Charge], amounts: Sequence[int]) -> None:
        """A hold was settled, and the counters have not told how they stand."""
        for share, charge, used in zip(self.shares, charges, amounts, strict=True):
            share.reckon(charge.amount, used)

    def expect(self, charges: Sequence[Charge]) -> None:
        """Remember how much a call asks for."""
        for share, charge in zip(self.shares, charges, strict=True):
            share.typical = -(-(share.typical * 7 + charge.amount) // 8)

    def grow(self, levels: Sequence[Level], now: int) -> None:
        """There was room: how large the next block may be."""
        since, self._asked_at = now - self._asked_at, now
        self.used_at = now
        size = self.size * 2 if since < SOON else self.size if since < LONG else self.size // 2
        affordable = min([share.affords(level) for share, level in zip(self.shares, levels, strict=True)])
        self.size = max(min(size, affordable, MOST_CALLS), 1)

    def wanted(self, now: int) -> int:
        """For how many calls a block is asked for. One, after a pause."""
        return self.size if now - self._asked_at < LONG else 1

    def amounts(self, charges: Sequence[Charge], calls: int) -> list[int]:
        """For a block of so many calls, this one among them."""
        return [max(charge.amount, share.worth(calls)) for share, charge in zip(self.shares, charges, strict=True)]

    def add(self, hold: Hold, levels: Sequence[Level], now: int) -> None:
        """A block was got, that was asked for at that moment."""
        self.blocks.append(Block(hold, now))
        for share, charge in zip(self.shares, hold.charges, strict=True):
            share.add(charge.amount, now)
        self.note(levels, now)

    def pop(self, now: int, want: Sequence[int]) -> Due | None:
        """The oldest block, if what is free without it is still as much as `want`; and never the last one."""
        if len(self.blocks) < 2:
            return None
        charges = self.blocks[0].hold.charges
        for share, charge, wanted in zip(self.shares, charges, want, strict=True):
            unused = charge.amount - share.due(charge.amount, now)
            if share.hard and unused > 0 and share.free(now) - unused < wanted:
                return None
        return self._remove(now)

    def empty(self, now: int) -> list[Due]:
        """All blocks, when no call is under way."""
        return [self._remove(now) for _ in range(len(self.blocks))] if not self.calls else []

    def excess(self, now: int) -> list[int]:
        """What was used beyond the blocks, to be booked at once; from now on it counts as booked."""
        found = [share.excess(now) for share in self.shares]
        for share, amount in zip(self.shares, found, strict=True):
            share.forgive(amount)
        return found

    def is_slack(self, now: int) -> bool:
        """Whether there is more here than the calls under way need, or something to book."""
        return any(share.room > share.held for share in self.shares)

    def _remove(self, now: int) -> Due:
        hold = self.blocks.popleft().hold
        amounts = [share.due(charge.amount, now) for share, charge in zip(self.shares, hold.charges, strict=True)]
        for share, charge, booked in zip(self.shares, hold.charges, amounts, strict=True):
            share.remove(charge.amount, booked, now)
        return Due(hold, amounts)
