"""Counters that a test can have go away, before they do what they are asked, or after; and such that are far away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tollkeeper.storage.counters import Charge, Counters, CountersUnavailable, Held, Hold, Level, Refused
from tollkeeper.storage.counters.contract import Settlement

T = TypeVar("T")


class Failing:
    """`away`: they do nothing. `mute`: they do what they are asked, and nobody hears of it."""

    def __init__(self, inner: Counters) -> None:
        self.inner = inner
        self.away = self.mute = False
        self.asked = 0

    def now(self) -> int:
        return self.inner.now()

    def reserve(self, hold: Hold) -> Held | Refused:
        return self._ask(lambda: self.inner.reserve(hold))

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        return self._ask(lambda: self.inner.settle(hold, amounts, assumed))

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        return self._ask(lambda: self.inner.read(charges))

    def holds(self) -> Sequence[Hold]:
        return self._ask(self.inner.holds)

    def close(self) -> None:
        self.inner.close()

    def _ask(self, question: Callable[[], T]) -> T:
        self.asked += 1
        if self.away:
            raise CountersUnavailable("they are away")
        answer = question()
        if self.mute:
            raise CountersUnavailable("their answer was lost")
        return answer


class Far(Failing):
    """Take several things at once, as a sidecar does. `questions` are what they were asked, by name."""

    def __init__(self, inner: Counters) -> None:
        super().__init__(inner)
        self.questions: list[str] = []

    def reserve_after(self, settled: Sequence[Settlement], hold: Hold) -> Held | Refused:
        self.questions.append(f"{len(settled)} settled, then {hold.id}")
        return self._ask(lambda: (self._settle(settled), self.inner.reserve(hold))[1])

    def settle_all(self, settled: Sequence[Settlement]) -> None:
        self.questions.append(f"{len(settled)} settled")
        self._ask(lambda: self._settle(settled))

    def _settle(self, settled: Sequence[Settlement]) -> None:
        for each in settled:
            self.inner.settle(*each)
