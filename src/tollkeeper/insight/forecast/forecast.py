"""Where a period of a series will end, put together: what is known of today, the days that follow, prices, a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Any, Final, Literal, NamedTuple

from tollkeeper.insight.forecast.calibration import Calibration, Coverage, Key, Spread
from tollkeeper.insight.forecast.contest import LEAST, LONGEST, Backtest, Standing, backtest
from tollkeeper.insight.forecast.days import days_of
from tollkeeper.insight.forecast.outlook import Coming, Outlook, outlook
from tollkeeper.insight.forecast.within_day import HOURS, Hours

Horizon = Literal["day", "week", "month"]

EVENLY: Final = Hours((), ())
"""Of a day of which nothing is known."""


class History(NamedTuple):
    """Whole days of a series from `first` on, the last one yesterday; its last weeks by hours, where they are known."""

    first: date
    amounts: Sequence[float]
    hours: Hours | None = None
    flagged: frozenset[int] = frozenset()


class Day(NamedTuple):
    """One of the days that are left of a period: when it ends, and how many times what they are now prices are then."""

    end: int
    factor: float = 1.0


class Period(NamedTuple):
    """What is known of a period at a moment `now`, in nanoseconds.

    `today` is the date there, and `hour` what the clock shows: 13.5 at half past one. `spent` is what the period has
    used, in the unit of the series; `days` are those that are left, this one included.
    """

    horizon: Horizon
    now: int
    today: date
    hour: float
    days: Sequence[Day]
    spent: float
    budget: float | None = None


class Forecast(NamedTuple):
    """What is published of a period: its outlook, what made it, and how good such forecasts were.

    `error` is that of totals of as many days in the past, as a part of them; `coverage` how many such totals were
    within the intervals, of this series and of all.
    """

    outlook: Outlook
    days: int
    history: int
    standings: Sequence[Standing]
    error: float | None
    coverage: Sequence[Coverage]
    coverage_of_all: Sequence[Coverage]


class Forecaster:
    """Of many series, at one moment. Each is looked at once, however many periods are asked for."""

    def __init__(
        self, histories: Mapping[Any, History], hour: Mapping[Any, tuple[date, float, float]] | None = None
    ) -> None:
        """`hour`: of series with hours, the day that it is, its hour, and what was used on it."""
        self._histories = histories
        self._backtests = {
            key: backtest(days_of(each.first, each.amounts, each.flagged))
            for key, each in histories.items()
            if len(each.amounts) >= LEAST
        }
        self._calibration = Calibration(self._backtests)
        self._today: dict[Key, Backtest] = {}
        for key, (day, at, used) in (hour or {}).items():
            hours = histories[key].hours
            if hours is not None and (found := hours.backtest(day, at, used)) is not None:
                self._today[key] = found
        self._today_calibration = Calibration(self._today)

    def of(self, key: Key, period: Period, hours: Hours | None = None) -> Forecast:
        """`hours` are of another series, to know a day's course by where this one has none of its own."""
        known = self._histories[key].hours or hours or EVENLY
        is_day = period.horizon == "day"
        found = self._backtests.get(key)
        if found is None:
            length = len(self._histories[key].amounts)
            return self._nothing(period, f"there are {length} days of history; it takes {LEAST}", length)
        coming = self._day(key, period, found, known) if is_day else self._days(key, period, found, known)
        left = len(period.days)
        own = self._today if is_day and key in self._today else self._backtests
        measured = self._today_calibration if own is self._today else self._calibration
        judged = own[key]
        nearest = min(judged.errors, key=lambda each: abs(each - left), default=None)
        return Forecast(
            outlook(period.now, period.spent, coming, period.budget), left, found.length, judged.standings,
            None if nearest is None else judged.errors[nearest],
            measured.coverage(left, key), measured.coverage(left),
        )  # fmt: skip

    def _nothing(self, period: Period, reason: str, length: int) -> Forecast:
        """Of a series that is too new: what was spent is all that is known."""
        exceeds = 1.0 if period.budget is not None and period.spent > period.budget else None
        empty = Outlook(period.spent, None, None, None, None, None, (), exceeds, None, reason)
        return Forecast(empty, len(period.days), length, (), None, (), ())

    def _rest(self, key: Key, period: Period, found: Backtest, hours: Hours) -> tuple[float, Spread | str]:
        """Of today."""
        if (today := self._today.get(key)) is not None:
            spread = self._today_calibration.spread(key, 1)
            if isinstance(spread, Spread):
                return today.ahead[0], spread
        return found.ahead[0] * hours.left(period.today, period.hour), self._calibration.spread(key, 1)

    def _days(self, key: Key, period: Period, found: Backtest, hours: Hours) -> list[Coming]:
        rest, spread = self._rest(key, period, found, hours)
        left = period.days[:LONGEST]
        amounts = [rest, *(amount * day.factor for amount, day in zip(found.ahead[1:], left[1:], strict=False))]
        coming = []
        for number, (day, amount) in enumerate(zip(left, accumulate(amounts), strict=True), 1):
            coming.append(Coming(day.end, amount, found.usual * number, self._calibration.spread(key, number)))
        coming[0] = coming[0]._replace(spread=spread)
        return coming

    def _day(self, key: Key, period: Period, found: Backtest, hours: Hours) -> list[Coming]:
        """By hours, as the rest of a day usually comes."""
        rest, spread = self._rest(key, period, found, hours)
        end = period.days[0].end
        left = hours.left(period.today, period.hour)
        shown = [hour for hour in range(int(period.hour) + 1, HOURS) if left]
        coming = []
        for hour in shown:
            until = period.now + round((end - period.now) * (hour - period.hour) / (HOURS - period.hour))
            share = 1 - hours.left(period.today, hour) / left
            coming.append(Coming(until, rest * share, found.usual * share, spread))
        return [*coming, Coming(end, rest, found.usual, spread)]
