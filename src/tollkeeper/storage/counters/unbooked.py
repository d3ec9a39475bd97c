"""What has been settled and is not known to be booked, and how the keys stand then, as far as can be told from here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count, islice
from threading import Lock

from tollkeeper.storage.counters.contract import Charge, Level, Reckoned, Settlement

log = logging.getLogger("tollkeeper")

KNOWN_KEYS = 4096

Numbered = tuple[int, Settlement]


class Unbooked:
    """Settlements, the oldest first. Beyond `most` of them the oldest are dropped, and counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: dict[int, Settlement] = {}
        self._numbers = count()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, settlement: Settlement) -> None:
        with self._lock:
            self._kept[next(self._numbers)] = settlement
            while len(self._kept) > self._most:
                self.dropped += 1
                oldest = self._kept.pop(next(iter(self._kept)))
                log.error("the counters are away for too long: what %s has used is not booked", oldest.hold.id)

    def first(self, most: int) -> list[Numbered]:
        """The oldest, with their numbers."""
        with self._lock:
            return list(islice(self._kept.items(), most))

    def remove(self, settled: Sequence[Numbered]) -> None:
        """They are booked, or nobody will ever book them."""
        with self._lock:
            for number, _ in settled:
                self._kept.pop(number, None)


class LastLevels:
    """How keys stood when the counters last told of them, and what has ended here since."""

    def __init__(self) -> None:
        self._known: dict[str, Level] = {}

    def note(self, charges: Sequence[Charge], levels: Sequence[Level]) -> None:
        """They have told."""
        if len(self._known) > KNOWN_KEYS:
            self._known = {}
        for charge, level in zip(charges, levels, strict=True):
            self._known[charge.key] = level

    def after(self, settlement: Settlement) -> Reckoned:
        """A call has ended."""
        levels, (hold, amounts, assumed) = [], settlement
        for charge, used in zip(hold.charges, amounts, strict=True):
            level = self._known.get(charge.key)
            if level is None:
                level = Level(0 if charge.kind == "slots" else used, 0, used if assumed else 0)
            else:
                level = self._known[charge.key] = _after(charge, level, used, assumed)
            levels.append(level)
        return Reckoned(levels)


def _after(charge: Charge, level: Level, used: int, assumed: bool) -> Level:
    spent, held, guessed = level
    if charge.kind == "rate":
        return Level(max(spent + used - charge.amount, 0), held, guessed)
    held = max(held - charge.amount, 0)
    return Level(spent, held) if charge.kind == "slots" else Level(spent + used, held, guessed + used * assumed)
