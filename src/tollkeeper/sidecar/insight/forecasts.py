"""The evaluator of forecasts: where days, weeks and months will end, of whatever spends and of every long limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Anomaly
from tollkeeper.insight.forecast.forecast import Day, Forecaster, Horizon, Period
from tollkeeper.insight.forecast.forecast import History as Known
from tollkeeper.insight.forecast.price_changes import Model, Used, factors, price_of, ratios
from tollkeeper.insight.forecast.published import Published, publish, written
from tollkeeper.insight.series import calendar
from tollkeeper.model.calendar import interval_at, intervals
from tollkeeper.model.limit import Window
from tollkeeper.policy.period import period_of
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.sidecar.insight.forecast_series import DAY, DAYS, LONG, Spender, limited, spenders
from tollkeeper.sidecar.ledger_use import dimensions_of
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.storage.insight.anomalies import AnomalyQuery, AnomalyStore
from tollkeeper.storage.insight.forecasts import NAME, Budget, Forecasts, budget_of
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import DIMENSIONS
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

EVERY_SECONDS: Final = 3600
TOLD_FROM: Final = 0.8
"""How probable it must be that a budget is exceeded for people to be told …"""
HYSTERESIS: Final = 0.2
"""… and so much less, for it to be over."""
LONGEST: Final = 31
MOST_ODD: Final = 1000
"""Anomalies that are heeded: the newest."""
PRICED: Final = 28 * DAY
"""What was used in so long a time is what prices are compared for."""

Changes = Mapping[Model, Sequence[float]]


class _Today(NamedTuple):
    """This day of a zone, at a moment: its date, where it begins and ends, what its clock shows."""

    day: date
    start: int
    end: int
    hour: float


class ForecastEvaluator:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(
        self,
        ledger: Ledger,
        uses: LimitUses,
        price_book: PriceBook,
        published: Forecasts,
        told_from: float = TOLD_FROM,
        anomalies: AnomalyStore | None = None,
    ) -> None:
        """From a probability of `told_from` on, people are told that a budget will be exceeded."""
        self._ledger = ledger
        self._uses = uses
        self._book = price_book
        self.published = published
        self._told_from = told_from
        self._anomalies = anomalies
        self._pricer: Pricer | None = None

    def evaluator(self) -> Evaluator:
        """Takes seconds where there are many: to be run on a thread of its own."""
        return Evaluator(NAME, EVERY_SECONDS, self.run)

    def run(self, now: int) -> Any:
        """What is published, as JSON."""
        known = self.published.latest().budgets
        return {"forecasts": [written(self.judged(one, known)) for one in self.forecasts(now)]}

    def judged(self, one: Published, known: Mapping[Budget, Published]) -> Published:
        """Whether people are told of it: what was told is told for longer."""
        if one.limit is None or one.exceeds is None:
            return one
        before = known.get(budget_of(one.limit, one.scope, one.start))
        is_on = before is not None and before.foreseen
        return one._replace(foreseen=one.exceeds >= self._told_from - (HYSTERESIS if is_on else 0))

    def forecasts(self, now: int) -> list[Published]:
        """Of every scope the day, the week and the month; of every limit its own period."""
        everybody = [*spenders(self._ledger, now), *limited(self._ledger, self._uses.all(), now)]
        keys = [_key(spender) for spender in everybody]
        known = dict(zip(keys, everybody, strict=True))
        zones = {spender.zone: _today(now, spender.zone) for spender in everybody}
        odd = self._odd(now)
        histories = {key: _history(one, odd) for key, one in known.items()}
        clocks = {
            key: (zones[one.zone].day, zones[one.zone].hour, max(one.today, 0.0))
            for key, one in known.items()
            if one.hours is not None
        }
        forecaster = Forecaster(histories, clocks)
        changes = self._price_changes(now)
        course = everybody[0].hours if everybody and not everybody[0].scope else None
        found: list[Published] = []
        for key, spender in zip(keys, everybody, strict=True):
            today = zones[spender.zone]
            prices = self._factors(spender, changes, now)
            for horizon in _horizons(spender):
                start, end = period_of(Window(horizon, spender.zone), now)
                period = _period(spender, horizon, today, (start, end), now, prices)
                forecast = forecaster.of(key, period, course)
                if spender.why is not None:
                    forecast = forecast._replace(outlook=forecast.outlook._replace(reason=spender.why))
                found.append(
                    publish(
                        forecast,
                        limit=None if spender.use is None else spender.use.limit.name,
                        scope=spender.scope,
                        measure=spender.measure,
                        zone=spender.zone,
                        horizon=horizon,
                        start=start,
                        end=end,
                        at=now,
                        amount=None if spender.use is None else spender.use.limit.amount,
                        price_changes=_steps(period),
                    )
                )
        return found

    def _odd(self, now: int) -> list[Anomaly]:
        """What people have said was a real anomaly, and passed."""
        if self._anomalies is None:
            return []
        query = AnomalyQuery(start=now - DAYS * DAY, metric="spend", label="real", limit=MOST_ODD)
        found = (kept.anomaly for kept in self._anomalies.anomalies(query))
        return [anomaly for anomaly in found if anomaly.kind != "level_shift"]

    def _price_changes(self, now: int) -> Changes:
        """Of models that were used lately, and whose price will be another in the days to come."""
        if self._pricer is None:
            self._pricer = Pricer(self._book)
        self._pricer.refresh()
        rows = self._ledger.usage(UsageQuery(now - PRICED, now + 1, ("provider", "model")))
        used = {
            Model(*row.group): Used(
                sums.costed, sums.nano_usd, sums.input_tokens, sums.output_tokens, sums.cache_read_tokens,
                sums.cache_write_tokens,
            )
            for row in rows
            if (sums := row.totals).costed
        }  # fmt: skip
        moments = [now + number * DAY for number in range(LONGEST + 1)]
        return ratios(used, price_of(self._pricer.price_again), now, moments)

    def _factors(self, spender: Spender, changes: Changes, now: int) -> list[float]:
        if not changes or spender.measure != "usd" or spender.why is not None:
            return [1.0] * (LONGEST + 1)
        limit = None if spender.use is None else spender.use.limit
        told_by = () if limit is None else dimensions_of(limit) or ()
        groups = tuple(dict.fromkeys(("provider", "model", *told_by)))
        filters = {name: (spender.scope[name],) for name in DIMENSIONS if name in spender.scope}
        spent: dict[Model, int] = {}
        for row in self._ledger.usage(UsageQuery(now - PRICED, now + 1, groups, filters)):
            values: dict[str, str] = dict(zip(groups, row.group, strict=True))
            if limit is None or limit.binds(values["provider"], "", values.get("operation", ""), values):
                model = Model(values["provider"], values["model"])
                spent[model] = spent.get(model, 0) + row.totals.nano_usd
        return factors(spent, changes, LONGEST + 1)


def _key(spender: Spender) -> tuple[object, ...]:
    """Of equal series one key: a limit for all counts what the total is, and says nothing more of how sure one is."""
    return spender.zone, spender.first, tuple(spender.amounts), spender.today, spender.hours is None


def _history(spender: Spender, odd: Sequence[Anomaly]) -> Known:
    """Corrections may leave a day below zero: nothing is learned from it but that it cost nothing."""
    amounts = [max(amount, 0.0) for amount in spender.amounts]
    return Known(spender.first, amounts, spender.hours, _flagged(spender, odd))


def _flagged(spender: Spender, odd: Sequence[Anomaly]) -> frozenset[int]:
    """Which of a series' days were odd."""
    ours = [each for each in odd if each.scope == spender.scope] if spender.measure == "usd" else []
    days = (day for each in ours for day in calendar(each.start, each.end, "day", spender.zone).dates)
    return frozenset(at for day in days if 0 <= (at := (day - spender.first).days) < len(spender.amounts))


