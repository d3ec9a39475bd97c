"""Lists of calls, marks of calls that were begun, and what indexes they use."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from storage.ledger.drawn import DAY, NOON, call, entries, entry
from tollkeeper.model import Usage
from tollkeeper.storage.ledger import Adjustment, CallQuery, Retraction, Started, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger


def pages(ledger: SqlLedger, query: CallQuery) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    while True:
        rows, cursor = ledger.calls(query)
        found += [row["id"] for row in rows]
        if cursor is None:
            return found
        assert len(rows) == query.limit
        query = query._replace(after=cursor)


def test_newest_first_page_by_page(ledger: SqlLedger) -> None:
    batch = entries(25) + [entry(dataclasses.replace(call(100 + number), started_at=NOON)) for number in range(10)]
    ledger.record(batch)
    expected = sorted((one.call for one in batch), key=lambda one: (one.started_at, one.id), reverse=True)
    for limit in (1, 7, 35, 100):
        assert pages(ledger, CallQuery(limit=limit)) == [one.id for one in expected]


def test_dearest_first_page_by_page(ledger: SqlLedger) -> None:
    """Over several days; calls that have no price are in no order of prices."""
    batch = [entry(call(number, started_at=NOON + number % 4 * DAY)) for number in range(30)]
    batch += [entry(call(50, cost=None, price_status="unpriced"))]
    ledger.record(batch)
    expected = [one.call.id for one in reversed(batch[:30])]
    for limit in (1, 7, 30, 100):
        assert pages(ledger, CallQuery(order="dearest", limit=limit)) == expected
    within = CallQuery(start=NOON, end=NOON + 2 * DAY, order="dearest", limit=4)
    assert pages(ledger, within) == [one.call.id for one in reversed(batch[:30]) if one.call.started_at <= NOON + DAY]


def test_a_new_call_does_not_shift_the_pages(ledger: SqlLedger) -> None:
    ledger.record(entries(10))
    first, cursor = ledger.calls(CallQuery(limit=5))
    ledger.record(entries(5, start=10))
    second, end = ledger.calls(CallQuery(limit=5, after=cursor))
    assert len({row["id"] for row in [*first, *second]}) == 10
    assert end is None


@pytest.mark.parametrize("cursor", ["", "x", "é", "WzEsMl0", "bnVsbA", "0" * 1000])
def test_a_cursor_that_is_none(ledger: SqlLedger, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        ledger.calls(CallQuery(after=cursor))


def test_filters_and_outcomes(ledger: SqlLedger) -> None:
    made = [
        call(0),
        call(1, error_type="timeout", cost=None, price_status=None, usage=Usage(), usage_source="unknown"),
        call(2, cost=None, price_status="unpriced"),
        call(3, usage=Usage(), usage_source="unknown", cost=None, price_status=None),
        call(4, tags={}),
    ]
    ledger.record([entry(one) for one in made])

    def found(**query: Any) -> set[int]:
        rows, _ = ledger.calls(CallQuery(**query))
        return {next(number for number, one in enumerate(made) if one.id == row["id"]) for row in rows}

    assert found(outcome="failed") == {1}
    assert found(outcome="succeeded") == {0, 2, 3, 4}
    assert found(outcome="unpriced") == {2}
    assert found(outcome="unmeasured") == {3}
    assert found(filters={"tenant": ("t0", "t1")}) == {0, 1, 3}
    assert found(filters={"tenant": ("",)}) == {4}
    assert found(filters={"tenant": ("", "t2"), "model": ("gpt-4o-mini",)}) == {2, 4}
    assert found(filters={"tenant": ()}) == set()
    assert found(start=made[2].started_at, end=made[4].started_at) == {2, 3}
    ledger.retract([Retraction(made[0].id, 1, "x")])
    assert found() == {1, 2, 3, 4}


def test_calls_of_a_trace_and_of_an_answer(ledger: SqlLedger) -> None:
    """Of a range that is short enough to ask an index about, and of all."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    made = [call(0, trace_id=trace), call(1, trace_id="e" * 26 + trace[26:]), call(2, trace_id="a", response_id="r-1")]
    ledger.record([entry(one) for one in made])
    for start in (0, NOON - DAY):
        for asked, number in (({"trace_id": trace}, 0), ({"trace_id": "a"}, 2), ({"response_id": "r-1"}, 2)):
            rows, _ = ledger.calls(CallQuery(start, **asked))
            assert [row["id"] for row in rows] == [made[number].id]
    assert ledger.calls(CallQuery(made[1].started_at, trace_id=trace))[0] == []


