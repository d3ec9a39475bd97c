"""What counters offer, wherever they are kept.

For each key they hold what was spent; and, apart from it, one row for each call under way: what it may use at the most,
whose it is, and until when. The rule, decided for all keys of a call in one atomic step, all or none:

    spent + what is held + what is asked for <= cap

Settling always books what was truly used, over the cap too. A hold that nobody settles in time is charged in full: its
call may have been sent, and billed. Moments are nanoseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from tollkeeper.model.charge import Charge, Level

LATE = 2 * 86_400_000_000_000
"""For how long after its end a period is still counted in: two days."""

REMEMBERED = 3_600_000_000_000
"""For how long a settled hold is known as settled: an hour. Whoever settles twice, as an answer was lost, does so soon.
One that has expired is known for as long as its period."""


class Hold(NamedTuple):
    """A call under way: its id, whose it is (a process, for people to read), and the last moment to settle it.

    No two of its charges have the same key.
    """

    id: str
    owner: str
    expires_at: int
    charges: tuple[Charge, ...]


class Held(NamedTuple):
    """There was room. The levels are in the order of the charges, with this hold."""

    levels: tuple[Level, ...]


class Refused(NamedTuple):
    """There was no room for the charge at `place`, and nothing is held.

    `retry_at` is the first moment at which there may be; `None` where nobody can tell.
    """

    place: int
    level: Level
    retry_at: int | None


class Settlement(NamedTuple):
    """What a call has used, to be booked: as `Counters.settle` is told of it."""

    hold: Hold
    amounts: tuple[int, ...]
    assumed: bool = False


class Reckoned(tuple[Level, ...]):
    """Levels that nobody was asked for: as they were last known, with what has been used here since."""


class CountersUnavailable(Exception):
    """The counters cannot be reached just now. Nothing is held, or it is until it expires."""


class Unacceptable(CountersUnavailable):
    """The counters can be reached, and do not take this; nor will they when asked again."""


class Counters(Protocol):
    """Safe to use from several threads at once. Every method may raise `CountersUnavailable`."""

    def now(self) -> int:
        """The time by which these counters go: the same for all that share them."""

    def reserve(self, hold: Hold) -> Held | Refused:
        """Hold all charges, or none. Asked again with the same id, it is held once."""

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        """Book what was truly used, in the order of the charges, and give back the hold. Only the first time counts.

        A hold that has expired is corrected; one that is not known is booked all the same. `assumed`: nobody knows
        what was used, and the amounts are the most that it can be.
        """

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        """How the keys stand. Amounts and caps are not looked at."""

    def holds(self) -> Sequence[Hold]:
        """What is under way."""

    def close(self) -> None:
        """Let go of what these counters have open."""


@runtime_checkable
class Carrying(Counters, Protocol):
    """Counters far away, that take several things at once: so that settling needs no question of its own."""

    def reserve_after(self, settled: Sequence[Settlement], hold: Hold) -> Held | Refused:
        """Settle these, in their order, and then reserve. What fails may have been done in part."""

    def settle_all(self, settled: Sequence[Settlement]) -> None:
        """Settle these, in their order. What fails may have been done in part."""


__all__ = [
    "LATE",
    "REMEMBERED",
    "Carrying",
    "Charge",
    "Counters",
    "CountersUnavailable",
    "Held",
    "Hold",
    "Level",
    "Reckoned",
    "Refused",
    "Settlement",
    "Unacceptable",
]
