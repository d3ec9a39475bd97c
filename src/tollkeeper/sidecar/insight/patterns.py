"""Patterns in what was spent, evaluated every five minutes: over a week and over thirty days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal, NamedTuple, get_args

from tollkeeper.insight.cache_use import CacheUse, Judged, Unread
from tollkeeper.insight.patterns import HeavyTail, Spent, Tally, dearest_sessions, heavy_tail
from tollkeeper.pricing import Catalog
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluation, Evaluations
from tollkeeper.storage.insight.patterns import PatternHistory
from tollkeeper.storage.insight.remembered import Remembered
from tollkeeper.storage.ledger import Ledger
from tollkeeper.storage.ledger.tables import NS_A_DAY
from tollkeeper.storage.prices import PriceBook

NAME = "patterns"
EVERY_SECONDS = 300
"""Only what has changed since is read: as a rule, the hour under way."""

Window = Literal["7d", "30d"]
"""Today and the days of UTC before it."""
DAYS: Mapping[Window, int] = {"7d": 7, "30d": 30}
NAMES: tuple[Window, ...] = get_args(Window)
SESSIONS_SHOWN = 50


class Found(NamedTuple):
    """What came of one window, from `start` to `end` (not included), in nanoseconds since the epoch."""

    start: int
    end: int
    all: Spent
    tail: HeavyTail
    failed: Spent
    billed_failures: Spent
    retried: Spent
    truncated: Spent
    told_why: int
    large: Spent
    idle: Spent
    idle_input_tokens: int
    long_context: Spent
    surcharge: Spent
    cache: Judged
    sessions: tuple[tuple[str, Spent], ...]


class PatternEvaluator:
    """Of one sidecar."""

    def __init__(self, database: Database, ledger: Ledger, price_book: PriceBook, clock: Callable[[], int]) -> None:
        history = PatternHistory(database, lambda: Catalog(price_book.overlay()), clock)
        self._stretches: Remembered[Tally] = Remembered(
            ledger, history.tally, looks_ahead=1, is_final=lambda tally: not tally.cache.use.waiting
        )

    def evaluator(self) -> Evaluator:
        """To be run by the clock."""
        return Evaluator(NAME, EVERY_SECONDS, self.run)

    def run(self, now: int) -> Any:
        """What JSON can say of it; `windows_of` reads it again."""
        ranges = [(now // NS_A_DAY * NS_A_DAY - (days - 1) * NS_A_DAY, now) for days in DAYS.values()]
        found = self._stretches.of(ranges)
        return {name: _written(_found(*each)) for name, each in zip(DAYS, zip(ranges, found, strict=True), strict=True)}


def latest(evaluations: Evaluations) -> Evaluation | None:
    """What was found last."""
    return evaluations.latest(NAME)


def windows_of(evaluation: Evaluation) -> dict[Window, Found]:
    """What was found of each window."""
    return {name: _read(body) for name, body in evaluation.body.items()}


def _found(stretch: tuple[int, int], tallies: list[Tally]) -> Found:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return Found(
        *stretch,
        total.all,
        heavy_tail(total.sizes),
        total.failed,
        total.billed_failures,
        total.retried,
        total.truncated,
        total.told_why,
        total.large,
        total.idle,
        total.idle_input_tokens,
        total.long_context,
        total.surcharge,
        total.cache,
        tuple(dearest_sessions(total, SESSIONS_SHOWN)),
    )


_SPENT = ("all", "failed", "billed_failures", "retried", "truncated", "large", "idle", "long_context", "surcharge")


def _written(found: Found) -> dict[str, Any]:
    body = found._asdict()
    for name in _SPENT:
        body[name] = asdict(body[name])
    body["tail"] = found.tail._asdict()
    body["cache"] = [asdict(part) for part in found.cache]
    body["sessions"] = [[name, asdict(spent)] for name, spent in found.sessions]
    return body


def _read(body: Mapping[str, Any]) -> Found:
    use, least, most = body["cache"]
    return Found(
        **{
            **body,
            **{name: Spent(**body[name]) for name in _SPENT},
            "tail": HeavyTail(**body["tail"]),
            "cache": Judged(CacheUse(**use), Unread(**least), Unread(**most)),
            "sessions": tuple((name, Spent(**spent)) for name, spent in body["sessions"]),
        }
    )
