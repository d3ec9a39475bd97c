"""What calls are like: how spend is spread over them, and what was paid for in vain. From sums that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tollkeeper.insight.cache_use import Judged, nothing
from tollkeeper.insight.histogram import NANO_USD

TRUNCATED = frozenset(
    ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "incomplete")
)
"""How providers say that an answer was cut at its longest, in lower case. `incomplete` is what OpenAI's Responses say,
also of an answer that a content filter has stopped."""

LARGE_INPUT = 32_000
"""Tokens of input, from which a call is a large one."""
TINY_SHARE = 100
"""Output of less than a hundredth of the input is tiny."""
DEAREST_SHARE = 0.01

MOST_SESSIONS = 100
"""Kept of each stretch of time, the dearest: a session is told of if it is among them."""


@dataclass(slots=True)
class Spent:
    """Some calls, and what those cost of which that is known (`costed`)."""

    calls: int = 0
    costed: int = 0
    nano_usd: int = 0

    def add(self, other: Spent) -> None:
        """Those of another one, too."""
        self.calls += other.calls
        self.costed += other.costed
        self.nano_usd += other.nano_usd


@dataclass(slots=True)
class Tally:
    """Sums over the calls of some time; they add up.

    `sizes` are how many calls cost so much, and what they cost together, by place of `histogram.NANO_USD`.
    `retried` are attempts beyond the first, `billed_failures` failed calls with a cost. `finished` are answered calls
    by the first of their finish reasons, in lower case, '' where none is known. `large` calls have put in much, `idle`
    ones for very little. `long_context` are calls whose input was so long that a dearer price held; `nano_usd` of
    `surcharge` is by how much.
    """

    all: Spent = field(default_factory=Spent)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    failed: Spent = field(default_factory=Spent)
    billed_failures: Spent = field(default_factory=Spent)
    retried: Spent = field(default_factory=Spent)
    finished: dict[str, Spent] = field(default_factory=dict)
    large: Spent = field(default_factory=Spent)
    idle: Spent = field(default_factory=Spent)
    idle_input_tokens: int = 0
    long_context: Spent = field(default_factory=Spent)
    surcharge: Spent = field(default_factory=Spent)
    sessions: dict[str, Spent] = field(default_factory=dict)
    cache: Judged = field(default_factory=nothing)

    def add(self, other: Tally) -> None:
        """The calls of another time, too."""
        for name in ("all", "failed", "billed_failures", "retried", "large", "idle", "long_context", "surcharge"):
            getattr(self, name).add(getattr(other, name))
        self.idle_input_tokens += other.idle_input_tokens
        for place, (calls, nano_usd) in other.sizes.items():
            known = self.sizes.get(place, (0, 0))
            self.sizes[place] = known[0] + calls, known[1] + nano_usd
        for into, more in ((self.finished, other.finished), (self.sessions, other.sessions)):
            for name, spent in more.items():
                into.setdefault(name, Spent()).add(spent)
        self.cache.add(other.cache)

    @property
    def truncated(self) -> Spent:
        """Answered calls whose answer was cut at its longest."""
        found = Spent()
        for reason, spent in self.finished.items():
            if reason in TRUNCATED:
                found.add(spent)
        return found

    @property
    def told_why(self) -> int:
        """Answered calls of which it is known why they ended."""
        return sum(spent.calls for reason, spent in self.finished.items() if reason)


class HeavyTail(NamedTuple):
    """The dearest calls: how many they are, from which cost on, and what they cost. `share` is of all spend."""

    calls: int
    of: int
    least_nano_usd: int | None
    nano_usd: int
    share: float | None


def heavy_tail(sizes: Mapping[int, tuple[int, int]], dearest: float = DEAREST_SHARE) -> HeavyTail:
    """What the dearest calls cost together, such as one in a hundred; at least one.

    Where the last of them is in a place with others, each of these is taken to cost what they cost on average: that
    is right to 3 % of the place.
    """
    of, spend = sum(calls for calls, _ in sizes.values()), sum(nano_usd for _, nano_usd in sizes.values())
    wanted = max(round(of * dearest), 1) if of else 0
    left, taken, least = wanted, Fraction(0), None
    for place in sorted(sizes, reverse=True):
        calls, nano_usd = sizes[place]
        if not left or not calls:
            continue
        some = min(left, calls)
        taken += Fraction(nano_usd * some, calls)
        left -= some
        least = round(NANO_USD.begins(place)) if some == calls else round(Fraction(nano_usd, calls))
    return HeavyTail(wanted, of, least, round(taken), float(taken / spend) if spend else None)


def is_idle(input_tokens: int, output_tokens: int) -> bool:
    """Whether much was put in for very little: a context that may not have been needed."""
    return input_tokens >= LARGE_INPUT and output_tokens * TINY_SHARE < input_tokens


def dearest_sessions(tally: Tally, most: int) -> list[tuple[str, Spent]]:
    """Sessions by what they cost, then by calls."""
    found = sorted(tally.sessions.items(), key=lambda each: (-each[1].nano_usd, -each[1].calls, each[0]))
    return found[:most]
