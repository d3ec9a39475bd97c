"""What forecasts are made from: days and hours of whatever spends, and of everybody whom a long limit counts for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from tollkeeper.insight.forecast.forecast import Horizon
from tollkeeper.insight.forecast.within_day import Hours, hours_of
from tollkeeper.insight.series import Calendar, Series, Step, calendar
from tollkeeper.model import Limit
from tollkeeper.model.limit import Measure
from tollkeeper.policy.period import LENGTHS
from tollkeeper.sidecar.ledger_use import dimensions_of, sums_of_rows
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.storage.insight.history import History
from tollkeeper.storage.ledger import Ledger, UsageQuery, UsageRow
from tollkeeper.storage.ledger.contract import Dimension

DAY = LENGTHS["day"]
DAYS: Final = 400
"""Of history."""
HOURLY_DAYS: Final = 42
LATELY: Final = 31 * DAY
"""Who has used nothing for so long is not forecast."""
MOST_SCOPES: Final = 100
"""Of each dimension: those that spent the most lately. As many of each limit: the fullest."""
MOST_HOURLY: Final = 20
"""Of them, those that are read by hours too."""
MOST_ROWS: Final = 100_000
"""That one question to the ledger may answer with: of a limit with more, fewer days are read."""
FEWEST_DAYS: Final = 45
SCOPES: Final[tuple[Dimension, ...]] = ("tenant", "project", "service", "feature", "provider", "model")
LONG: Final[tuple[Horizon, ...]] = ("day", "week", "month")
ZONE: Final = "UTC"


class Spender(NamedTuple):
    """One series: whose it is, whole days from `first` on up to yesterday, and what was used today.

    Of a limit, `use` says how it stands. `dimensions` and `values` are what finds its calls in the ledger. `why` is
    there instead of days where they cannot be read.
    """

    scope: Mapping[str, str]
    measure: Measure
    zone: str
    first: date
    amounts: Sequence[float]
    today: float
    hours: Hours | None = None
    use: LimitUse | None = None
    why: str | None = None


def spenders(ledger: Ledger, now: int) -> list[Spender]:
    """The total, and the dearest of each of `SCOPES`, by days of UTC."""
    history = History(ledger)
    found: list[Spender] = []
    for dimension in (None, *SCOPES):
        group_by = () if dimension is None else (dimension,)
        rows = ledger.usage(UsageQuery(now - LATELY, now + 1, group_by))
        dearest = sorted((row for row in rows if all(row.group)), key=lambda row: -row.totals.nano_usd)[:MOST_SCOPES]
        if not dearest:
            continue
        names = tuple(row.group[0] for row in dearest) if dimension else ()
        days = _spend(history, group_by, names, now, DAYS, "day")
        hours = _spend(history, group_by, names[:MOST_HOURLY], now, HOURLY_DAYS, "hour")
        for row in dearest:
            if (series := days.get(row.group)) is not None:
                scope: dict[str, str] = dict(zip(group_by, row.group, strict=True))
                found.append(_spender(scope, "usd", ZONE, series, hours.get(row.group)))
    return found


def _spend(
    history: History, group_by: Sequence[Dimension], names: tuple[str, ...], now: int, days: int, step: Step
) -> dict[tuple[str, ...], Series]:
    filters = dict.fromkeys(group_by, names)
    return history.series(("spend",), group_by, now - days * DAY, now + 1, step, ZONE, filters)["spend"]


def limited(ledger: Ledger, uses: Sequence[LimitUse], now: int) -> list[Spender]:
    """Everybody whom a limit of a calendar's day, week or month counts for: the fullest of each."""
    by_limit: dict[str, list[LimitUse]] = {}
    for use in uses:
        window = use.limit.window
        if window is not None and not window.rolling and window.unit in LONG:
            by_limit.setdefault(use.limit.name, []).append(use)
    found: list[Spender] = []
    for ours in by_limit.values():
        fullest = sorted(ours, key=lambda use: -use.ratio)[:MOST_SCOPES]
        found += _limited(ledger, fullest[0].limit, fullest, now)
    return found


