"""A forecast as it is kept and shown: whole units of what is measured, JSON, nothing that only we understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tollkeeper.insight.forecast.forecast import Forecast, Horizon
from tollkeeper.model.limit import Measure


class Published(NamedTuple):
    """Of one series and period. `limit` names the limit whose budget it is about; else `scope` alone says whose it is.

    Amounts are whole units of the measure: of `usd`, nano-dollars. Moments are nanoseconds since the epoch. `band` has
    rows of a moment and of what will be used by then: low, middle, high. `standings` are rows of a method, its error,
    of how many totals, its weight; `coverage` rows of a level in percent, the share that was within, of how many.
    `price_changes` are rows of a moment, and how many times what it is now the same use costs from then on.
    `foreseen`: people are told that the budget will not last.
    """

    limit: str | None
    scope: Mapping[str, str]
    measure: Measure
    zone: str
    horizon: Horizon
    start: int
    end: int
    at: int
    amount: int | None
    spent: int
    lowest: int | None
    low: int | None
    middle: int | None
    high: int | None
    highest: int | None
    exceeds: float | None
    exhaustion: Sequence[int | None] | None
    band: Sequence[Sequence[int | None]]
    history_days: int
    days_left: int
    standings: Sequence[tuple[str, float | None, int, float]]
    error: float | None
    coverage: Sequence[tuple[int, float, int]]
    coverage_of_all: Sequence[tuple[int, float, int]]
    price_changes: Sequence[tuple[int, float]]
    reason: str | None
    foreseen: bool = False

    @property
    def method(self) -> str | None:
        """The one that has the most to say."""
        return self.standings[0][0] if self.standings else None


def read(document: Mapping[str, Any]) -> Published:
    """One that was written by `written`."""
    return Published(**document)


def written(published: Published) -> dict[str, Any]:
    """As JSON can say it."""
    return published._asdict()


def publish(
    forecast: Forecast,
    *,
    limit: str | None,
    scope: Mapping[str, str],
    measure: Measure,
    zone: str,
    horizon: Horizon,
    start: int,
    end: int,
    at: int,
    amount: int | None,
    price_changes: Sequence[tuple[int, float]] = (),
) -> Published:
    """Rounded to whole units; shares to four figures."""
    found = forecast.outlook
    return Published(
        limit, scope, measure, zone, horizon, start, end, at, amount,
        round(found.spent), _whole(found.lowest), _whole(found.low), _whole(found.middle), _whole(found.high),
        _whole(found.highest), _share(found.exceeds),
        None if found.exhaustion is None else list(found.exhaustion),
        [[point.at, _whole(point.low), _whole(point.middle), _whole(point.high)] for point in found.band],
        forecast.history, forecast.days,
        [(one.method, _share(one.error), one.windows, round(one.weight, 4)) for one in forecast.standings],
        _share(forecast.error),
        [(one.level, round(one.share, 4), one.windows) for one in forecast.coverage],
        [(one.level, round(one.share, 4), one.windows) for one in forecast.coverage_of_all],
        list(price_changes), found.reason,
    )  # fmt: skip


def _whole(amount: float | None) -> int | None:
    return None if amount is None else round(amount)


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
