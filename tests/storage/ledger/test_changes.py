"""What is decided about a call later: the row stays as it is, the totals follow."""

from __future__ import annotations

import dataclasses
import random
from decimal import Decimal

from sqlalchemy import select

from storage.ledger.drawn import NOON, call, changed, entries, entry, totals
from tollkeeper.model import Cost, LineItem, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Adjustment, Retraction, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.ledger.tables import CALLS, HOURLY, NS_AN_HOUR

ALWAYS = 2**63 - 1
EVERYTHING = UsageQuery(0, ALWAYS)
ITEM = LineItem("input", 10, Decimal("0.1"), Decimal(1))


def spent(ledger: SqlLedger) -> int:
    return ledger.usage(EVERYTHING)[0].totals.nano_usd


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(select(CALLS).order_by(CALLS.c.id))]


def test_a_retracted_call_is_in_no_total(ledger: SqlLedger, database: Database) -> None:
    batch = entries(10)
    ledger.record(batch)
    before = rows(database)
    wanted = [Retraction(batch[3].call.id, 1, "nested in another call"), Retraction("nobody", 1, "x")]
    assert ledger.retract(wanted) == 1
    assert ledger.retract(wanted) == 0
    assert ledger.usage(EVERYTHING)[0].totals == totals(one.call for one in batch if one is not batch[3])
    assert rows(database) == before
    assert ledger.call(batch[3].call.id)[0]["retracted"] == "nested in another call"
    assert ledger.check_rollups(0, ALWAYS) == []


def test_a_retracted_call_that_comes_again_is_a_duplicate(ledger: SqlLedger) -> None:
    (one,) = entries(1)
    ledger.record([one])
    ledger.retract([Retraction(one.call.id, 1, "x")])
    assert ledger.record([one]).duplicates == 1
    assert ledger.usage(EVERYTHING) == []


def test_recording_and_retracting_in_one_transaction(ledger: SqlLedger) -> None:
    """A call takes the place of another one: at no moment do both count, or neither."""
    inner, outer, other = (entry(call(number), "openllmetry") for number in range(3))
    ledger.record([inner])
    assert ledger.record([outer, other], [Retraction(inner.call.id, 1, "the same call")]).new == 2
    assert ledger.usage(EVERYTHING)[0].totals == totals([outer.call, other.call])
    assert ledger.record([], [Retraction(other.call.id, 1, "x")]) == (0, 0, 0, ())
    assert ledger.usage(EVERYTHING)[0].totals == totals([outer.call])


def test_one_batch_may_retract_what_it_brings(ledger: SqlLedger) -> None:
    one, two = entries(2)
    ledger.record([one, two], [Retraction(two.call.id, 1, "x")])
    assert ledger.usage(EVERYTHING)[0].totals == totals([one.call])
    assert ledger.check_rollups(0, ALWAYS) == []


def test_an_adjustment_changes_the_sums_and_not_the_row(ledger: SqlLedger, database: Database) -> None:
    batch = entries(4)
    ledger.record(batch)
    before, was = rows(database), spent(ledger)
    first = batch[0].call
    assert first.cost is not None
    assert ledger.adjust("r1", [Adjustment(first.id, 1, 1_000_000, "v2", (ITEM,))], "ann", "wrong price") == 1
    assert spent(ledger) == was - first.cost.nano_usd + 1_000_000
    assert rows(database) == before
    (row,) = ledger.call(first.id)
    assert (row["nano_usd"], row["current_nano_usd"]) == (first.cost.nano_usd, 1_000_000)
    (adjustment,) = row["adjustments"]
    said = {name: adjustment[name] for name in ("author", "reason", "old_price_version", "new_price_version")}
    assert said == {"author": "ann", "reason": "wrong price", "old_price_version": "v1", "new_price_version": "v2"}
    assert adjustment["line_items"] == [ITEM._asdict()]
    assert ledger.check_rollups(0, ALWAYS) == []


