"""The sums that `insight.health` judges providers by, read from the calls of a stretch of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tollkeeper.insight.error_budget import Counted
from tollkeeper.insight.health import Failed, Key, Tally
from tollkeeper.insight.histogram import PARTS, SECONDS, Scale
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.failures import told_apart

NANO = 1_000_000_000

COUNTED = "NOT EXISTS (SELECT 1 FROM retractions x WHERE x.id = c.id AND x.attempt = c.attempt)"
_WITHIN = f"c.started_at >= :start AND c.started_at < :end AND {COUNTED}"
_KEY = "c.provider, coalesce(c.request_model, c.model), coalesce(c.service_tier, '')"
"""A model is what was asked for: a call that has failed has no other, and it is what one chooses by."""

_WHOLE = "NOT (c.stream AND c.usage_source IN ('partial', 'estimated'))"
"""A stream that was cut short has taken as long as its reader wanted."""
_ANSWERED = f"c.error_type IS NULL AND c.operation NOT IN ('batch', 'fetch_response', 'realtime') AND {_WHOLE}"
_TIMED = f"({_ANSWERED} AND c.duration IS NOT NULL)"
_SPOKE = f"({_TIMED} AND c.usage_source = 'provider' AND c.output_tokens > 0 AND c.duration > 0)"
_STREAMED = f"({_SPOKE} AND c.stream AND c.duration > c.time_to_first_chunk)"
_TOKENS = "(c.input_tokens + coalesce(c.output_tokens, 0))"


def _sum(condition: str, value: str = "1") -> str:
    return f"sum(CASE WHEN {condition} THEN {value} ELSE 0 END)"


_SUMS = ", ".join(
    (
        "count(*)",
        "count(c.error_type)",
        _sum("c.error_type IS NULL AND c.usage_source = 'unknown'"),
        _sum("c.price_status = 'unpriced' AND c.usage_source <> 'unknown'"),
        "count(c.nano_usd)",
        _sum("c.nano_usd IS NOT NULL AND c.error_type IS NULL"),
        "coalesce(sum(c.nano_usd), 0)",
        f"coalesce({_sum('c.nano_usd IS NOT NULL', _TOKENS)}, 0)",
        f"coalesce({_sum('c.input_tokens IS NOT NULL', 'c.nano_usd')}, 0)",
        _sum(_SPOKE, "c.output_tokens"),
        _sum(_SPOKE, "c.duration"),
        _sum(_STREAMED, "c.output_tokens"),
        _sum(_STREAMED, "c.duration - c.time_to_first_chunk"),
    )
)
"""In the order of `Tally`."""

_CORRECTIONS = f"""
    SELECT {_KEY}, sum(a.delta_unpriced), sum(a.delta_costed),
           {_sum("c.error_type IS NULL", "a.delta_costed")}, sum(a.delta_nano_usd),
           coalesce({_sum("c.input_tokens IS NOT NULL", f"a.delta_costed * {_TOKENS}")}, 0),
           {_sum("c.input_tokens IS NOT NULL", "a.delta_nano_usd")}
    FROM adjustments a JOIN calls c ON c.id = a.id AND c.attempt = a.attempt
    WHERE a.started_at >= :start AND a.started_at < :end AND {COUNTED}
    GROUP BY {_KEY}
"""


_CORRECTED = ("unpriced", "costed", "costed_answered", "nano_usd", "weighed_tokens", "weighed_nano_usd")

_FAILURES = f"""
    SELECT {_KEY}, c.status_code, c.error_type, count(*) FROM calls c
    WHERE c.error_type IS NOT NULL AND {_WITHIN} GROUP BY {_KEY}, c.status_code, c.error_type