def _horizons(spender: Spender) -> Sequence[Horizon]:
    window = None if spender.use is None else spender.use.limit.window
    return LONG if window is None else [each for each in LONG if each == window.unit]


def _today(now: int, zone: str) -> _Today:
    start, end = interval_at(now, "day", zone)
    (day,) = calendar(now, now + 1, "day", zone).dates
    return _Today(day, start, end, 24 * (now - start) / (end - start))


def _period(
    spender: Spender, horizon: Horizon, today: _Today, span: tuple[int, int], now: int, prices: Sequence[float]
) -> Period:
    start, end = span
    days = [
        Day(each.end, prices[number])
        for number, each in enumerate(intervals(today.start, end, "day", spender.zone)[: LONGEST + 1])
    ]
    if spender.use is not None:
        spent: float = spender.use.used
    else:
        whole = len(intervals(start, today.start, "day", spender.zone))
        spent = spender.today + sum(spender.amounts[max(0, len(spender.amounts) - whole) :] if whole else ())
    budget = None if spender.use is None else spender.use.limit.amount
    return Period(horizon, now, today.day, today.hour, days, spent, budget)


def _steps(period: Period) -> list[tuple[int, float]]:
    """When prices become others in the period, and by how much they are what they are now."""
    found: list[tuple[int, float]] = []
    before = period.days[0]
    for day in period.days[1:]:
        if day.factor != before.factor:
            found.append((before.end, round(day.factor, 6)))
        before = day
    return found
