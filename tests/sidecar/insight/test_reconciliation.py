"""The daily comparison: a simulated provider's bill against a real ledger, what is kept of it, and what is booked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sidecar.api.world import Clock, World, make_call
from tollkeeper.insight.reconcile.account import Account
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.sidecar.insight.booking import PlanOutdated, Wanted
from tollkeeper.sidecar.insight.reconciliation import AGAIN_SECONDS, NAME
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.bill import DAY, HOUR, ITEMS, Use, prices_of

TODAY = datetime(2026, 9, 16, tzinfo=UTC)
START = int(TODAY.timestamp())
FIRST, LAST = date(2026, 9, 10), date(2026, 9, 14)
MODELS = ("gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06", "gpt-5-2025-08-07")
NOW = int(TODAY.timestamp()) * 10**9 + HOUR * 10**9


def made(days: int = 5) -> list[Use]:
    return [
        Use(START - (2 + day) * DAY + hour * HOUR, "openai", model, 1000 + 7 * hour, 300 + day, 70 * hour)
        for day in range(days)
        for model in MODELS
        for hour in range(3, 21, 3)
    ]


def call_of(number: int, use: Use, **fields: Any) -> Call:
    prices = prices_of(use.model)
    amounts = [(item, getattr(use, item), prices[item] / 10**6) for item in ITEMS]
    items = tuple(LineItem(item, count, price, count * price) for item, count, price in amounts if count)  # type: ignore[arg-type]
    usage = Usage(use.input + use.cache_read, use.output, use.cache_read)
    cost = Cost(sum((item.amount for item in items), Decimal(0)), "catalog", items, "genai-prices 0.2.3")
    given = {"request_model": use.model, "response_model": use.model, "cost": cost, **fields}
    return make_call(number, at=datetime.fromtimestamp(use.at, UTC), usage=usage, **given)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ADMIN_KEY", "sk-admin-1")
    return "env:ADMIN_KEY"


class Office:
    """A world whose account is at a simulated provider."""

    def __init__(self, url: str, key: str, uses: Sequence[Use], **knobs: Any) -> None:
        self.simulator = Simulator(seed=1, clock=lambda: START + HOUR, **knobs).start()
        self.simulator.meter.add(uses)
        account = Account("openai", "openai", key, self.simulator.url + "/v1", "openai", 10, 24)
        clock = Clock(TODAY + timedelta(hours=1))
        self.world = World(url, clock=clock, accounts=(account,))
        self.reconciler, self.keeper = self.world.insight.reconciler, self.world.insight.bookkeeper

    def cost(self) -> int:
        rows = self.world.client("read").get("/api/v1/usage", params={"start": "2026-09-01", "end": "2026-09-30"})
        assert rows.status_code == 200
        return int(Decimal(str(rows.json()["total_cost"])) * 10**9)

    def close(self) -> None:
        self.simulator.stop()
        self.world.close()


@pytest.fixture
def open_office(key: str) -> Iterator[Any]:
    opened: list[Office] = []

    def open_one(url: str, uses: Sequence[Use], **knobs: Any) -> Office:
        opened.append(Office(url, key, uses, **knobs))
        return opened[-1]

    yield open_one
    for office in opened:
        office.close()


@pytest.fixture
def offices(open_office: Any, tmp_path: Path) -> Any:
    """For what does not depend on the database."""
    return partial(open_office, f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def everywhere(open_office: Any, database_url: str) -> Any:
    return partial(open_office, database_url)


def providers(office: Office) -> dict[str, Any]:
    kept = office.world.insight.evaluations.latest(NAME)
    assert kept is not None
    (found,) = kept.body["providers"]
    return dict(found)


def test_a_ledger_that_has_everything_equals_the_invoice(offices: Any) -> None:
    office = offices(made())
    office.world.record(*(call_of(number, use) for number, use in enumerate(made())))
    body = office.reconciler.fetch(NOW)
    assert body["accounts"][0]["error"] is None and body["accounts"][0]["new"] > 0
    found = providers(office)
    assert len(found["cells"]) == 5 * len(MODELS)
    assert all(cell["agrees"] and cell["difference_nano_usd"] == 0 and not cell["causes"] for cell in found["cells"])
    assert found["capture"] == {
        "provider": "openai", "measure": "tokens", "ledger": found["capture"]["ledger"],
        "invoice": found["capture"]["ledger"], "ratio": 1.0,
    }  # fmt: skip
    again = office.reconciler.fetch(NOW + 1)
    assert (again["accounts"][0]["new"], again["accounts"][0]["changed"], again["accounts"][0]["gone"]) == (0, 0, 0)


def test_lost_calls_and_a_batch_tariff_are_seen_in_the_database(everywhere: Any) -> None:
    office = everywhere(made())
    uses = made()
    # Of the calls that were billed at the usual price, the ledger takes one model's for batches.
    lost = [use for use in uses if use.model == MODELS[1] and use.at % DAY == 9 * HOUR]
    for number, use in enumerate(use for use in uses if use not in lost):
        call = call_of(number, use)
        if use.model == MODELS[0] and call.cost is not None:
            call.service_tier, call.cost = "flex", call.cost._replace(usd=call.cost.usd / 2)
        office.world.record(call)
    office.reconciler.fetch(NOW)
    kinds: dict[str, set[str]] = {model: set() for model in MODELS}
    for cell in providers(office)["cells"]:
        kinds[cell["model"]] |= {cause["kind"] for cause in cell["causes"]}
    assert kinds == {MODELS[0]: {"tier"}, MODELS[1]: {"missed_calls"}, MODELS[2]: set()}


def test_an_account_that_cannot_be_asked_holds_up_nothing_and_is_asked_again(offices: Any) -> None:
    office = offices(made(), status=401)
    evaluations = office.world.insight.evaluations
    assert evaluations.claim(NAME, DAY * 10**9)
    body = office.reconciler.run(NOW)
    assert "401" in body["accounts"][0]["error"] and body["providers"] == []
    assert not evaluations.claim(NAME, DAY * 10**9)
    office.world.clock.now += timedelta(seconds=AGAIN_SECONDS + 1)
    assert evaluations.claim(NAME, DAY * 10**9)


def test_figures_that_took_long_to_get_are_compared_with_what_has_come_meanwhile(offices: Any) -> None:
    office = offices(made())
    evaluations, get = office.world.insight.evaluations, office.reconciler._get

    def slow(account: Account, first: date, last: date) -> Any:
        office.world.clock.now += timedelta(minutes=5)
        office.reconciler.again(office.world.clock.nanoseconds())
        return get(account, first, last)

    office.reconciler._get = slow
    assert evaluations.claim(NAME, DAY * 10**9)
    # As the sidecar runs it: it keeps what came of it at the moment at which it began.
    evaluations.keep(NAME, NOW, office.reconciler.run(NOW))
    assert len(providers(office)["cells"]) == 5 * len(MODELS)


def test_days_that_are_told_no_more_are_days_without_a_bill(offices: Any) -> None:
    office = offices(made())
    office.reconciler.fetch(NOW)
    office.simulator.provider.world.meter._uses.clear()
    body = office.reconciler.fetch(NOW + 1)
    assert body["accounts"][0]["gone"] > 0
    assert body["providers"][0]["cells"] == []


WANTED = Wanted("openai", FIRST, LAST)


def test_what_an_invoice_says_is_booked_once_by_a_person_to_the_nano_dollar(everywhere: Any) -> None:
    office = everywhere(made(), bill_price=1.37, bill_model=MODELS[0], bill_credit=0.001)
    office.world.record(*(call_of(number, use) for number, use in enumerate(made())))
    office.reconciler.fetch(NOW)
    before = office.cost()
    plan = office.keeper.plan(WANTED, NOW)
    assert office.cost() == before
    assert {(one.model, tuple(one.amounts)) for one in plan.bookings} == {(MODELS[0], ("price",)), ("", ("credit",))}
    assert not plan.left
    amount = sum(one.new_nano_usd - one.old_nano_usd for one in plan.bookings)
    with pytest.raises(PlanOutdated):
        office.keeper.apply(WANTED, NOW, author="ada", reason="August", plan_id="another")
    assert office.cost() == before
    done = office.keeper.apply(WANTED, NOW, author="ada", reason="August", plan_id=plan.id)
    assert done.adjusted == len(made())
    assert office.cost() == before + amount
    entry = office.world.audit.entries()[0][0]
    assert (entry.author, entry.action, entry.object_id) == ("ada", "adjust", plan.id)
    # What is booked is no difference any more, and cannot be booked again.
    office.reconciler.again(NOW + 1)
    cells = providers(office)["cells"]
    assert sum(cell["difference_nano_usd"] for cell in cells) == 0
    with pytest.raises(PlanOutdated):
        office.keeper.apply(WANTED, NOW, author="ada", reason="August", plan_id=plan.id)
    assert office.cost() == before + amount


def test_what_is_on_no_call_stays_a_difference(offices: Any) -> None:
    office = offices(made(), bill_price=1.5, bill_model=MODELS[0])
    office.world.record(*(call_of(number, use) for number, use in enumerate(made()) if use.model != MODELS[2]))
    office.reconciler.fetch(NOW)
    plan = office.keeper.plan(WANTED._replace(models=(MODELS[0], MODELS[2])), NOW)
    assert {one.model for one in plan.bookings} == {MODELS[0]}
    assert {(one.model, one.cause) for one in plan.left} == {(MODELS[2], "another_client")}
    none = office.keeper.plan(WANTED._replace(models=(MODELS[0],), causes=("discount",)), NOW)
    assert not none.bookings and {one.why for one in none.left} == {"it was not asked for"}


def test_nothing_is_booked_on_another_models_calls(offices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = offices(made(), bill_price=1.5, bill_model=MODELS[0])
    office.world.record(*(call_of(number, use) for number, use in enumerate(made())))
    office.reconciler.fetch(NOW)
    (found,) = office.reconciler.compare(NOW, "openai")
    names = {model: names for model, names in found.names.items() if model != MODELS[0]}
    monkeypatch.setattr(office.reconciler, "compare", lambda *_: [found._replace(names=names)])
    plan = office.keeper.plan(WANTED, NOW)
    assert not plan.bookings
    assert {(one.model, one.why) for one in plan.left} == {(MODELS[0], "there are no calls to book it on")}


def test_calls_without_a_price_are_booked_by_their_tokens(offices: Any) -> None:
    office = offices(made())
    calls = [call_of(number, use) for number, use in enumerate(made())]
    for call in calls:
        if call.response_model == MODELS[1]:
            call.cost, call.price_status = None, "unpriced"
    office.world.record(*calls)
    office.reconciler.fetch(NOW)
    assert {cell["causes"][0]["kind"] for cell in providers(office)["cells"] if cell["causes"]} == {"unpriced"}
    plan = office.keeper.plan(WANTED, NOW)
    office.keeper.apply(WANTED, NOW, author="ada", reason="no price", plan_id=plan.id)
    office.reconciler.again(NOW + 1)
    assert all(cell["difference_nano_usd"] == 0 for cell in providers(office)["cells"])


def test_open_days_are_not_booked(offices: Any) -> None:
    office = offices([use._replace(at=use.at + DAY) for use in made(2)], bill_price=2.0)
    uses = [use._replace(at=use.at + DAY) for use in made(2)]
    office.world.record(*(call_of(number, use) for number, use in enumerate(uses)))
    office.reconciler.fetch(NOW)
    plan = office.keeper.plan(WANTED._replace(last=date(2026, 9, 16)), NOW)
    assert {one.day for one in plan.bookings} == {date(2026, 9, 14)}