"""


class HealthHistory:
    """Of one ledger. All of it raises `LedgerUnavailable`."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        latency = place_in_sql("c.duration", SECONDS, database.is_sqlite)
        first = place_in_sql("c.time_to_first_chunk", SECONDS, database.is_sqlite)
        latency = f"CASE WHEN {_TIMED} THEN {latency} ELSE -1 END"
        self._sums = f"SELECT {_KEY}, {latency}, {_SUMS} FROM calls c WHERE {_WITHIN} GROUP BY {_KEY}, {latency}"
        streams = f"{_WITHIN} AND {_ANSWERED} AND c.time_to_first_chunk IS NOT NULL"
        self._first_chunks = f"SELECT {_KEY}, {first}, count(*) FROM calls c WHERE {streams} GROUP BY {_KEY}, {first}"

    def tallies(self, start: int, end: int) -> dict[Key, Tally]:
        """Of the calls from `start` to `end` (not included), by provider, model and tier.

        Retracted calls are in none; costs are what calls cost by now. Latencies are of whole answers only.
        """
        found: dict[Key, Tally] = {}
        with told_apart(self._database), self._database.read() as connection:
            for provider, model, tier, place, *sums in self._rows(connection, self._sums, start, end):
                # PostgreSQL sums whole numbers to decimals.
                numbers: list[Any] = [each if isinstance(each, float) else int(each) for each in sums]
                tally = Tally(*numbers)
                if place >= 0:
                    tally.latencies[place] = tally.calls
                found.setdefault(Key(provider, model, tier), Tally()).add(tally)
            for provider, model, tier, place, number in self._rows(connection, self._first_chunks, start, end):
                found[Key(provider, model, tier)].first_chunks[place] = number
            for provider, model, tier, status, error, number in self._rows(connection, _FAILURES, start, end):
                found[Key(provider, model, tier)].failures[Failed(status, error)] = number
            for provider, model, tier, *deltas in self._rows(connection, _CORRECTIONS, start, end):
                corrected: dict[str, Any] = dict(zip(_CORRECTED, map(int, deltas), strict=True))
                correction = Tally(**corrected)
                found.setdefault(Key(provider, model, tier), Tally()).add(correction)
        return found

    def counted(self, now: int, windows: Sequence[int]) -> dict[str, dict[int, Counted]]:
        """Of each provider, the calls that it could answer, and those that it has failed, by window.

        Windows are seconds until `now`. What a caller did wrong is in neither.
        """
        calls: dict[tuple[str, int], int] = {}
        failed: dict[tuple[str, int], int] = {}
        for seconds in windows:
            for row in self._ledger.usage(UsageQuery(now - seconds * NANO, now, ("provider",))):
                calls[row.group[0], seconds] = row.totals.calls
        start = now - max(windows) * NANO
        with told_apart(self._database), self._database.read() as connection:
            for provider, at, status, error, number in self._rows(connection, _by_window(now, windows), start, now):
                by_caller = Failed(status, error).fault == "caller"
                for seconds in windows:
                    if at <= seconds:
                        into, sign = (calls, -1) if by_caller else (failed, 1)
                        into[provider, seconds] = into.get((provider, seconds), 0) + sign * number
        providers = sorted({provider for provider, _ in calls})
        return {
            provider: {
                seconds: Counted(calls.get((provider, seconds), 0), failed.get((provider, seconds), 0))
                for seconds in windows
            }
            for provider in providers
        }

    def _rows(self, connection: Connection, statement: str, start: int, end: int) -> Iterator[Any]:
        return iter(connection.execute(text(statement), {"start": start, "end": end}))


def _by_window(now: int, windows: Sequence[int]) -> str:
    """Failed calls by the shortest window that they are in."""
    cases = " ".join(f"WHEN c.started_at >= {now - seconds * NANO} THEN {seconds}" for seconds in sorted(windows))
    window = f"CASE {cases} END"
    return (
        f"SELECT c.provider, {window}, c.status_code, c.error_type, count(*) FROM calls c"
        f" WHERE c.error_type IS NOT NULL AND {_WITHIN} GROUP BY c.provider, {window}, c.status_code, c.error_type"
    )


def place_in_sql(value: str, scale: Scale, is_sqlite: bool) -> str:
    """What `Scale.place` computes, for both databases: the octave by halves, then the part of it."""
    exact = f"CAST({value} AS DOUBLE PRECISION)"

    def within(first: int, last: int) -> str:
        if last - first == 1:
            begins, parts = repr(math.ldexp(1.0, first)), repr(PARTS / math.ldexp(1.0, first))
            # PostgreSQL's CAST rounds, where SQLite's cuts; and not every SQLite has a floor.
            part = f"({exact} - {begins}) * {parts}"
            part = f"CAST({part} AS INTEGER)" if is_sqlite else f"CAST(floor({part}) AS INTEGER)"
            return f"{(first - scale.first) * PARTS + 1} + {part}"
        middle = (first + last) // 2
        return (
            f"CASE WHEN {value} < {math.ldexp(1.0, middle)!r} THEN {within(first, middle)}"
            f" ELSE {within(middle, last)} END"
        )

    return (
        f"CASE WHEN {value} < {math.ldexp(1.0, scale.first)!r} THEN 0"
        f" WHEN {value} >= {math.ldexp(1.0, scale.last)!r} THEN {scale.places - 1}"
        f" ELSE {within(scale.first, scale.last)} END"
    )