def test_a_repricing_that_is_repeated_changes_nothing(ledger: SqlLedger) -> None:
    """It may have died half-way; the next one goes on from what was adjusted, not from what was recorded."""
    batch = entries(3)
    ledger.record(batch)
    ids = [one.call.id for one in batch]
    assert ledger.adjust("r1", [Adjustment(id, 1, 500, "v2") for id in ids[:2]], "a", "b") == 2
    assert ledger.adjust("r1", [Adjustment(id, 1, 500, "v2") for id in ids], "a", "b") == 1
    assert spent(ledger) == 1500
    assert ledger.adjust("r2", [Adjustment(id, 1, 700, "v3") for id in ids], "a", "b") == 3
    assert spent(ledger) == 2100
    assert ledger.adjust("r3", [Adjustment(id, 1, 700, "v3") for id in ids], "a", "b") == 0
    assert [one["old_price_version"] for one in ledger.call(ids[0])[0]["adjustments"]] == ["v1", "v2"]


def test_a_call_without_a_price_gets_one_and_loses_it(ledger: SqlLedger) -> None:
    one = call(1, cost=None, price_status="unpriced")
    ledger.record([entry(one)])
    assert (spent(ledger), ledger.usage(EVERYTHING)[0].totals.unpriced) == (0, 1)
    ledger.adjust("r1", [Adjustment(one.id, 1, 42, "v2")], "a", "b")
    assert (spent(ledger), ledger.usage(EVERYTHING)[0].totals.unpriced) == (42, 0)
    assert ledger.call(one.id)[0]["current_nano_usd"] == 42
    ledger.adjust("r2", [Adjustment(one.id, 1, None)], "a", "b")
    assert (spent(ledger), ledger.usage(EVERYTHING)[0].totals.unpriced) == (0, 1)
    assert ledger.call(one.id)[0]["current_nano_usd"] is None
    assert ledger.check_rollups(0, ALWAYS) == []


def test_a_price_of_nothing_is_a_price(ledger: SqlLedger) -> None:
    one = call(1, cost=None, price_status="unpriced")
    ledger.record([entry(one)])
    assert ledger.adjust("r1", [Adjustment(one.id, 1, 0, "free")], "a", "b") == 1
    assert ledger.usage(EVERYTHING)[0].totals.unpriced == 0
    assert ledger.call(one.id)[0]["current_nano_usd"] == 0


def test_what_is_known_of_the_cost_follows(ledger: SqlLedger) -> None:
    """Calls whose cost is known are counted, whatever becomes of it; what nobody has counted is never unpriced."""
    unmeasured = {"usage": Usage(), "usage_source": "unknown", "cost": None}
    made = [
        call(0),
        call(1, cost=None, price_status="unpriced"),
        call(2, price_status="unpriced", **unmeasured),
        call(3, error_type="timeout", price_status=None, **unmeasured),
        call(4, usage=Usage(), usage_source="unknown", cost=Cost(Decimal(2), "provider")),
    ]
    ledger.record([entry(one) for one in made])

    def counted() -> tuple[int, int, int]:
        sums = ledger.usage(EVERYTHING)[0].totals
        assert ledger.check_rollups(0, ALWAYS) == []
        by_call = [ledger.call(one.id)[0] for one in made]
        assert sum(row["current_nano_usd"] is not None for row in by_call) == sums.costed
        assert sum(row["current_nano_usd"] or 0 for row in by_call) == sums.nano_usd
        return sums.costed, sums.unpriced, sums.unmeasured

    assert counted() == (2, 1, 2)
    ledger.adjust("r1", [Adjustment(one.id, 1, None) for one in made], "a", "b")
    assert counted() == (0, 2, 2)
    ledger.adjust("r2", [Adjustment(one.id, 1, 5, "v2") for one in made[:3]], "a", "b")
    assert counted() == (3, 0, 2)
    ledger.retract([Retraction(made[0].id, 1, "x"), Retraction(made[4].id, 1, "x")])
    sums = ledger.usage(EVERYTHING)[0].totals
    assert (sums.costed, sums.unpriced, sums.unmeasured, sums.nano_usd) == (2, 0, 1, 10)
    ledger.rebuild_rollups(0, ALWAYS)
    assert ledger.usage(EVERYTHING)[0].totals == sums


