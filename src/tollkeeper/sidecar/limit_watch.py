"""What counters are asked, seen by those who tell people: that a limit fills, and that it denies calls."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice

from tollkeeper.model import Limit
from tollkeeper.model.charge import Charge, Level
from tollkeeper.sidecar.agreement import LONG_ENOUGH
from tollkeeper.storage.counters import Held, Hold, Refused

LEASE = "lease-"
"""How the ids of blocks begin that `storage.counters.leased` asks for: what is too much for one may do for a call."""
MOST_KEYS = 4096
MOST_CALLS = 8192
"""That are remembered as denied, so that one that asks again counts once, or not at all once it is let go."""


class LimitWatch:
    """Of one sidecar; several threads may use it at once. `on_change` is called when there is news, and is quick."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._denied: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._calls: OrderedDict[str, str] = OrderedDict()

    def settled(self, charges: Sequence[Charge], amounts: Sequence[int], levels: Sequence[Level]) -> None:
        """What was used is booked. News is each percent from the half of a limit on."""
        for charge, amount, level in zip(charges, amounts, levels, strict=True):
            spent, cap = level.spent, charge.cap
            if amount and spent * 2 >= cap and (not cap or spent * 100 // cap != (spent - amount) * 100 // cap):
                self._on_change()
                return

    def answered(self, hold: Hold, answer: Held | Refused) -> None:
        """A call was let go, or denied by what is left of a limit's period.

        Not so if what is left is only held by calls under way: it comes back.
        """
        if isinstance(answer, Held):
            if hold.id in self._calls:
                self._let_go(hold.id)
            return
        charge = hold.charges[answer.place]
        is_used_up = answer.level.spent + charge.amount > charge.cap
        is_call = charge.kind == "period" and not hold.id.startswith(LEASE)
        if is_used_up and is_call and self._note(hold.id, charge):
            self._on_change()

    def denied(self, key: str, now: int) -> int:
        """How many calls a key has denied in its period, which `now` (nanoseconds) is in."""
        with self._lock:
            for old in [each for each, (_, until) in islice(self._denied.items(), 64) if until <= now]:
                del self._denied[old]
            times, until = self._denied.get(key, (0, 0))
        return times if now < until else 0

    def denying(self) -> list[str]:
        """The keys that have denied calls, of periods that may be over."""
        with self._lock:
            return list(self._denied)

    def _note(self, id: str, charge: Charge) -> bool:
        with self._lock:
            if id in self._calls:
                return False
            self._calls[id] = charge.key
            times, _ = self._denied.get(charge.key, (0, 0))
            self._denied[charge.key] = times + 1, charge.until
            self._denied.move_to_end(charge.key)
            for kept, most in ((self._calls, MOST_CALLS), (self._denied, MOST_KEYS)):
                while len(kept) > most:
                    kept.popitem(last=False)
            return True

    def _let_go(self, id: str) -> None:
        with self._lock:
            key = self._calls.pop(id, None)
            times, until = self._denied.get(key or "", (0, 0))
            if times > 1:
                self._denied[key or ""] = times - 1, until
            elif key is not None:
                self._denied.pop(key, None)


def tells_denials(limit: Limit) -> bool:
    """Whether its denials are counted: where room comes back soon, a call that waits or asks again is no news."""
    window = limit.window
    is_long = window is not None and not window.rolling and window.unit in LONG_ENOUGH
    return is_long and limit.mode == "hard" and not limit.wait
