"""Sums for any question: the same as adding up the calls one by one."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.ledger.drawn import DAY, HOUR, NOON, call, entry, totals, value_of
from tollkeeper.model import Call, Cost, Usage
from tollkeeper.model.calendar import intervals
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import DIMENSIONS, Adjustment, Retraction, Totals, UsageQuery, UsageRow, usage
from tollkeeper.storage.ledger.sql import SqlLedger

ALWAYS = 2**63 - 1
BEGIN = NOON - NOON % DAY
"""A midnight, some days before which and after which New York's clocks change."""
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham")


def sample(seed: int, count: int, days: int) -> list[Call]:
    """Calls of some weeks, some failed, some without a price or a count, and many exactly at full hours."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        moment = BEGIN - 10 * DAY + dice.randrange(days * 24) * HOUR
        moment += dice.choice((0, 0, -1, HOUR // 2, HOUR // 4, dice.randrange(HOUR)))
        one = call(number, started_at=moment, provider=dice.choice(("openai", "anthropic")))
        kind = dice.randrange(9)
        if kind == 0:
            one = dataclasses.replace(one, error_type="timeout", cost=None, price_status=None, usage=Usage())
        elif kind == 1:
            one = dataclasses.replace(one, usage=Usage(), usage_source="unknown", cost=None, price_status=None)
        elif kind == 2:
            one = dataclasses.replace(one, cost=None, price_status="unpriced", response_model="new-model", tags={})
        elif kind == 3:
            one = dataclasses.replace(one, usage=Usage(), usage_source="unknown", cost=None, price_status="unpriced")
        elif kind == 4:
            one = dataclasses.replace(one, duration=None, cost=Cost(Decimal(0), "catalog"), price_status="free")
        made.append(one)
    return made


@pytest.fixture
def filled(ledger: SqlLedger) -> tuple[SqlLedger, list[Call]]:
    made = sample(3, 400, 40)
    ledger.record([entry(one) for one in made])
    return ledger, made


def naive(calls: Sequence[Call], query: UsageQuery) -> list[UsageRow]:
    found: dict[tuple[int | None, tuple[str, ...]], list[Call]] = {}
    spans = intervals(query.start, query.end, query.interval, query.zone) if query.interval else None
    for one in calls:
        if not query.start <= one.started_at < query.end:
            continue
        if any(value_of(one, name) not in values for name, values in query.filters.items()):
            continue
        (bucket,) = {None} if spans is None else {s.bucket for s in spans if s.start <= one.started_at < s.end}
        group = tuple(value_of(one, name) for name in query.group_by)
        found.setdefault((bucket, group), []).append(one)
    return [
        UsageRow(bucket, group, totals(some))
        for (bucket, group), some in sorted(found.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
    ]


edges = st.integers(-12 * 48, 40 * 48).map(lambda halves: BEGIN + halves * HOUR // 2) | st.integers(
    BEGIN - 12 * DAY, BEGIN + 40 * DAY
)
queries = st.builds(
    UsageQuery,
    start=edges,
    end=edges,
    group_by=st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3).map(tuple),
    filters=st.dictionaries(
        st.sampled_from(DIMENSIONS),
        st.lists(st.sampled_from(["", "t1", "u3", "openai", "new-model", "gpt-4o-mini", "chat"]), max_size=4).map(
            tuple
        ),
        max_size=2,
    ),
    interval=st.sampled_from([None, "hour", "day", "week", "month"]),
    zone=st.sampled_from(ZONES),
)


@given(query=queries)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_question(filled: tuple[SqlLedger, list[Call]], query: UsageQuery) -> None:
    ledger, calls = filled
    assert ledger.usage(query) == naive(calls, query)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_months_of_a_zone(filled: tuple[SqlLedger, list[Call]], zone: str, interval: str) -> None:
    ledger, calls = filled
    query = UsageQuery(0, ALWAYS, ("user", "model"), {}, interval, zone)  # type: ignore[arg-type]
    bounded = query._replace(start=BEGIN - 20 * DAY, end=BEGIN + 60 * DAY)
    expected = naive(calls, bounded)
    assert ledger.usage(query) == expected
    assert ledger.usage(bounded) == expected


def test_adjustments_and_retractions_count_at_the_edges_too(filled: tuple[SqlLedger, list[Call]]) -> None:
    """Where an hour is divided, its calls are read one by one: what became of them since counts there as well."""
    ledger, calls = filled
    ledger.retract([Retraction(one.id, 1, "twice") for one in calls[::5]])
    ledger.adjust("r1", [Adjustment(one.id, 1, 7, "v2") for one in calls[1::5]], "ann", "wrong price")
    left = [one for number, one in enumerate(calls) if number % 5]
    repriced = {one.id for one in calls[1::5]}

    def now(one: Call) -> Call:
        if one.id not in repriced:
            return one
        status = "priced" if one.price_status == "unpriced" else one.price_status
        return dataclasses.replace(one, cost=Cost(Decimal("7e-9"), "catalog"), price_status=status)

    true = [now(one) for one in left]
    for zone in ZONES:
        query = UsageQuery(BEGIN - 5 * DAY + 17, BEGIN + 9 * DAY + HOUR // 3, ("tenant",), {}, "day", zone)
        assert ledger.usage(query) == naive(true, query)


def test_a_group_that_is_nothing_but_retracted_is_none(ledger: SqlLedger) -> None:
    one = call(1)
    ledger.record([entry(one)])
    ledger.retract([Retraction(one.id, 1, "twice")])
    assert ledger.usage(UsageQuery(0, ALWAYS, ("tenant",))) == []


def test_what_is_no_dimension(ledger: SqlLedger) -> None:
    with pytest.raises(ValueError, match="session"):
        ledger.usage(UsageQuery(0, 1, ("session",)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1; DROP"):
        ledger.usage(UsageQuery(0, 1, (), {"1; DROP": ("x",)}))  # type: ignore[dict-item]


def test_a_range_before_and_after_everything(filled: tuple[SqlLedger, list[Call]]) -> None:
    ledger, _ = filled
    assert ledger.usage(UsageQuery(0, 5)) == []
    assert ledger.usage(UsageQuery(ALWAYS - 5, ALWAYS, interval="hour")) == []
    assert ledger.usage(UsageQuery(5, 0)) == []


def test_users_do_not_blur_the_broad_sums(ledger: SqlLedger, database: Database) -> None:
    """The broad rollups leave out the user, and nothing else."""
    calls = [call(number, tags={"user": f"u{number}", "tenant": "t"}) for number in range(100)]
    ledger.record([entry(one) for one in calls])
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage_daily_broad").scalar() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM usage_daily").scalar() == 100
    assert ledger.usage(UsageQuery(0, ALWAYS, ("tenant",))) == [UsageRow(None, ("t",), totals(calls))]
    assert ledger.usage(UsageQuery(0, ALWAYS, (), {"user": ("u5",)})) == [UsageRow(None, (), totals([calls[5]]))]
    assert ledger.usage(UsageQuery(0, ALWAYS, (), {"user": ()})) == []
    assert isinstance(ledger.usage(UsageQuery(0, ALWAYS))[0].totals, Totals)


@pytest.mark.parametrize("most", [0, 10**9])
def test_looked_up_or_read_whole_it_is_the_same(
    filled: tuple[SqlLedger, list[Call]], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    ledger, calls = filled
    monkeypatch.setattr(usage, "MOST_LOOKED_UP", most)
    for filters in ({"user": ("u1", "u5")}, {"tenant": ("t1",)}, {"tenant": ("t1", ""), "user": ("",)}):
        query = UsageQuery(BEGIN - 9 * DAY, BEGIN + 30 * DAY, ("model",), filters, "day", "Asia/Kolkata")  # type: ignore[arg-type]
        assert ledger.usage(query) == naive(calls, query)


def test_values_that_no_column_holds(ledger: SqlLedger) -> None:
    assert ledger.usage(UsageQuery(0, ALWAYS, (), {"tenant": ("a\0", "\ud800", "x" * 9999)})) == []
