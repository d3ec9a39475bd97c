"""The sums that `insight.patterns` judges by, read from the calls of a stretch of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from tollkeeper.insight.cache_use import LONG_LIFE, CacheCall, judge
from tollkeeper.insight.histogram import NANO_USD
from tollkeeper.insight.patterns import LARGE_INPUT, MOST_SESSIONS, TINY_SHARE, Spent, Tally
from tollkeeper.model import Cost
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import Rates
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.health import COUNTED, place_in_sql
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.rows import COLUMNS, call_of, line_items_of

LONGEST_PLAIN_INPUT = 128_000
"""No price list has a dearer price for an input that is shorter."""

NANO = Decimal(10**9)
_AT_ONCE = 1000
_WITHIN = f"c.started_at >= :start AND c.started_at < :end AND {COUNTED}"
_CORRECTED = """LEFT JOIN (
    SELECT id, attempt, sum(delta_nano_usd) AS delta, sum(delta_costed) AS costed FROM adjustments
    WHERE started_at >= :start AND started_at < :end GROUP BY id, attempt
) a ON a.id = c.id AND a.attempt = c.attempt"""
_COST = """CASE WHEN a.id IS NULL THEN c.nano_usd
    WHEN (CASE WHEN c.nano_usd IS NULL THEN 0 ELSE 1 END) + a.costed <= 0 THEN NULL
    ELSE coalesce(c.nano_usd, 0) + a.delta END"""
_SCOPE = ("tenant", "project", "service", "feature", "config")
_OUTPUT = "coalesce(c.output_tokens, 0)"
_SIZE = f"""CASE WHEN c.input_tokens IS NULL OR c.input_tokens < {LARGE_INPUT} OR c.error_type IS NOT NULL THEN 0
    WHEN {_OUTPUT} * {TINY_SHARE} < c.input_tokens THEN 2 ELSE 1 END"""

_SESSIONS = f"""
    SELECT session, count(*), count(cost), coalesce(sum(cost), 0) FROM (
        SELECT c.session AS session, {_COST} AS cost FROM calls c {_CORRECTED} WHERE {_WITHIN} AND c.session IS NOT NULL
    ) one GROUP BY session ORDER BY 4 DESC, 2 DESC, 1 LIMIT {MOST_SESSIONS}
"""
_CACHED = f"""
    SELECT c.started_at, c.provider, coalesce(c.request_model, c.model),
        {", ".join(f"coalesce(c.{name}, '')" for name in _SCOPE)}, coalesce(c.session, ''),
        coalesce(c.cache_read_tokens, 0), coalesce(c.cache_write_tokens, 0),
        c.line_items
    FROM calls c WHERE {_WITHIN} AND (c.cache_read_tokens > 0 OR c.cache_write_tokens > 0) ORDER BY c.started_at
"""
_LONG = f"""
    SELECT {", ".join(f'c."{name}"' for name in COLUMNS)} FROM calls c
    WHERE {_WITHIN} AND c.input_tokens > {LONGEST_PLAIN_INPUT} AND c.line_items IS NOT NULL
