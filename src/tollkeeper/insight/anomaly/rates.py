"""What share of calls is usual, when calls are few or many: on the scale of the angle whose sine squared is the share.

There the noise of a share of n calls is 1 / (2 √n), whatever the share is (Anscombe, The transformation of Poisson,
binomial and negative-binomial data, Biometrika 35, 1948); on top comes what shares differ by from hour to hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from tollkeeper.insight.robust import median
from tollkeeper.insight.series import Step

_CLIP: Final = 2.0
_FIRST_RATE: Final = 0.01
_FIRST_CALLS: Final = 100.0
"""What a new series is taken for: so many calls of which one in a hundred failed."""
_LEAST_SD: Final = 0.015
"""However many calls there are, a share of one percent moves by a third of itself."""
_MEMORY: Final[dict[Step, float]] = {"day": 28.0, "hour": 24.0 * 7}


class RateScore(NamedTuple):
    """The share that was expected, and how many standard deviations off it is."""

    expected: float
    score: float


class RateBaseline:
    """Learns one series of shares, interval after interval; only ever from the past."""

    def __init__(self, step: Step) -> None:
        self._memory = _MEMORY[step]
        self._angle = _angle(_FIRST_RATE, _FIRST_CALLS)
        self._variance = 1 / (4 * _FIRST_CALLS)
        self._extra = _LEAST_SD**2
        self._seen = 0

    def judge(self, share: float, calls: int) -> RateScore | None:
        """How far off it is; nothing, before there has been any."""
        if not self._seen:
            return None
        return RateScore(_share(self._angle), (_angle(share, calls) - self._angle) / self._sd(calls))

    def usual(self, calls: int, below: float, above: float) -> tuple[float, float]:
        """The shares so many standard deviations below and above."""
        sd = self._sd(calls)
        return _share(self._angle - below * sd), _share(self._angle + above * sd)

    def learn(self, share: float, calls: int) -> None:
        """Takes in a share that is no anomaly."""
        sd = self._sd(calls)
        off = _angle(share, calls) - self._angle
        if self._seen >= 3:
            off = min(max(off, -_CLIP * sd), _CLIP * sd)
        gain = self._variance / (sd * sd)
        self._angle += gain * off
        drift = (self._extra + 1 / (4 * calls)) / self._memory**2 * 4
        self._variance = self._variance * (1 - gain) + drift
        self._seen += 1
        part = 1 / min(self._seen + 5.0, self._memory)
        self._extra += part * (max(off * off - 1 / (4 * calls) - self._variance, 0.0) - self._extra)
        self._extra = max(self._extra, _LEAST_SD**2)

    def adopt(self, shares: Sequence[float]) -> None:
        """Takes the middle of these for what is usual from now on."""
        middle = median(shares)
        if middle is not None:
            self._angle = math.asin(math.sqrt(middle))
            self._variance = self._extra

    def _sd(self, calls: int) -> float:
        return math.sqrt(self._variance + self._extra + 1 / (4 * calls))


def _angle(share: float, calls: float) -> float:
    return math.asin(math.sqrt((share * calls + 0.375) / (calls + 0.75)))


def _share(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2
