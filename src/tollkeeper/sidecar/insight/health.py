"""How providers do, evaluated every minute: over an hour, a day and a week; and how their error budgets stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from tollkeeper.insight.error_budget import DAY, HOUR, OBJECTIVE, PERIOD, WINDOWS, Burn, ErrorBudget, Pair, error_budget
from tollkeeper.insight.health import Failed, Figures, Key, Tally, by, figures, together
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.benchmarks import Benchmarks
from tollkeeper.storage.insight.evaluations import Evaluation, Evaluations
from tollkeeper.storage.insight.health import HealthHistory
from tollkeeper.storage.insight.remembered import Remembered
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.tables import NS_A_DAY, NS_AN_HOUR

NAME = "provider_health"
EVERY_SECONDS = 60

Window = Literal["5m", "1h", "24h", "7d"]
"""5 and 60 minutes until now; the last 24 full hours and the one under way; today and the six days of UTC before."""
NAMES: tuple[Window, ...] = get_args(Window)
Level = Literal["all", "providers", "models", "tiers"]
LEVELS: tuple[Level, ...] = get_args(Level)

MOST_READ = 200_000
"""Calls that are read again each minute. Of an hour with more, none are looked at before it is over."""
MINUTE = NS_AN_HOUR // 60
SHORTER = (60, 30, 15, 5)
"""Minutes of the shortest window, where an hour has more calls than that."""
STALE = 10 * MINUTE
"""An evaluation that is older says nothing of now."""
MOST_SHOWN = 500
"""Of each level, the busiest."""


class Evaluated(NamedTuple):
    """One window, from `start` to `end` (not included), in nanoseconds: figures by level, the busiest first."""

    start: int
    end: int
    levels: Mapping[Level, Mapping[Key, Figures]]


class HealthEvaluator:
    """Of one sidecar."""

    def __init__(self, database: Database, ledger: Ledger, benchmarks: Benchmarks) -> None:
        self._ledger = ledger
        self._history = HealthHistory(database, ledger)
        self._hours: Remembered[dict[Key, Tally]] = Remembered(ledger, self._history.tallies)
        self._benchmarks = benchmarks

    def evaluator(self) -> Evaluator:
        """To be run by the clock."""
        return Evaluator(NAME, EVERY_SECONDS, self.run)

    def run(self, now: int) -> Any:
        """What JSON can say of it; `windows_of` and `budgets_of` read it again."""
        hour = now // NS_AN_HOUR * NS_AN_HOUR
        end = now if self._calls(hour, now) <= MOST_READ else hour
        day, week = (hour - NS_A_DAY, end), (now // NS_A_DAY * NS_A_DAY - 6 * NS_A_DAY, end)
        of_day, of_week = self._hours.of([day, week])
        newest = self._newest(now)
        last = (now - 5 * MINUTE, now)
        windows = {
            "5m": _window(last, self._history.tallies(*last)),
            "1h": _window(newest, self._history.tallies(*newest)),
            "24h": _window(day, together(of_day)),
            "7d": _window(week, together(of_week)),
        }
        return {"windows": windows, "budgets": self._budgets(now)}

    def _newest(self, now: int) -> tuple[int, int]:
        begins = now // NS_AN_HOUR * NS_AN_HOUR - NS_AN_HOUR
        a_minute = self._calls(begins, now) * MINUTE / (now - begins)
        minutes = next((each for each in SHORTER if a_minute * each <= MOST_READ), SHORTER[-1])
        return now - minutes * MINUTE, now

    def _calls(self, start: int, end: int) -> int:
        """How many there were from a full hour to the end of the hour of another moment: the rollups say it."""
        end = -(-end // NS_AN_HOUR) * NS_AN_HOUR
        return sum(row.totals.calls for row in self._ledger.usage(UsageQuery(start, end)))

    def _budgets(self, now: int) -> dict[str, Any]:
        objectives = {
            kept.benchmark.provider: float(kept.benchmark.value)
            for kept in self._benchmarks.all()
            if kept.benchmark.measure == "success_rate" and not kept.benchmark.model
        }
        counted = self._history.counted(now, WINDOWS)
        return {
            provider: _written(error_budget(counts, objectives.get(provider, OBJECTIVE)))
            for provider, counts in counted.items()
            if counts[PERIOD].calls
        }


def windows_of(evaluation: Evaluation) -> dict[Window, Evaluated]:
    """What was found of each window."""
    return {name: _read_window(body) for name, body in evaluation.body["windows"].items()}


def budgets_of(evaluation: Evaluation) -> dict[str, ErrorBudget]:
    """The error budgets of providers."""
    return {
        provider: ErrorBudget(**{**body, "burns": tuple(_read_burn(burn) for burn in body["burns"])})
        for provider, body in evaluation.body["budgets"].items()
    }


def latest(evaluations: Evaluations) -> Evaluation | None:
    """What was found last."""
    return evaluations.latest(NAME)


def budget_findings(evaluations: Evaluations) -> Callable[[int], Iterator[Finding]]:
    """The providers whose error budgets burn: what people are told of."""

    def found(now: int) -> Iterator[Finding]:
        evaluation = latest(evaluations)
        if evaluation is None or now - evaluation.at > STALE:
            return
        for provider, budget in budgets_of(evaluation).items():
            if budget.severity is not None:
                scope = {"provider": provider}
                yield Finding("error_budget", provider, scope, budget.severity, facts=_facts(budget))

    return found


def _facts(budget: ErrorBudget) -> dict[str, Any]:
    burn = next(burn for burn in budget.burns if burn.burning)
    hours, days = burn.pair.long // HOUR, budget.period // DAY
    used = budget.used or 0.0
    return {
        "objective": budget.objective,
        "used": used,
        "burn_rate": burn.long,
        "failed": budget.failed,
        "calls": budget.calls,
        "lines": [
            f"Objective: {budget.objective * 100:g} % of calls are answered.",
            f"Over the last {hours} h it goes {burn.long or 0:.1f} times as fast as it may.",
            f"In {days} days {budget.failed:,} of {budget.calls:,} calls have failed: {used:.0%} of what may fail.",
        ],
    }


def _window(stretch: tuple[int, int], tallies: Mapping[Key, Tally]) -> dict[str, Any]:
    levels: dict[Level, Mapping[Key, Tally]] = {
        "all": by(tallies, 0),
        "providers": by(tallies, 1),
        "models": by(tallies, 2),
        "tiers": {key: tally for key, tally in tallies.items() if key.tier},
    }
    found: dict[str, Any] = {
        level: [[*key, _plain(figures(tally))] for key, tally in _busiest(each)] for level, each in levels.items()
    }
    return {"start": stretch[0], "end": stretch[1], **found}


def _busiest(tallies: Mapping[Key, Tally]) -> Sequence[tuple[Key, Tally]]:
    return sorted(
        ((key, tally) for key, tally in tallies.items() if tally.calls > 0),
        key=lambda each: (-each[1].calls, each[0]),
    )[:MOST_SHOWN]


def _plain(each: Figures) -> dict[str, Any]:
    return {**each._asdict(), "errors": [[*failed, number] for failed, number in each.errors]}


def _read_window(body: Mapping[str, Any]) -> Evaluated:
    levels: dict[Level, Mapping[Key, Figures]] = {
        level: {Key(*names): _read_figures(each) for *names, each in body.get(level, ())} for level in LEVELS
    }
    return Evaluated(body["start"], body["end"], levels)


def _read_figures(body: Mapping[str, Any]) -> Figures:
    errors = tuple((Failed(status, error), number) for status, error, number in body["errors"])
    return Figures(**{**body, "errors": errors})


def _written(budget: ErrorBudget) -> dict[str, Any]:
    return {**budget._asdict(), "burns": [burn._asdict() for burn in budget.burns]}


def _read_burn(body: Mapping[str, Any]) -> Burn:
    return Burn(**{**body, "pair": Pair(*body["pair"])})
