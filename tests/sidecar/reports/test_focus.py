"""Charges as FOCUS has them: by its rules, and adding up to what the API says, to the nano-dollar."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.api.world import World, make_call
from sidecar.reports.conftest import NAMES, fill
from sidecar.reports.focus_rules import mistakes
from tollkeeper.model import LineItem
from tollkeeper.model.usage import Meter
from tollkeeper.sidecar.reports.focus.charges import charges, parted
from tollkeeper.sidecar.reports.focus.rows import lines, row_of
from tollkeeper.sidecar.reports.focus.units import UNITS
from tollkeeper.storage.ledger import Kept

ALL = {"start": "2026-01-01", "end": "2026-12-31"}


def exported(world: World, **query: str) -> tuple[list[str], list[dict[str, str]]]:
    answer = world.client("read").get("/api/v1/reports/statement", params={**ALL, "format": "focus", **query})
    assert answer.status_code == 200, answer.text
    reader = csv.DictReader(io.StringIO(answer.text))
    rows = list(reader)
    return list(reader.fieldnames or ()), rows


@pytest.mark.parametrize("version", ["1.4", "1.2"])
def test_it_is_as_the_specification_says(world: World, version: str) -> None:
    columns, rows = exported(world, focus_version=version)
    assert len(rows) > 20
    assert list(mistakes(columns, rows, version)) == []


def test_rules_find_what_is_wrong(world: World) -> None:
    columns, rows = exported(world)
    usage = next(row for row in rows if row["ChargeCategory"] == "Usage")
    for change, told in (
        ({"BilledCost": ""}, "null"), ({"BilledCost": "$1"}, "a number"), ({"ChargeCategory": "Misc"}, "'Misc'"),
        ({"ListUnitPrice": "7"}, "times PricingQuantity"),
        ({"ChargePeriodStart": "2026-03-01T00:00:00+00:00"}, "ISO 8601"),
        ({"SkuId": ""}, "SkuId is null"), ({"BillingPeriodStart": "2026-01-02T00:00:00Z"}, "no month"),
    ):  # fmt: skip
        assert any(told in one for one in mistakes(columns, [{**usage, **change}], "1.4")), change
    assert "BilledCost is missing" in mistakes(columns[1:], [], "1.4")


@pytest.mark.parametrize("query", [{}, {"start": "2026-03-01", "end": "2026-03-31"}, {"tenant": "acme"}])
def test_charges_add_up_to_the_usage(world: World, query: dict[str, str]) -> None:
    _, rows = exported(world, **query)
    usage = json.loads(world.client("read").get("/api/v1/usage", params={**ALL, **query}).text, parse_float=Decimal)
    for name in ("BilledCost", "EffectiveCost"):
        assert sum(Decimal(row[name]) for row in rows) == usage["total_cost"]


def test_they_do_so_in_every_database(database_url: str) -> None:
    made = World(database_url)
    fill(made)
    test_charges_add_up_to_the_usage(made, {"tenant": NAMES[0]})
    test_charges_add_up_to_the_usage(made, {})
    made.close()


def test_a_charge_is_a_day_of_a_meter_with_its_tags(world: World) -> None:
    _, rows = exported(world, tenant="acme", start="2026-03-01", end="2026-03-01")
    found = [row for row in rows if row["Tags"] == '{"feature":"chat","project":"p0","team":"core","tenant":"acme"}']
    by_meter = {row["x_Meter"]: row for row in found}
    sent = by_meter["input"]
    assert (sent["ConsumedQuantity"], sent["ConsumedUnit"], sent["PricingUnit"]) == ("4", "Tokens", "1000000 Tokens")
    assert (sent["PricingQuantity"], sent["ListUnitPrice"], sent["ListCost"]) == (
        "0.000004",
        "0.000333",
        "0.000000001332",
    )
    assert (sent["ServiceProviderName"], sent["SubAccountId"], sent["x_Requests"]) == ("Anthropic", "acme", "4")
    assert sent["SkuMeter"] == "Input Tokens"
    # Four calls of 0.999 nano-dollars each were booked as one each, which is the larger part's.
    assert (sent["BilledCost"], by_meter["output"]["BilledCost"]) == ("0", "0.000000004")


def test_corrections_are_charges_of_their_own(world: World) -> None:
    _, rows = exported(world)
    found = {row["x_PriceSource"]: row for row in rows if row["ChargeCategory"] == "Adjustment"}
    assert set(found) == {"dearer", "late", "gone"}
    assert found["gone"]["BilledCost"] == "-0.000000001"
    assert found["gone"]["ChargeClass"] == "Correction", "February was over"
    assert found["gone"]["BillingPeriodStart"] == "2026-03-01T00:00:00Z"
    assert found["late"]["ChargeClass"] == "", "March was not"
    assert "priced late" in found["late"]["ChargeDescription"]


def test_what_is_in_no_charge_is_told(world: World) -> None:
    answer = world.client("read").get("/api/v1/reports/daily", params={**ALL, "format": "focus"})
    assert answer.headers["X-Tollkeeper-Left-Out"] == "not among the charges: calls without a price: 2"
    assert "acme-tuned: Input" not in answer.text


def test_names_are_no_formulas(world: World) -> None:
    _, rows = exported(world)
    accounts = {row["SubAccountId"] for row in rows}
    assert "'@SUM(1+1)" in accounts
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.values())
    assert any(json.loads(row["Tags"])["tenant"] == "@SUM(1+1)" for row in rows if row["Tags"])


def test_every_meter_has_a_unit() -> None:
    assert set(UNITS) == set(get_args(Meter))
    assert len({unit.name for unit in UNITS.values()}) == len(UNITS)
    assert UNITS["web_searches"].quantity(250) == Decimal("0.25")


amounts = st.integers(0, 10**12).map(lambda value: Decimal(value).scaleb(-12))


@given(st.lists(amounts, min_size=1, max_size=8), st.integers(-3, 3))
def test_a_cost_is_parted_without_a_rest(found: list[Decimal], off: int) -> None:
    items = tuple(LineItem("input", 1, amount, amount) for amount in found)
    total = round(sum(found) * 10**9) + off
    parts = parted(items, total)
    assert sum(parts) == total
    assert all(abs(part - amount * 10**9) < 2 + abs(off) for part, amount in zip(parts, found, strict=True))


def test_many_calls_take_no_more_memory_than_a_day() -> None:
    """2,500 calls over 25 days, each with tags of its own."""

    def calls() -> Iterator[Kept]:
        for number in range(2_500):
            at = datetime.fromtimestamp(1_770_000_000 + number * 864, UTC)
            call = make_call(number, at=at, tags={"tenant": f"t{number}"})
            yield Kept(call, "tollkeeper", None, None, False)

    tracemalloc.start()
    number = sum(text.count("\r\n") for text in lines(map(row_of, charges(calls())), "1.4"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert number == 5_001
    assert peak < 1_000_000
