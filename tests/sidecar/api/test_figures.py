"""What the API tells about usage: exact, and never zero where nobody knows.

The ledger has its own tests on every database; here both are asked where an answer could differ.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.world import NOW, World, failed, make_call, unpriced
from tollkeeper.model import Call, Cost, Usage
from tollkeeper.sidecar.api.answer import nanoseconds, write
from tollkeeper.storage.ledger import Adjustment, LedgerUnavailable, Started


def costing(number: int, usd: str, **fields: Any) -> Call:
    return make_call(number, cost=Cost(Decimal(usd), "provider"), **fields)


def get(world: World, path: str, **query: Any) -> Any:
    answer = world.client("admin").get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def test_stats_of_an_empty_ledger_know_that_nothing_was_spent(sqlite_world: World) -> None:
    stats = get(sqlite_world, "/stats")
    assert stats["total_requests"] == stats["total_tokens"] == stats["total_cost"] == 0
    assert stats["average_cost"] is None
    assert stats["daily_costs"] == {}
    assert set(stats["rate_limits"].values()) == {None}


def test_stats_have_the_exact_sums(world: World) -> None:
    world.record(
        costing(1, "0.1"), costing(2, "0.2", at=NOW - timedelta(minutes=59)), costing(3, "0.000000001", at=NOW),
        costing(4, "7", at=NOW - timedelta(days=2)), unpriced(5), failed(6),
    )  # fmt: skip
    stats = get(world, "/stats")
    assert (stats["total_requests"], stats["failed_requests"], stats["unpriced_requests"]) == (6, 1, 1)
    assert stats["total_cost"] == Decimal("7.300000001")
    assert stats["total_cost_nano_usd"] == 7_300_000_001
    # Of the four whose cost is known. To the nano-dollar, half to even.
    assert stats["average_cost"] == Decimal("1.825000000")
    hour = stats["recent_hour"]
    assert (hour["requests"], hour["cost"]) == (5, Decimal("0.300000001"))
    assert hour["since"] == "2026-03-31T13:30:15.250000Z"
    assert stats["daily_costs"] == {"2026-03-31": Decimal("0.300000001"), "2026-03-29": 7}


def test_the_last_hour_ends_to_the_microsecond(sqlite_world: World) -> None:
    sqlite_world.record(
        make_call(1, at=NOW - timedelta(hours=1)), make_call(2, at=NOW - timedelta(hours=1, microseconds=1)),
        make_call(3, at=NOW),
    )  # fmt: skip
    assert get(sqlite_world, "/stats")["recent_hour"]["requests"] == 2


def test_what_nobody_knows_is_null(sqlite_world: World) -> None:
    sqlite_world.record(unpriced(1), make_call(2, cost=None, price_status=None, usage=Usage(), usage_source="unknown",
                                        response_model="silent"))  # fmt: skip
    usage = get(sqlite_world, "/usage")
    assert usage["total_cost"] is None and usage["total_cost_nano_usd"] is None and usage["average_cost"] is None
    assert usage["by_model"]["silent"]["tokens"] is None
    assert usage["by_model"]["acme-tuned"]["tokens"] == 1100
    assert usage["by_model"]["acme-tuned"]["cost"] is None
    assert (usage["unpriced_calls"], usage["unmeasured_calls"]) == (1, 1)
    assert get(sqlite_world, "/stats")["daily_costs"] == {"2026-03-31": None}


def unmeasured(number: int, **fields: Any) -> Call:
    nothing = {"cost": None, "price_status": None, "usage": Usage(), "usage_source": "unknown"}
    return make_call(number, **{**nothing, **fields})


def test_averages_are_over_what_is_known(world: World) -> None:
    known = costing(0, "6", duration=2.0)
    silent = [unmeasured(number, duration=None) for number in range(1, 10)]
    world.record(known, *silent, *(failed(number, duration=None) for number in range(10, 20)))
    usage, stats = get(world, "/usage"), get(world, "/stats")
    assert (usage["average_cost"], stats["average_cost"], usage["total_cost"]) == (6, 6, 6)
    assert usage["by_model"]["gpt-4o"]["average_duration_ms"] == 2000
    assert usage["by_model"]["gpt-4o"]["average_cost"] == 6
    assert get(world, "/usage", start="2026-03-01", end="2026-03-02")["average_cost"] is None
    world.ledger.adjust("r1", [Adjustment(silent[0].id, 1, 2_000_000_000, "v2")], "ann", "found out")
    assert get(world, "/usage")["average_cost"] == get(world, "/stats")["average_cost"] == 4


def test_no_call_is_both_unpriced_and_unmeasured(world: World) -> None:
    world.record(unmeasured(1, price_status="unpriced"), costing(2, "0"))
    usage = get(world, "/usage")
    assert (usage["total_calls"], usage["unpriced_calls"], usage["unmeasured_calls"]) == (2, 0, 1)
    assert usage["total_cost"] == 0
    assert get(world, "/calls", outcome="unpriced")["calls"] == []


def test_a_call_that_was_priced_again_has_that_price(world: World) -> None:
    world.record(unpriced(1), costing(2, "3"))
    world.ledger.adjust("r1", [Adjustment(unpriced(1).id, 1, 4_000_000_000, "price 7 1")], "ann", "a price")
    world.ledger.adjust("r2", [Adjustment(make_call(2).id, 1, None)], "ann", "no price")
    dearest = get(world, "/calls", order="dearest")["calls"]
    told = [(row["id"], row["cost"], row["price_status"], row["price_version"]) for row in dearest]
    assert told == [(unpriced(1).id, 4, "priced", "price 7 1")]
    assert [row["id"] for row in get(world, "/calls", outcome="unpriced")["calls"]] == [make_call(2).id]
    (attempt,) = get(world, f"/calls/{make_call(2).id}")["attempts"]
    assert (attempt["cost"], attempt["price_status"], attempt["price_version"]) == (None, "unpriced", None)
    assert attempt["formula"] == "$3 as the provider states it (openai gpt-4o); − $3 by re-pricing = unknown"


def test_free_is_zero_and_not_unknown(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1, cost=Cost(Decimal(0), "catalog"), price_status="free"))
    assert get(sqlite_world, "/usage")["total_cost"] == 0


def test_usage_by_model_and_day_adds_up(world: World) -> None:
    calls = [
        costing(number, f"0.00000000{number % 9 + 1}", at=NOW - timedelta(hours=7 * number),
                response_model=f"model-{number % 3}", tags={"tenant": f"t{number % 2}"})
        for number in range(60)
    ]  # fmt: skip
    world.record(*calls)
    usage = get(world, "/usage", days=30, zone="Asia/Kathmandu", group_by=["tenant", "model"], interval="week")
    for parts in (usage["by_model"].values(), usage["by_day"], usage["groups"]):
        assert sum(part["calls"] for part in parts) == usage["total_calls"] == 60
        assert sum(part["cost_nano_usd"] for part in parts) == usage["total_cost_nano_usd"]
        assert sum(part["cost"] for part in parts) == usage["total_cost"]
        assert sum(part["tokens"] for part in parts) == usage["total_tokens"]
    assert len(usage["by_day"]) == 30
    assert {len(group["group"]) for group in usage["groups"]} == {2}
    mondays = [datetime.fromisoformat(group["start"]) for group in usage["groups"]]
    assert all((day.weekday(), day.hour, day.utcoffset()) == (0, 0, timedelta(hours=5, minutes=45)) for day in mondays)


def test_filters_take_several_values_and_the_empty_one(sqlite_world: World) -> None:
    sqlite_world.record(
        *(make_call(n, tags={} if t is None else {"tenant": t}) for n, t in enumerate(("a", "b", "c", None)))
    )
    assert get(sqlite_world, "/usage", tenant=["a", "b"])["total_calls"] == 2
    assert get(sqlite_world, "/usage", tenant="")["total_calls"] == 1
    assert get(sqlite_world, "/usage", tenant=["", "c"], provider="openai")["total_calls"] == 2
    assert get(sqlite_world, "/usage", provider="nobody")["total_calls"] == 0


def test_days_are_those_of_the_zone(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1, at=datetime(2026, 3, 29, 22, 30, tzinfo=UTC)))
    by = {
        zone: [d["date"] for d in get(sqlite_world, "/usage", zone=zone, days=5)["by_day"] if d["calls"]]
        for zone in ("UTC", "Europe/Berlin", "America/New_York")
    }
    assert by == {"UTC": ["2026-03-29"], "Europe/Berlin": ["2026-03-30"], "America/New_York": ["2026-03-29"]}


def test_usage_as_csv_is_the_same_table(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1, tags={"tenant": "=HYPERLINK(1)"}), unpriced(2, tags={"tenant": 'b,"c"'}))
    client = sqlite_world.client("read")
    answer = client.get("/api/v1/usage", params={"group_by": "tenant"}, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["tenant"], row["calls"], row["cost"]) for row in rows] == [
        ("'=HYPERLINK(1)", "1", "0.0035"), ('b,"c"', "1", "")
    ]  # fmt: skip
    by_day = list(csv.DictReader(io.StringIO(client.get("/api/v1/usage?format=csv").text)))
    assert by_day[0]["start"] == "2026-03-31T00:00:00Z"


def test_pages_of_calls_go_on_though_new_ones_come(sqlite_world: World) -> None:
    sqlite_world.record(*(make_call(number, at=NOW - timedelta(minutes=number)) for number in range(10)))
    page = get(sqlite_world, "/calls", limit=4)
    seen = [row["id"] for row in page["calls"]]
    sqlite_world.record(make_call(99, at=NOW + timedelta(minutes=1)))
    while page["next_cursor"]:
        page = get(sqlite_world, "/calls", limit=4, cursor=page["next_cursor"])
        seen += [row["id"] for row in page["calls"]]
    assert [int(id[-12:]) for id in seen] == list(range(10))


def test_calls_by_outcome_and_order(world: World) -> None:
    world.record(make_call(1), failed(2), unpriced(3), costing(4, "9", at=NOW - timedelta(days=3)))

    def numbers(**query: Any) -> list[int]:
        return [int(row["id"][-12:]) for row in get(world, "/calls", **query)["calls"]]

    assert numbers(outcome="failed") == [2]
    assert numbers(outcome="unpriced") == [3]
    assert sorted(numbers(outcome="succeeded")) == [1, 3, 4]
    assert numbers(order="dearest")[:2] == [4, 1]
    assert numbers(days=1, order="dearest")[0] == 1


def test_calls_as_csv_tell_where_to_go_on(sqlite_world: World) -> None:
    sqlite_world.record(*(make_call(number) for number in range(3)))
    client = sqlite_world.client("read")
    first = client.get("/api/v1/calls?limit=2&format=csv")
    following = client.get(f"/api/v1/calls{first.headers['link'].partition('>')[0].removeprefix('<')}")
    ids = [row["id"] for text in (first.text, following.text) for row in csv.DictReader(io.StringIO(text))]
    assert len(set(ids)) == 3 and "link" not in following.headers


def test_a_call_says_how_its_cost_comes_about(sqlite_world: World) -> None:
    sqlite_world.record(make_call(1))
    (attempt,) = get(sqlite_world, f"/calls/{make_call(1).id}")["attempts"]
    assert attempt["formula"] == "$0.0025 + $0.001 = $0.0035 (openai gpt-4o, genai-prices 0.2.3)"
    assert [item["formula"] for item in attempt["line_items"]] == [
        "1,000 input tokens × $2.5 per million = $0.0025", "100 output tokens × $10 per million = $0.001",
    ]  # fmt: skip
    assert sum(item["amount"] for item in attempt["line_items"]) == attempt["cost"] == Decimal("0.0035")


def test_calls_that_were_never_reported_are_orphans(sqlite_world: World) -> None:
    sqlite_world.ledger.mark_started([Started(make_call(1)), Started(make_call(2))])
    sqlite_world.record(make_call(2))
    (orphan,) = get(sqlite_world, "/orphans")["orphans"]
    assert orphan["id"] == make_call(1).id and orphan["tags"]["tenant"] == "acme"
    assert get(sqlite_world, "/overview")["status"] == "degraded"


def test_status_names_who_is_in_use_and_how_to_begin_with_others(sqlite_world: World) -> None:
    assert get(sqlite_world, "/status")["configured"] is False
    sqlite_world.record(
        make_call(1, at=NOW - timedelta(days=50)), make_call(2, at=NOW - timedelta(days=40)),
        make_call(3, provider="anthropic", response_model="claude"), make_call(4, provider="acme-ai"),
    )  # fmt: skip
    status = get(sqlite_world, "/status")
    assert (status["configured_count"], status["default_provider"]) == (3, "openai")
    assert status["message"] == "3 provider(s) ready"
    openai = status["providers"][0]
    assert (openai["status"], openai["model"], openai["last_seen"]) == (
        "configured", "gpt-4o", "2026-02-19T14:30:15.250000Z",
    )  # fmt: skip
    groq = next(one for one in status["providers"] if one["name"] == "groq")
    assert groq["status"] == "not_configured" and "GROQ_API_KEY" in groq["setup_guide"]
    assert status["total_providers"] == len(status["providers"])


def test_a_call_of_a_wrong_clock_spoils_no_answer(world: World) -> None:
    """More days than anybody counts one by one: from 1970 to 2262."""
    ahead, behind = (
        dataclasses.replace(unpriced(number), started_at=started_at, id=f"019c0000-0000-7000-8000-{number:012d}")
        for number, started_at in ((1, 2**63 - 2), (2, 5))
    )
    world.record(ahead, behind, make_call(3), dataclasses.replace(make_call(4, provider="groq"), started_at=2**63 - 2))
    status = get(world, "/status")
    seen = {one["name"]: one["last_seen"] for one in status["providers"] if one["status"] == "configured"}
    assert seen == {"openai": "2026-03-31T13:30:15.250000Z", "groq": None}
    assert get(world, "/stats")["total_requests"] == 4
    assert get(world, "/overview")["status"]
    assert get(world, "/calls")["calls"][0]["id"] == make_call(4).id
    whole = {"start": "1970-01-02", "end": "2199-12-31"}
    assert get(world, "/prices/unpriced", **whole)["models"] == []
    far = dataclasses.replace(unpriced(5), started_at=nanoseconds(datetime(2199, 1, 1, tzinfo=UTC)))
    near = dataclasses.replace(unpriced(6), started_at=nanoseconds(datetime(1971, 1, 1, tzinfo=UTC)))
    world.record(far, near)
    for path, query in (("/prices/unpriced", whole), ("/usage", whole), ("/usage", {**whole, "interval": "month"})):
        answer = world.client("admin").get(f"/api/v1{path}", params=query)
        assert answer.status_code == 422, path
        assert answer.json()["error"]["field"] == "start"
        assert "days" in answer.text or "intervals of one day" in answer.text
    assert get(world, "/usage", start="2020-01-01")["total_calls"] == 1
    (model,) = get(world, "/prices/unpriced", start="1970-01-02", end="2100-01-01")["models"]
    assert model["last_seen"] == "1971-01-01T00:00:00Z"


WRONG: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("/usage", {"dayz": 3}, "dayz", "did you mean 'days'?"),
    ("/stats", {"tenant": "a"}, "tenant", "one of days, zone"),
    ("/usage", {"days": "many"}, "days", "a whole number"),
    ("/usage", {"interval": "hour", "days": 3000}, "interval", "at most 9,600 hours"),
    ("/calls", {"cursor": "nonsense"}, "cursor", "next_cursor"),
    ("/calls", {"cursor": "WzFlOTksIngiLDFd"}, "cursor", "next_cursor"),
    ("/audit", {"cursor": "x"}, "cursor", "next_cursor"),
    ("/prices/history", {"cursor": "x"}, "cursor", "next_cursor"),
)


def test_a_wrong_question_is_told_what_was_expected(world: World) -> None:
    client = world.client("admin")
    for path, query, field, told in WRONG:
        answer = client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 422, path
        assert answer.json()["error"]["field"] == field
        assert told in answer.json()["error"]["expected"]


def test_control_codes_are_no_fault_of_ours(world: World) -> None:
    for path in ("/usage", "/calls", "/prices", "/prices/history", "/audit"):
        name = {"/audit": "author"}.get(path, "model")
        for text in ("\0", "a\0b", "\ud800".encode("utf-8", "surrogatepass")):
            assert world.client("admin").get(f"/api/v1{path}", params={name: text}).status_code in (200, 422)
    assert world.client("admin").delete("/api/v1/keys/%00").status_code in (404, 422)
    assert world.client("admin").get("/api/v1/calls/%00").status_code in (404, 422)


def test_money_is_written_as_it_is() -> None:
    for text in ("0.000000001", "123456789012345678.123456789", "-2.5", "100", "0"):
        assert write({"cost": Decimal(text)}) == f'{{"cost":{text}}}'
    assert (
        write(["1.50", "\x00", '"', datetime(2026, 1, 1, tzinfo=UTC)])
        == '["1.50","\\u0000","\\"","2026-01-01T00:00:00Z"]'
    )
    assert write([Decimal("1E+3"), Decimal("1E-9"), Decimal("2.500")]) == "[1000,0.000000001,2.5]"


def test_what_the_database_refuses_just_now_is_to_be_asked_again(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sqlite_world.client("read")
    sqlite_world.database.engine.dispose()

    def away(*_: Any) -> Any:
        raise LedgerUnavailable("the server is gone")

    monkeypatch.setattr(type(sqlite_world.ledger), "usage", away)
    answer = client.get("/api/v1/usage")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "the server is gone" not in answer.text


def test_usage_without_details_is_the_same_but_for_them(sqlite_world: World) -> None:
    sqlite_world.record(
        make_call(1), make_call(2, response_model="gpt-4o-mini", at=NOW - timedelta(days=2)), unpriced(3)
    )
    ask = sqlite_world.client("read").get
    for asked in ({}, {"group_by": "model"}, {"interval": "day"}, {"group_by": "tenant", "interval": "week"}):
        whole = ask("/api/v1/usage", params=asked).json()
        assert ask("/api/v1/usage", params={**asked, "details": False}).json() == {
            **whole,
            "by_model": {},
            "by_day": [],
        }