@pytest.mark.parametrize("seed", range(4))
def test_lists_follow_adjustments(ledger: SqlLedger, seed: int) -> None:
    """What has no price, and what is dearest, by what calls cost now; statuses and versions too."""
    dice = random.Random(seed)
    made = [call(number, started_at=NOON + dice.randrange(4) * DAY + number) for number in range(40)]
    for one in made[::4]:
        one.cost, one.price_status = None, "unpriced"
    for one in made[::7]:
        one.cost, one.price_status, one.usage, one.usage_source = None, "unpriced", Usage(), "unknown"
    ledger.record([entry(one) for one in made])
    now = {one.id: (one.cost and one.cost.nano_usd, one.price_status, one.cost and "v1") for one in made}
    for repricing in ("r1", "r2"):
        # In between the costs that were recorded, above them, and none.
        chosen = {one.id: dice.choice((0, None, 15_000, dice.randrange(30_000))) for one in dice.sample(made, 15)}
        ledger.adjust(repricing, [Adjustment(id, 1, cost, repricing) for id, cost in chosen.items()], "a", "b")
        for id, cost in chosen.items():
            if cost != now[id][0]:
                now[id] = (cost, "unpriced" if cost is None else "priced" if cost else "free", repricing)
    counted = {one.id: one.usage_source != "unknown" for one in made}
    at = {one.id: one.started_at for one in made}
    for limit in (1, 6, 100):
        dearest = sorted((id for id in now if now[id][0] is not None), key=lambda id: (now[id][0], id), reverse=True)
        assert pages(ledger, CallQuery(order="dearest", limit=limit)) == dearest
        within = CallQuery(NOON, NOON + 2 * DAY, order="dearest", limit=limit)
        assert pages(ledger, within) == [id for id in dearest if at[id] < NOON + 2 * DAY]
        unpriced = [id for id in now if now[id][1] == "unpriced" and counted[id]]
        newest = sorted(unpriced, key=lambda id: (at[id], id), reverse=True)
        assert pages(ledger, CallQuery(outcome="unpriced", limit=limit)) == newest
    for row in ledger.calls(CallQuery(limit=100))[0]:
        assert (row["current_nano_usd"], row["current_price_status"], row["current_price_version"]) == now[row["id"]]
    assert ledger.usage(UsageQuery(0, 2**63 - 1))[0].totals.unpriced == len(unpriced)
    kept = {one.call.id: (one.nano_usd, one.unpriced) for one in ledger.select_calls(0, 2**63 - 1)}
    assert kept == {id: (cost, status == "unpriced" and counted[id]) for id, (cost, status, _) in now.items()}


def test_a_row_as_the_world_sees_it(ledger: SqlLedger) -> None:
    one = call(1, parameters={"gen_ai.request.temperature": 0.5}, tags={"tenant": "a", "team": "b"}, stream=True)
    ledger.record([entry(one)])
    (row,) = ledger.call(one.id)
    (listed,), _ = ledger.calls(CallQuery())
    assert {**listed, "conflicts": [], "adjustments": []} == row
    assert (row["tenant"], row["tags"], row["stream"]) == ("a", {"team": "b"}, True)
    assert row["details"]["parameters"] == {"gen_ai.request.temperature": 0.5}
    assert one.cost is not None
    assert row["line_items"] == [item._asdict() for item in one.cost.items]
    assert ledger.call("nobody") == []


def test_orphans_are_marks_without_a_call(ledger: SqlLedger) -> None:
    marks = [Started(call(number, usage=Usage(), cost=None, duration=None)) for number in range(5)]
    ledger.mark_started(marks[:4])
    ledger.mark_started(marks)
    ledger.mark_started([])
    assert ledger.orphans() == marks[::-1]
    ledger.record(entries(2, start=2))
    assert ledger.orphans() == [marks[4], marks[1], marks[0]]
    assert ledger.orphans(limit=1) == [marks[4]]


def test_a_mark_that_fits_in_no_row_is_left_out(ledger: SqlLedger, caplog: pytest.LogCaptureFixture) -> None:
    good = Started(call(1))
    ledger.mark_started([Started(call(2, started_at=-1)), good, Started(call(3, attempt=2**40))])
    assert ledger.orphans() == [good]
    assert "cannot be kept" in caplog.text