def _limited(ledger: Ledger, limit: Limit, uses: Sequence[LimitUse], now: int) -> list[Spender]:
    dimensions = dimensions_of(limit)
    assert limit.window is not None
    zone = limit.window.zone
    today = calendar(now, now + 1, "day", zone).dates[0]
    if dimensions is None:
        why = "its calls cannot be told apart in the ledger's sums: it names models that were asked for, or free tags"
        return [Spender(use.scope, limit.measure, zone, today, (), 0.0, None, use, why) for use in uses]
    filters: dict[Dimension, tuple[str, ...]] = {
        name: tuple({use.scope[name] for use in uses}) for name in dimensions if name in limit.per
    }
    groups = len(ledger.usage(UsageQuery(now - LATELY, now + 1, dimensions, filters))) or 1
    days = min(DAYS, MOST_ROWS // groups)
    if days < FEWEST_DAYS:
        why = "its calls are by too many for their days to be read"
        return [Spender(use.scope, limit.measure, zone, today, (), 0.0, None, use, why) for use in uses]
    by_day = _sums(ledger, limit, dimensions, filters, calendar(now - days * DAY, now + 1, "day", zone), now)
    hourly = [use for use in uses[:MOST_HOURLY] if limit.window.unit == "day" and groups <= MOST_SCOPES]
    by_hour: dict[tuple[str, ...], Series] = {}
    if hourly:
        when = calendar(now - HOURLY_DAYS * DAY, now + 1, "hour", zone)
        by_hour = _sums(ledger, limit, dimensions, filters, when, now)
    found = []
    for use in uses:
        values = tuple(use.scope[name] for name in limit.per)
        if (series := by_day.get(values)) is not None:
            hours = by_hour.get(values) if use in hourly else None
            found.append(_spender(use.scope, limit.measure, zone, series, hours)._replace(use=use))
        else:
            found.append(Spender(use.scope, limit.measure, zone, today, (), 0.0, None, use))
    return found


def _sums(
    ledger: Ledger,
    limit: Limit,
    dimensions: tuple[Dimension, ...],
    filters: Mapping[Dimension, tuple[str, ...]],
    when: Calendar,
    now: int,
) -> dict[tuple[str, ...], Series]:
    rows = ledger.usage(UsageQuery(when.starts[0], now + 1, dimensions, filters, when.step, _zone(limit)))
    by_start: dict[int, list[UsageRow]] = {}
    for row in rows:
        by_start.setdefault(row.bucket or 0, []).append(row)
    by_scope: dict[tuple[str, ...], dict[int, float]] = {}
    for start, ours in by_start.items():
        for scope, amount in sums_of_rows(limit, dimensions, ((row.group, row.totals) for row in ours)).items():
            by_scope.setdefault(scope, {})[start] = amount
    return {scope: when.series(amounts, {}) for scope, amounts in by_scope.items()}


def _zone(limit: Limit) -> str:
    return "UTC" if limit.window is None else limit.window.zone


def _spender(scope: Mapping[str, str], measure: Measure, zone: str, days: Series, hours: Series | None) -> Spender:
    """A series begins with the first day that has anything: before it, there was nobody to spend."""
    *amounts, today = (value or 0.0 for value in days.values)
    since = next((at for at, amount in enumerate(amounts) if amount), len(amounts))
    whole = None
    if hours is not None:
        begun = next((at for at, day in enumerate(hours.dates) if day >= days.dates[since]), len(hours))
        ended = next((at for at, day in enumerate(hours.dates) if day == days.dates[-1]), len(hours))
        first = 0 if hours.hours[0] == 0 else next(at for at, hour in enumerate(hours.hours) if hour == 0)
        whole = hours_of(hours.part(slice(max(begun, first), ended)))
    return Spender(scope, measure, zone, days.dates[since], amounts[since:], today, whole)
