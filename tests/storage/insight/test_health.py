"""The sums behind the health of providers: what SQL says is what one counts call by call, on both databases."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import text

from storage.ledger.drawn import NOON, SECOND, call, entry
from tollkeeper.insight.error_budget import Counted
from tollkeeper.insight.health import Failed, Key, Tally
from tollkeeper.insight.histogram import NANO_USD, SECONDS
from tollkeeper.model import Call, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.health import HealthHistory, place_in_sql
from tollkeeper.storage.ledger import Adjustment, Retraction
from tollkeeper.storage.ledger.sql import SqlLedger

MINUTE = 60 * SECOND


def drawn(count: int) -> list[Call]:
    """Calls of all kinds."""
    dice = random.Random(6)
    made = []
    for number in range(count):
        stream, seconds = dice.random() < 0.5, dice.lognormvariate(0, 2)
        changes: dict[str, Any] = {
            "started_at": NOON + number * SECOND,
            "provider": dice.choice(("openai", "anthropic")),
            "request_model": dice.choice(("small", "large")),
            "service_tier": dice.choice((None, "flex")),
            "operation": dice.choice(("chat", "chat", "batch")),
            "stream": stream,
            "duration": dice.choice((None, seconds, seconds)),
            "time_to_first_chunk": seconds / 3 if stream else None,
            "usage": Usage(dice.choice((None, 50 * number)), dice.choice((None, 0, number))),
            "usage_source": dice.choice(("provider", "provider", "partial")),
        }
        if dice.random() < 0.3:
            status, word = dice.choice(((429, "rate_limit_error"), (None, "APITimeoutError"), (400, "bad_request")))
            changes |= {"status_code": status, "error_type": word, "usage_source": "unknown", "cost": None}
        elif dice.random() < 0.2:
            changes |= {"cost": None, "price_status": "unpriced"}
        made.append(call(number, **changes))
    return made


def counted(calls: list[Call], costs: dict[str, int | None]) -> dict[Key, Tally]:
    """The same, call by call."""
    found: dict[Key, Tally] = {}
    for one in calls:
        tally = found.setdefault(Key(one.provider, one.request_model or "", one.service_tier or ""), Tally())
        cost, usage = costs[one.id], one.usage
        tally.calls += 1
        tally.unmeasured += one.error_type is None and one.usage_source == "unknown"
        tally.unpriced += cost is None and one.usage_source != "unknown"
        if cost is not None:
            tally.costed += 1
            tally.costed_answered += one.error_type is None
            tally.nano_usd += cost
            if usage.input_tokens is not None:
                tally.weighed_tokens += usage.input_tokens + (usage.output_tokens or 0)
                tally.weighed_nano_usd += cost
        if one.error_type is not None:
            tally.failed += 1
            failed = Failed(one.status_code, one.error_type)
            tally.failures[failed] = tally.failures.get(failed, 0) + 1
        elif one.operation != "batch" and not (one.stream and one.usage_source == "partial"):
            _time(tally, one)
    return found


def _time(tally: Tally, one: Call) -> None:
    if (first := one.time_to_first_chunk) is not None:
        tally.first_chunks[SECONDS.place(first)] = tally.first_chunks.get(SECONDS.place(first), 0) + 1
    if one.duration is None:
        return
    tally.latencies[SECONDS.place(one.duration)] = tally.latencies.get(SECONDS.place(one.duration), 0) + 1
    if one.usage.output_tokens and one.usage_source == "provider":
        tally.output_tokens += one.usage.output_tokens
        tally.output_seconds += one.duration
        if first is not None:
            tally.streamed_tokens += one.usage.output_tokens
            tally.streamed_seconds += one.duration - first


def test_sums_are_those_of_the_calls(database: Database) -> None:
    """Retracted calls left out, and adjusted ones at what they cost by now."""
    ledger, calls = SqlLedger(database), drawn(400)
    ledger.record([entry(one) for one in calls])
    costs = {one.id: one.cost.nano_usd if one.cost is not None else None for one in calls}
    gone = {one.id for one in calls[:50]}
    ledger.retract([Retraction(id, 1, "twice") for id in sorted(gone)])
    answered = [one for one in calls[20:200] if one.error_type is None]
    changes = {one.id: 7 * place if place % 3 else None for place, one in enumerate(answered)}
    ledger.adjust("r1", [Adjustment(id, 1, nano) for id, nano in changes.items()], "me", "a test")
    costs |= changes
    inside = [one for one in calls[10:390] if one.id not in gone]
    found = HealthHistory(database, ledger).tallies(NOON + 10 * SECOND, NOON + 390 * SECOND)
    wanted = counted(inside, costs)
    for key, tally in wanted.items():
        assert found[key].output_seconds == pytest.approx(tally.output_seconds)
        assert found[key].streamed_seconds == pytest.approx(tally.streamed_seconds)
        found[key].output_seconds, found[key].streamed_seconds = tally.output_seconds, tally.streamed_seconds
    assert found == wanted


def test_places_are_the_same_everywhere(database: Database) -> None:
    dice = random.Random(1)
    for scale in (SECONDS, NANO_USD):
        values = [scale.begins(dice.randrange(scale.places)) for _ in range(100)]
        values += [2.0 ** dice.uniform(scale.first - 2, scale.last + 2) for _ in range(300)]
        statement = text(f"SELECT {place_in_sql('CAST(:v AS DOUBLE PRECISION)', scale, database.is_sqlite)}")
        with database.read() as connection:
            for value in values:
                assert connection.execute(statement, {"v": value}).scalar() == scale.place(value), value


def test_calls_are_counted_by_window(database: Database) -> None:
    """Four minutes of calls, one a second; of each provider, those that it could have answered."""
    ledger = SqlLedger(database)
    kinds: dict[int, dict[str, Any]] = {
        0: {"status_code": 500, "error_type": "api_error", "usage_source": "unknown", "cost": None},
        1: {"status_code": 400, "error_type": "bad_request", "usage_source": "unknown", "cost": None},
    }
    made = [
        call(number, started_at=NOON + number * SECOND, provider=("a", "b")[number % 2], **kinds.get(number % 20, {}))
        for number in range(240)
    ]
    ledger.record([entry(one) for one in made])
    found = HealthHistory(database, ledger).counted(NOON + 4 * MINUTE, (60, 180))
    assert found == {
        "a": {60: Counted(30, 3), 180: Counted(90, 9)},
        "b": {60: Counted(27, 0), 180: Counted(81, 0)},
    }
