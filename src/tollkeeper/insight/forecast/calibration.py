"""How far totals are from what was forecast of them: measured on the past of many series, and on a series' own.

Split conformal prediction (Lei et al., "Distribution-free predictive inference for regression", 2018) on the logarithms
of actual by forecast totals, of windows of equal length: each is divided by its series' own scale of such errors, as it
was known then, and the quotients of all series are put together. A series alone has too few windows that do not
overlap: intervals from them cover 64 of 100 where 80 are wanted.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tollkeeper.insight.forecast.contest import HORIZONS, LEAST, Backtest
from tollkeeper.insight.robust import NORMAL, median, quantile_of_sorted

LEVELS: Final = (80, 95)
"""The intervals that are published, in percent."""
PRIOR: Final = 4.0
"""So many windows the scale of all series is worth, beside those of its own."""
WILD: Final = 4.0
"""A window counts for no more than so many usual scales in a series' own."""
TIGHTEST: Final = 0.01
"""The least scale, in logarithms."""

Key = Hashable
"""Which series."""


class Coverage(NamedTuple):
    """Which share of so many totals was within an interval that was made from those before them."""

    level: int
    share: float
    windows: int


class Spread(NamedTuple):
    """What a total may be, as a multiple of its forecast: something between two horizons that were measured.

    `worth` is how many windows were measured, overlaps taken off.
    """

    scales: tuple[float, float]
    scores: tuple[Sequence[float], Sequence[float]]
    weight: float
    worth: float

    def log_ratio(self, share: float) -> float:
        """The logarithm that so great a share of totals is below."""
        # The next total is one more than were measured: the quantile of n + 1, of which n are known.
        share = min(max(0.5 + (share - 0.5) * (1 + 1 / self.worth), 0.0), 1.0)
        return self._between([
            scale * (quantile_of_sorted(scores, share) or 0.0)
            for scale, scores in zip(self.scales, self.scores, strict=True)
        ])  # fmt: skip

    def share_above(self, log_ratio: float) -> float:
        """Which share of totals is more than that."""
        return self._between([
            1 - bisect_right(scores, log_ratio / scale) / len(scores)
            for scale, scores in zip(self.scales, self.scores, strict=True)
        ])  # fmt: skip

    def tells(self, level: int) -> bool:
        """Whether enough was measured for an interval of this level: some beyond each of its ends."""
        return self.worth + 1 >= 200 / (100 - level)

    def _between(self, sides: Sequence[float]) -> float:
        return (1 - self.weight) * sides[0] + self.weight * sides[1]


class _Window(NamedTuple):
    """`age`: how many days before the end of its series it began. `score`: its log ratio by its series' scale then."""

    age: int
    key: Key
    score: float


class _Measured(NamedTuple):
    """All windows of one horizon. `scales` are the series' own, of those that have windows of it."""

    usual: float
    scales: Mapping[Key, float]
    ordered: Sequence[float]
    worth: float
    coverage: Mapping[Key | None, Sequence[Coverage]]


