"""Counts by size, so that quantiles of any number of values need a few hundred numbers, and add up.

Each doubling is divided into 32 equal parts: a value is known to 1/32 of itself, and a quantile lies in the right part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

PARTS = 32


class Scale(NamedTuple):
    """Places for values from two to the power of `first` up to (not including) two to the power of `last`.

    What is smaller is all in place 0; what is larger is in the last place.
    """

    first: int
    last: int

    @property
    def places(self) -> int:
        """How many there are."""
        return (self.last - self.first) * PARTS + 1

    def place(self, value: float) -> int:
        """Where a value is counted. Exact, so that a database that computes it otherwise comes to the same."""
        if value < math.ldexp(1.0, self.first):
            return 0
        if value >= math.ldexp(1.0, self.last):
            return self.places - 1
        fraction, exponent = math.frexp(value)
        return (exponent - 1 - self.first) * PARTS + int((2 * fraction - 1) * PARTS) + 1

    def begins(self, place: int) -> float:
        """The least value of a place; of the one after the last, what the last one ends with."""
        if place <= 0:
            return 0.0
        octave, part = divmod(place - 1, PARTS)
        return math.ldexp(1 + part / PARTS, self.first + octave)

    def quantile(self, counts: Mapping[int, int], share: float) -> float | None:
        """The value that so great a share of one is below; inside of a place, a straight line. `None` of nothing."""
        total = sum(counts.values())
        if not total:
            return None
        wanted = share * total
        seen = 0
        place = 0
        for place in sorted(counts):
            number = counts[place]
            if number and seen + number >= wanted:
                begins, ends = self.begins(place), self.begins(place + 1)
                return begins + (ends - begins) * max(wanted - seen, 0.0) / number
            seen += number
        return self.begins(place + 1)


SECONDS = Scale(-10, 13)
"""Latencies: from 1 ms to 2 h."""
NANO_USD = Scale(10, 50)
"""Costs of calls: from a millionth of a dollar to a million dollars."""