"""


class PatternHistory:
    """Of one ledger. All of it raises `LedgerUnavailable`. `catalog` gives the prices to look tiers up in."""

    def __init__(self, database: Database, catalog: Callable[[], Catalog], clock: Callable[[], int]) -> None:
        self._database = database
        self._catalog = catalog
        self._clock = clock
        place = place_in_sql("cost", NANO_USD, database.is_sqlite)
        self._sums = f"""
            SELECT place, reason, failed, retried, size, count(*), count(cost), coalesce(sum(cost), 0),
                coalesce(sum(input_tokens), 0), sum(CASE WHEN cost > 0 THEN 1 ELSE 0 END)
            FROM (
                SELECT one.*, CASE WHEN cost IS NOT NULL THEN {place} END AS place FROM (
                    SELECT {_COST} AS cost, {_reason(database.is_sqlite)} AS reason, c.input_tokens AS input_tokens,
                        CASE WHEN c.error_type IS NULL THEN 0 ELSE 1 END AS failed,
                        CASE WHEN c.attempt > 1 THEN 1 ELSE 0 END AS retried, {_SIZE} AS size
                    FROM calls c {_CORRECTED} WHERE {_WITHIN}
                ) one
            ) placed GROUP BY place, reason, failed, retried, size
        """

    def tally(self, start: int, end: int) -> Tally:
        """Of the calls from `start` to `end` (not included). Retracted calls are in no sum.

        Costs are what calls cost by now; those of cache writes and of long contexts, what they cost when recorded.
        """
        found = Tally()
        with told_apart(self._database), self._database.read() as connection:
            for row in _rows(connection, self._sums, start, end):
                _count(found, row)
            for session, *spent in _rows(connection, _SESSIONS, start, end):
                found.sessions[session] = Spent(*map(int, spent))
            # Who reads what was written just before the end comes after it.
            cached = map(_cache_call, _rows(connection, _CACHED, start, end + LONG_LIFE))
            found.cache.add(judge(cached, start, end, self._clock()))
            self._long_contexts(found, _rows(connection, _LONG, start, end))
        return found

    def _long_contexts(self, found: Tally, rows: Iterator[Any]) -> None:
        catalog: Catalog | None = None
        for row in rows:
            catalog = catalog or self._catalog()
            call = call_of(row._mapping)
            rates = catalog.rates(call)
            if call.cost is None or not isinstance(rates, Rates):
                continue
            dearer = _surcharge(call.cost, rates, call.usage.input_tokens or 0)
            if dearer > 0:
                found.long_context.add(Spent(1, 1, call.cost.nano_usd))
                found.surcharge.add(Spent(1, 1, int(round(dearer * NANO))))


def _reason(is_sqlite: bool) -> str:
    """The first finish reason, cut out of the details: to read all of the JSON would take several times as long."""
    key = '"finish_reasons":["'
    if not is_sqlite:
        return 'lower(coalesce(substring(c.details from \'"finish_reasons":\\["([^"]*)"\'), \'\'))'
    rest = f"substr(c.details, instr(c.details, '{key}') + {len(key)})"
    return f"CASE WHEN instr(c.details, '{key}') > 0 THEN lower(substr({rest}, 1, instr({rest}, '\"') - 1)) ELSE '' END"


def _rows(connection: Connection, statement: str, start: int, end: int) -> Iterator[Any]:
    run = connection.execution_options(yield_per=_AT_ONCE)
    yield from run.execute(text(statement), {"start": start, "end": end})


def _count(found: Tally, row: Any) -> None:
    place, reason, failed, retried, size, calls, costed, nano_usd, input_tokens, billed = row
    spent = Spent(int(calls), int(costed), int(nano_usd))
    found.all.add(spent)
    if place is not None:
        known = found.sizes.get(place, (0, 0))
        found.sizes[place] = known[0] + spent.costed, known[1] + spent.nano_usd
    if retried:
        found.retried.add(spent)
    if failed:
        found.failed.add(spent)
        found.billed_failures.add(Spent(int(billed), int(billed), spent.nano_usd))
    else:
        found.finished.setdefault(reason, Spent()).add(spent)
    if size:
        found.large.add(spent)
    if size == 2:
        found.idle.add(spent)
        found.idle_input_tokens += int(input_tokens)


def _cache_call(row: Any) -> CacheCall:
    started_at, provider, model, *scope, session, read, written, items = row
    return CacheCall(started_at, (provider, model, *scope), session, read, written, *_in_money(items))


def _in_money(items: str | None) -> tuple[bool, int | None, int | None, int | None]:
    """Whether it was written for an hour; and, in nano-dollars, what the writing has cost, what plain input would have,
    and what the cache has saved in all. Only a call with plain input of its own says what that costs.
    """
    paid, tokens, read, read_paid, lives_long, unit = Decimal(0), Decimal(0), Decimal(0), Decimal(0), False, None
    for item in line_items_of(items):
        if item.meter in ("cache_write_5m", "cache_write_1h"):
            paid, tokens = paid + item.amount, tokens + item.quantity
            lives_long = lives_long or item.meter == "cache_write_1h"
        elif item.meter == "cache_read":
            read, read_paid = read + item.quantity, read_paid + item.amount
        elif item.meter == "input":
            unit = item.unit_price
    written = int(round(paid * NANO)) if tokens else None
    plain = None if unit is None or not tokens else int(round(tokens * unit * NANO))
    if unit is None or not (tokens or read):
        return lives_long, written, plain, None
    return lives_long, written, plain, int(round(((tokens + read) * unit - paid - read_paid) * NANO))


def _surcharge(cost: Cost, rates: Rates, input_tokens: int) -> Decimal:
    """How much dearer a call was than with a short input, in US dollars: by the ratio of prices, so discounts stay."""
    short, long = rates.table(0), rates.table(input_tokens)
    dearer = Decimal(0)
    for item in cost.items:
        at, base = long.get(item.meter), short.get(item.meter)
        if at and base is not None and item.model is None:
            dearer += item.amount * (1 - base / at)
    return dearer
