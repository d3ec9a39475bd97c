"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from dataclasses import dataclass

START = 1_790_000_000 * 1_000_000_000


@dataclass
class Clock:
    """The time in nanoseconds since the epoch."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
class SecondsClock:
    """The time in seconds, since any moment."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now