class Calibration:
    """Of many series together, by key. Of different units of time there is to be one each."""

    def __init__(self, backtests: Mapping[Any, Backtest]) -> None:
        misses: dict[int, dict[Key, list[tuple[int, float]]]] = {}
        for key, backtest in backtests.items():
            for miss in backtest.misses:
                misses.setdefault(miss.horizon, {}).setdefault(key, []).append((miss.origin, miss.log_ratio))
        self._measured = {
            horizon: _measured(horizon, misses[horizon], backtests) for horizon in sorted(misses)
        }  # fmt: skip

    def spread(self, key: Key, horizon: int) -> Spread | str:
        """Of totals of so many days of a series; or why too little is known of them."""
        horizons = list(self._measured)
        at = bisect_right(horizons, horizon) - 1
        is_between = at < 0 or horizons[at] != horizon
        if at < 0 or key not in self._measured[horizons[at]].scales or (is_between and at + 1 == len(horizons)):
            longer = min((each for each in HORIZONS if each >= horizon), default=horizon)
            return f"no total of {_days(horizon)} is over yet to measure by: it takes {LEAST + longer} days of history"
        if not is_between:
            sides = [self._measured[horizon]] * 2
            weight = 0.0
        else:
            below, above = horizons[at], horizons[at + 1]
            sides = [self._measured[below], self._measured[above]]
            weight = (horizon - below) / (above - below)
        scales = [each.scales.get(key, each.usual) for each in sides]
        worth = min(each.worth for each in sides)
        found = Spread((scales[0], scales[1]), (sides[0].ordered, sides[1].ordered), weight, worth)
        if not found.tells(LEVELS[0]):
            return f"totals of {_days(horizon)} were measured {worth:.0f} times, in all series together; it takes 9"
        return found

    def coverage(self, horizon: int, key: Key | None = None) -> Sequence[Coverage]:
        """As it was measured at the nearest horizon: of one series, or of all. Empty where nothing was."""
        if not self._measured:
            return ()
        nearest = min(self._measured, key=lambda each: abs(each - horizon))
        return self._measured[nearest].coverage.get(key, ())


def _measured(
    horizon: int, misses: Mapping[Key, Sequence[tuple[int, float]]], backtests: Mapping[Any, Backtest]
) -> _Measured:
    usual = max(NORMAL * (median(abs(ratio) for ours in misses.values() for _, ratio in ours) or 0.0), TIGHTEST)
    windows: list[_Window] = []
    scales: dict[Key, float] = {}
    worth = 0.0
    for key, ours in misses.items():
        length, step = backtests[key].length, backtests[key].step
        scored, scales[key] = _scored(ours, horizon, step, usual)
        # Early ones are of a time when less was known of the series than by now.
        later = scored[len(scored) // 2 :]
        windows += (_Window(length - origin, key, score) for origin, score in later)
        worth += max(1.0, len(later) * step / horizon)
    ordered = sorted(window.score for window in windows)
    return _Measured(usual, scales, ordered, worth, _coverage(windows))


def _scored(
    misses: Sequence[tuple[int, float]], horizon: int, step: int, usual: float
) -> tuple[list[tuple[int, float]], float]:
    """Each by the scale that was known of windows that were over when it began; and the scale that is known by now."""
    part, most = min(1.0, step / horizon), (WILD * usual) ** 2
    squares = [min(ratio * ratio, most) for _, ratio in misses]
    found: list[tuple[int, float]] = []
    total, over = 0.0, 0
    for origin, ratio in misses:
        while misses[over][0] + horizon <= origin:
            total += squares[over]
            over += 1
        found.append((origin, ratio / _scale(total, over, part, usual)))
    return found, _scale(sum(squares), len(squares), part, usual)


def _scale(squares: float, windows: int, part: float, usual: float) -> float:
    """The own scale and that of all, by what each is worth. A window that overlaps others is worth a `part` of one."""
    return math.sqrt((PRIOR * usual * usual + part * squares) / (PRIOR + part * windows))


def _coverage(windows: Iterable[_Window]) -> dict[Key | None, list[Coverage]]:
    """What intervals from the earlier half would have covered of the later half: of each series, and of all."""
    dated = sorted(windows, key=lambda window: -window.age)
    half = len(dated) // 2
    ordered, later = sorted(window.score for window in dated[:half]), dated[half:]
    found: dict[Key | None, list[Coverage]] = {}
    for level in LEVELS if ordered else ():
        tail = (1 - level / 100) / 2
        low, high = quantile_of_sorted(ordered, tail) or 0.0, quantile_of_sorted(ordered, 1 - tail) or 0.0
        counts: dict[Key | None, list[int]] = {}
        for window in later:
            within = low <= window.score <= high
            for key in (None, window.key):
                count = counts.setdefault(key, [0, 0])
                count[0] += within
                count[1] += 1
        for key, (covered, number) in counts.items():
            found.setdefault(key, []).append(Coverage(level, covered / number, number))
    return found


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
