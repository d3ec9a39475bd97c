"""`/reconciliations` and `/invoices`: what is compared, what is imported and booked, and by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sidecar.api.world import NOW, World, make_call

DAY = NOW - timedelta(days=4)
HEAD = "start_time,end_time,amount_value,amount_currency,quantity,quantity_unit,line_item\n"


def cost(amount: str, quantity: int, item: str = "gpt-4o, input", days: int = 4) -> str:
    start = int((NOW - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    return f'{start},{start + 86_400},{amount},usd,{quantity},tokens,"{item}"\n'


BILL = HEAD + cost("0.005", 2000) + cost("0.003", 200, "gpt-4o, output")
"""Two calls of `make_call`, whose output is billed at half as much again."""


@pytest.fixture
def world(sqlite_world: World) -> World:
    sqlite_world.record(make_call(1, at=DAY), make_call(2, at=DAY))
    return sqlite_world


def imported(world: World, content: str = BILL) -> dict[str, Any]:
    answer = world.client("admin").post("/api/v1/invoices", json={"content": content, "apply": True, "reason": "March"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_nothing_is_compared_yet(world: World) -> None:
    found = world.client("read").get("/api/v1/reconciliations").json()
    assert (found["evaluated_at"], found["providers"], found["days"]) == (None, [], [])


def test_an_export_is_shown_and_then_imported_once(world: World) -> None:
    client = world.client("admin")
    shown = client.post("/api/v1/invoices", json={"content": BILL}).json()
    assert (shown["form"], shown["rows"], shown["new"], shown["imported"]) == ("openai-costs", 2, 2, False)
    assert (shown["amount"], shown["amount_nano_usd"], shown["tokens"]) == (0.008, 8_000_000, 2200)
    assert shown["sample"][0]["item"] == "input"
    assert client.get("/api/v1/reconciliations").json()["evaluated_at"] is None
    assert imported(world)["imported"]
    assert (imported(world)["new"], imported(world)["unchanged"]) == (0, 2)
    entry = client.get("/api/v1/audit", params={"kind": "invoice"}).json()["changes"][-1]
    assert (entry["action"], entry["reason"], entry["after"]["new"]) == ("import", "March", 2)


def test_the_comparison_says_what_differs_and_why(world: World) -> None:
    imported(world)
    found = world.client("read").get("/api/v1/reconciliations").json()
    (provider,), (day,) = found["providers"], found["days"]
    assert (day["model"], day["status"], day["agrees"]) == ("gpt-4o", "settled", True)
    assert (day["ledger"]["cost_nano_usd"], day["invoice"]["cost_nano_usd"]) == (7_000_000, 8_000_000)
    assert day["difference_nano_usd"] == 1_000_000
    assert [cause["kind"] for cause in day["causes"]] == ["price"]
    assert day["causes"][0]["evidence"]["billed_usd_per_million"] == {"input": "2.500000", "output": "15.000000"}
    assert (provider["capture_rate"], provider["difference_nano_usd"]) == (1.0, 1_000_000)
    assert provider["causes"][0]["amount_nano_usd"] == 1_000_000
    narrowed = {"differing": "true"}, {"provider": "mistral"}, {"model": "gpt-5"}, {"status": "open"}, {"days": "2"}
    for params in narrowed:
        assert world.client("read").get("/api/v1/reconciliations", params=params).json()["days"] == []


def test_booking_is_planned_and_then_applied(world: World) -> None:
    imported(world)
    client, asked = world.client("admin"), {"provider": "openai"}
    plan = client.post("/api/v1/reconciliations/adjust", json=asked).json()
    assert (plan["applied"], plan["amount_nano_usd"], plan["days"][0]["causes"]) == (
        False,
        1_000_000,
        {"price": 1_000_000},
    )
    apply = {**asked, "apply": True, "plan": plan["plan"], "reason": "the invoice of March"}
    assert client.post("/api/v1/reconciliations/adjust", json={**apply, "plan": "0"}).status_code == 409
    world.clock.now += timedelta(seconds=1)
    done = client.post("/api/v1/reconciliations/adjust", json=apply).json()
    assert (done["applied"], done["adjusted_calls"]) == (True, 2)
    assert client.get("/api/v1/usage", params={"days": 10}).json()["total_cost"] == 0.008
    day = client.get("/api/v1/reconciliations").json()["days"][0]
    assert (day["difference_nano_usd"], day["causes"]) == (0, [])
    assert client.post("/api/v1/reconciliations/adjust", json=apply).status_code == 409


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("invoices", {"content": "a,b\n1,2\n"}, "content"),
        ("invoices", {"content": BILL, "apply": True}, "reason"),
        ("reconciliations/adjust", {"provider": "openai", "apply": True, "plan": "1"}, "reason"),
        ("reconciliations/adjust", {"provider": "openai", "apply": True, "reason": "x"}, "plan"),
    ],
)
def test_what_is_missing_is_said(world: World, path: str, body: dict[str, Any], field: str) -> None:
    answer = world.client("admin").post(f"/api/v1/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


def test_who_reads_changes_nothing(world: World) -> None:
    for path in ("invoices", "reconciliations/fetch", "reconciliations/adjust"):
        assert world.client("write").post(f"/api/v1/{path}", json={"content": BILL, "provider": "x"}).status_code == 403
