"""The sums behind patterns: what SQL says is what one counts call by call, on both databases."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

from storage.ledger.drawn import HOUR, NOON, SECOND, call, entry
from tollkeeper.insight.cache_use import MINUTE
from tollkeeper.insight.histogram import NANO_USD
from tollkeeper.insight.patterns import Spent, Tally, is_idle
from tollkeeper.model import Call, Cost, Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.cost import line_items, total
from tollkeeper.pricing.rates import Rates
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.patterns import PatternHistory
from tollkeeper.storage.ledger import Adjustment, Retraction
from tollkeeper.storage.ledger.sql import SqlLedger

CATALOG = Catalog()


def tally(database: Database, start: int, end: int) -> Tally:
    return PatternHistory(database, lambda: CATALOG, lambda: end + 10 * HOUR).tally(start, end)


def drawn(count: int) -> list[Call]:
    dice = random.Random(9)
    made = []
    for number in range(count):
        changes: dict[str, Any] = {
            "started_at": NOON + number * SECOND,
            "attempt": dice.choice((1, 1, 2)),
            "finish_reasons": dice.choice(((), ("stop",), ("MAX_TOKENS", "stop"), ("length",))),
            "parameters": {"gen_ai.request.stop_sequences": ('"finish_reasons":["fooled',)},
            "usage": Usage(dice.choice((None, 100, 40_000)), dice.choice((None, 3, 900))),
            "cost": dice.choice((None, Cost(Decimal(dice.randrange(10**9)) / 10**9, "catalog"))),
            "tags": {"session": dice.choice("abc")} if dice.random() < 0.7 else {},
        }
        if dice.random() < 0.3:
            changes |= {"error_type": "api_error", "status_code": 500, "finish_reasons": ()}
        made.append(call(number, **changes))
    return made


def counted(calls: list[Call], costs: dict[tuple[str, int], int | None]) -> Tally:
    found = Tally()

    def add(into: Spent, cost: int | None) -> None:
        into.add(Spent(1, cost is not None, cost or 0))

    for one in calls:
        cost, usage = costs[one.id, one.attempt], one.usage
        add(found.all, cost)
        if cost is not None:
            place = NANO_USD.place(cost)
            known = found.sizes.get(place, (0, 0))
            found.sizes[place] = known[0] + 1, known[1] + cost
        if one.attempt > 1:
            add(found.retried, cost)
        if "session" in one.tags:
            add(found.sessions.setdefault(one.tags["session"], Spent()), cost)
        if one.error_type is not None:
            add(found.failed, cost)
            if cost:
                add(found.billed_failures, cost)
            continue
        reason = one.finish_reasons[0].lower() if one.finish_reasons else ""
        add(found.finished.setdefault(reason, Spent()), cost)
        if usage.input_tokens == 40_000:
            add(found.large, cost)
            if is_idle(usage.input_tokens, usage.output_tokens or 0):
                add(found.idle, cost)
                found.idle_input_tokens += usage.input_tokens
    return found


def test_sums_are_those_of_the_calls(database: Database) -> None:
    ledger, calls = SqlLedger(database), drawn(300)
    ledger.record([entry(one) for one in calls])
    costs = {(one.id, one.attempt): one.cost.nano_usd if one.cost is not None else None for one in calls}
    gone = calls[40:60]
    ledger.retract([Retraction(one.id, one.attempt, "twice") for one in gone])
    changes = {(one.id, one.attempt): place if place % 4 else None for place, one in enumerate(calls[50:150])}
    ledger.adjust("r1", [Adjustment(*key, nano) for key, nano in changes.items()], "me", "a test")
    costs |= changes
    inside = [one for one in calls[10:290] if one not in gone]
    found = tally(database, NOON + 10 * SECOND, NOON + 290 * SECOND)
    assert found == counted(inside, costs)
    assert found.truncated.calls == sum(
        one.error_type is None and one.finish_reasons[:1] in (("length",), ("MAX_TOKENS",)) for one in inside
    )
    assert Counter(one.attempt for one in inside)[2] == found.retried.calls


def cached(number: int, minute: float, **fields: Any) -> Call:
    """A call of Claude that reads and writes a cache, as it is priced."""
    made = call(
        number, started_at=NOON + int(minute * MINUTE), provider="anthropic", request_model="claude-sonnet-4-5",
        usage=Usage(5000, 10, **fields), tags={"feature": "chat", "session": "s"}, price_status="priced",
    )  # fmt: skip
    made.cost, _ = CATALOG.price(made)
    assert made.cost is not None
    return made


def test_cache_writes_in_vain_cost_what_was_paid_for_them(database: Database) -> None:
    """The second write is read, the first in part, the last by nobody. A million tokens: $3.75 written, $3 plain."""
    made = [
        cached(0, 0, cache_write_tokens=2000),
        cached(1, 1, cache_read_tokens=1500, cache_write_tokens=1000),
        cached(2, 5, cache_read_tokens=2500),
        cached(3, 55, cache_write_tokens=4000),
        cached(4, 65, cache_read_tokens=4000),
    ]
    SqlLedger(database).record([entry(one) for one in made])
    cache = tally(database, NOON, NOON + HOUR).cache
    assert (cache.use.writes, cache.use.tokens, cache.use.priced) == (3, 7000, 3)
    assert cache.use.nano_usd == 7000 * 3750
    assert cache.least == cache.most
    assert (cache.least.writes, cache.least.tokens) == (1, 4000)
    assert (cache.least.nano_usd, cache.least.extra_nano_usd) == (4000 * 3750, 4000 * 750)


def test_a_long_context_is_as_much_dearer_as_the_price_list_says(database: Database) -> None:
    """Gemini 2.5 Pro above 200,000 tokens, against the prices below that."""
    made = []
    for number, tokens in enumerate((150_000, 250_000)):
        one = call(number, provider="gcp.gemini", request_model="gemini-2.5-pro", usage=Usage(tokens, 1000), tags={})
        one.cost, _ = CATALOG.price(one)
        made.append(one)
    SqlLedger(database).record([entry(one) for one in made])
    found = tally(database, NOON, NOON + HOUR)
    rates = CATALOG.rates(made[1])
    assert isinstance(rates, Rates) and len(rates.bands) > 1
    short = Rates(rates.bands[:1], rates.source, rates.version)
    items = line_items(made[1].usage, short)
    assert isinstance(items, list) and made[1].cost is not None
    assert found.long_context == Spent(1, 1, made[1].cost.nano_usd)
    assert found.surcharge == Spent(1, 1, int((made[1].cost.usd - total(items)) * 10**9))
    assert found.surcharge.nano_usd > 0