def test_adjusted_and_then_retracted(ledger: SqlLedger) -> None:
    batch = entries(2)
    ledger.record(batch)
    first, second = (one.call for one in batch)
    ledger.adjust("r1", [Adjustment(first.id, 1, 10**9, "v2")], "a", "b")
    ledger.retract([Retraction(first.id, 1, "x")])
    assert ledger.usage(EVERYTHING)[0].totals == totals([second])
    assert ledger.adjust("r2", [Adjustment(first.id, 1, 5, "v3")], "a", "b") == 0
    assert ledger.check_rollups(0, ALWAYS) == []


def test_calls_for_repricing(ledger: SqlLedger) -> None:
    """Whole calls, oldest first, with what they cost by now; those that do not count are left out."""
    batch = entries(2500)
    ledger.record(batch)
    ids = [one.call.id for one in batch]
    ledger.retract([Retraction(ids[0], 1, "x")])
    ledger.adjust("r1", [Adjustment(ids[1], 1, 77, "v2")], "a", "b")
    found = list(ledger.select_calls(0, ALWAYS))
    assert [one.call for one in found] == [one.call for one in batch[1:]]
    assert (found[0].nano_usd, found[0].price_version) == (77, "v2")
    assert found[1].call.cost is not None
    assert (found[1].nano_usd, found[1].price_version) == (found[1].call.cost.nano_usd, "v1")
    some = ledger.select_calls(NOON + 10**9 * 5, NOON + 10**9 * 50, {"tenant": ("t1",)})
    assert [one.call.id for one in some] == ids[7:50:3]


def test_many_calls_at_one_moment(ledger: SqlLedger) -> None:
    batch = [entry(dataclasses.replace(call(number), started_at=NOON)) for number in range(2300)]
    ledger.record(batch)
    found = [one.call.id for one in ledger.select_calls(0, ALWAYS)]
    assert sorted(found) == sorted(one.call.id for one in batch)


def test_rollups_that_are_wrong_are_found_and_made_again(ledger: SqlLedger, database: Database) -> None:
    dice = random.Random(5)
    day = 24 * NS_AN_HOUR
    batch = [entry(call(number, started_at=NOON + dice.randrange(5) * day)) for number in range(60)]
    ledger.record(batch)
    ledger.retract([Retraction(batch[0].call.id, 1, "x")])
    ledger.adjust("r1", [Adjustment(batch[1].call.id, 1, 9, "v2")], "a", "b")
    right = ledger.usage(EVERYTHING._replace(group_by=("tenant", "user"), interval="day"))
    assert ledger.check_rollups(0, ALWAYS) == []
    with database.write() as connection:
        connection.execute(HOURLY.update().where(HOURLY.c.calls > 0).values(calls=HOURLY.c.calls + 1))
        connection.exec_driver_sql("DELETE FROM usage_daily_broad")
    found = ledger.check_rollups(0, ALWAYS)
    assert {one.table for one in found} == {"usage_hourly", "usage_daily_broad"}
    assert all(one.kept != one.true for one in found)
    ledger.rebuild_rollups(0, ALWAYS)
    assert ledger.check_rollups(0, ALWAYS) == []
    assert ledger.usage(EVERYTHING._replace(group_by=("tenant", "user"), interval="day")) == right


def test_find_in_trace(ledger: SqlLedger) -> None:
    outer = entry(call(1, trace_id="a" * 32, span_id="1" * 16), "openinference")
    inner = entry(call(2, trace_id="a" * 32, span_id="2" * 16), "openinference", parent="1" * 16)
    ledger.record([outer, inner, entry(call(3, trace_id="b" * 32)), entry(call(4))])
    ledger.retract([Retraction(inner.call.id, 1, "x")])
    found = ledger.find_in_trace(["a" * 32, "c" * 32])
    assert [(one.id, one.span_id, one.parent_span_id, one.retracted, one.emitter) for one in found] == [
        (outer.call.id, "1" * 16, None, False, "openinference"),
        (inner.call.id, "2" * 16, "1" * 16, True, "openinference"),
    ]
    assert ledger.find_in_trace([]) == []


def test_conflicts_do_not_disturb_adjustments(ledger: SqlLedger) -> None:
    (one,) = entries(1)
    ledger.record([one])
    ledger.adjust("r1", [Adjustment(one.call.id, 1, 5, "v2")], "a", "b")
    assert ledger.record([changed(one, status_code=500)]).conflicts == 1
    assert spent(ledger) == 5
