"""Series are what the ledger's rollups say, for every group and interval."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from storage.ledger.drawn import DAY, HOUR, NOON, call, entry
from tollkeeper.insight.series import METRICS, calendar
from tollkeeper.model import Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.history import History
from tollkeeper.storage.ledger.sql import SqlLedger


@pytest.fixture
def ledger(database_url: str) -> Iterator[SqlLedger]:
    database = Database(database_url)
    database.migrate()
    yield SqlLedger(database)
    database.close()


def test_every_group_has_a_value_for_every_interval(ledger: SqlLedger) -> None:
    ours = [call(number, started_at=NOON + number % 5 * DAY) for number in range(60)]
    failed = [
        call(100 + number, started_at=NOON + 3 * DAY, error_type="timeout", usage_source="unknown", cost=None)
        for number in range(5)
    ]
    ledger.record([entry(one) for one in (*ours, *failed)])
    found = History(ledger).series(METRICS, ("tenant",), NOON - 2 * DAY, NOON + 6 * DAY)
    assert set(found) == set(METRICS)
    for metric, by_tenant in found.items():
        assert set(by_tenant) == {("t0",), ("t1",), ("t2",)}, metric
        assert all(len(series) == 9 for series in by_tenant.values())
    for tenant in ("t0", "t1", "t2"):
        mine = [one for one in (*ours, *failed) if one.tags["tenant"] == tenant]
        of_day = [[one for one in mine if one.started_at == NOON + day * DAY] for day in range(-2, 7)]
        spend, requests = found["spend"][tenant,], found["requests"][tenant,]
        assert spend.values == tuple(sum(one.cost.nano_usd for one in each if one.cost) for each in of_day)
        assert requests.values == requests.calls == tuple(len(each) for each in of_day)
        assert spend.dates[2] == date(2025, 11, 3)
        failing = found["error_rate"][tenant,].values[5]
        assert failing == sum(one.error_type is not None for one in of_day[5]) / len(of_day[5])
        each_cost = found["cost_per_request"][tenant,].values
        assert each_cost[0] is None, "of no calls there is no average"
        assert each_cost[2] == spend.values[2] / len(of_day[2])  # type: ignore[operator]


def test_what_has_no_price_has_not_cost_nothing(ledger: SqlLedger) -> None:
    unpriced = [call(number, cost=None, price_status="unpriced") for number in range(3)]
    uncounted = [
        call(9 + number, started_at=NOON + DAY, usage=Usage(), usage_source="unknown", cost=None, price_status=None)
        for number in range(2)
    ]
    ledger.record([entry(one) for one in (*unpriced, *uncounted)])
    found = History(ledger).series(("spend", "tokens", "requests"), (), NOON, NOON + 2 * DAY)
    assert found["spend"][()].values == (None, None, 0)
    assert found["tokens"][()].values == (sum(110 + 2 * number for number in range(3)), None, 0)
    assert found["requests"][()].values == (3, 2, 0)


def test_hours_and_days_are_those_of_the_zone(ledger: SqlLedger) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, last = (int(datetime(2025, 10, day, tzinfo=berlin).timestamp()) * 10**9 for day in (25, 28))
    ledger.record([entry(call(number, started_at=first + number * HOUR // 2)) for number in range(146)])
    history = History(ledger)
    days = history.series(("requests",), (), first, last, "day", "Europe/Berlin")["requests"][()]
    assert days.values == (48, 50, 48), "the clocks went back on the 26th"
    hours = history.series(("requests",), (), first, last, "hour", "Europe/Berlin")["requests"][()]
    assert len(hours) == 73 and set(hours.values) == {2}
    assert [hour for day, hour in zip(hours.dates, hours.hours, strict=True) if day == date(2025, 10, 26)][:5] == [
        0, 1, 2, 2, 3,
    ]  # fmt: skip


def test_an_empty_ledger_and_an_empty_range_have_no_series(ledger: SqlLedger) -> None:
    assert History(ledger).series(("spend",), ("model",), NOON, NOON + DAY) == {"spend": {}}
    assert History(ledger).series(("spend",), ("model",), NOON, NOON) == {"spend": {}}
    with pytest.raises(ValueError, match="no time zone"):
        calendar(NOON, NOON + DAY, "day", "Mars/Olympus")
