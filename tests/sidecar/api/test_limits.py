"""How limits stand, what is under way, and what would be admitted: exact, and null where nobody has said or counted."""

from __future__ import annotations

from datetime import timedelta
from itertools import count as count_from
from typing import Any

import pytest

from sidecar.api.world import NOW, World, make_call
from tollkeeper.model import Bound, Limit, Match, Window
from tollkeeper.model.ladder import Emergency, Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.policy.presets import limits_of_preset
from tollkeeper.storage.admission import Ticket
from tollkeeper.storage.counters import CountersUnavailable

UNLIMITED = {
    "can_call": True, "limited": False, "current_count": None, "limit_value": None, "remaining": None,
    "reset_at": None, "limit": None,
}  # fmt: skip
CALL = {"provider": "openai", "model": "gpt-4o-mini", "tags": {"user": "u-1"}, "input_tokens": 1000}


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def put(world: World, *limits: Limit) -> None:
    world.policies.set(Policy("p", limits), author="tests", reason="a test")


def admit(world: World, id: str, bound: Bound, settled: bool = False, **tags: str) -> None:
    admission = world.limiting.admission()
    ticket = admission.admit(id, admission.bindings(make_call(1, tags=tags)), bound)
    assert isinstance(ticket, Ticket)
    if settled:
        admission.settle(ticket, bound)


def get(world: World, path: str) -> Any:
    answer = world.client("read").get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def check(world: World, **asked: Any) -> Any:
    answer = world.client("read").post("/api/v1/check", json={**CALL, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_requests_of_a_user_by_window(world: World) -> None:
    put(world, *limits_of_preset("seed"))
    for number in range(5):
        admit(world, f"call {number}", Bound(10, 10, 1000), settled=number > 0, user="u-1")
    found = get(world, "/limits?user=u-1")
    assert found["minute"] == {
        "can_call": True, "limited": True, "current_count": 5, "limit_value": 60, "remaining": 55,
        "reset_at": "2026-03-31T14:31:00Z", "limit": "requests-minute",
    }  # fmt: skip
    hour, day, month = found["hour"], found["day"], found["month"]
    assert [each["limit_value"] for each in (hour, day, month)] == [1000, 10_000, 100_000]
    assert [each["reset_at"] for each in (hour, day, month)] == [
        "2026-03-31T15:00:00Z", "2026-04-01T00:00:00Z", "2026-04-01T00:00:00Z",
    ]  # fmt: skip
    assert get(world, "/limits?user=u-2")["hour"]["current_count"] == 0
    by_name = {each["name"]: each for each in found["limits"]}
    assert by_name["usd-day"] == {
        "name": "usd-day", "form": "$10 / day", "measure": "usd", "mode": "hard", "calls": "every call", "scope": {},
        "amount": 10, "used": 0.000005, "held": 0.000001, "remaining": 9.999995, "percent": 0.0001,
        "resets_at": "2026-04-01T00:00:00Z",
    }  # fmt: skip
    each = by_name["usd-per-request"]
    assert (each["amount"], each["used"], each["remaining"], each["percent"]) == (0.5, None, None, None)


def test_what_nobody_has_limited_is_null(world: World) -> None:
    found = get(world, "/limits")
    assert found == {
        "scope": {}, "minute": UNLIMITED, "hour": UNLIMITED, "day": UNLIMITED, "month": UNLIMITED, "limits": [],
    }  # fmt: skip
    put(world, Limit("few", "requests", 9, Window("hour"), per=("user",)))
    assert get(world, "/limits")["hour"] == UNLIMITED, "a limit of single users says nothing of all"
    assert get(world, "/limits?user=")["hour"]["remaining"] == 9, "of calls without one it does"


def test_a_limit_that_is_used_up(world: World) -> None:
    put(world, Limit("two", "requests", 2, Window("day")), Limit("soft", "requests", 1, Window("hour"), mode="soft"))
    for number in range(2):
        admit(world, f"call {number}", Bound(1, 1, 1), settled=True)
    found = get(world, "/limits")
    assert (found["day"]["can_call"], found["day"]["remaining"]) == (False, 0)
    assert (found["hour"]["can_call"], found["hour"]["current_count"], found["hour"]["remaining"]) == (True, 2, 0)


def test_only_limits_that_the_scope_can_come_under_are_told(world: World) -> None:
    put(
        world,
        Limit("dear", "requests", 1, Window("day"), Match(model=("gpt-4*",))),
        Limit("acme", "requests", 7, Window("day"), Match(tags={"tenant": ("acme",)})),
        Limit("paid", "requests", 9, Window("day"), exempt=(Match(("ollama",)),)),
    )

    def told(query: str) -> tuple[list[str], int]:
        found = get(world, f"/limits{query}")
        return [each["name"] for each in found["limits"]], found["day"]["limit_value"]

    assert told("") == (["dear", "acme", "paid"], 9)
    assert told("?tenant=acme") == (["dear", "acme", "paid"], 7)
    assert told("?tenant=b&model=gpt-4o") == (["dear", "paid"], 1)
    assert told("?tenant=b&provider=ollama&model=llama") == ([], None)


def test_a_rolling_limit_has_no_reset(world: World) -> None:
    put(world, Limit("pace", "requests", 60, Window("minute", rolling=True, burst=10)))
    admit(world, "a", Bound(1, 1, 1), settled=True)
    found = get(world, "/limits")["minute"]
    assert (found["current_count"], found["limit_value"], found["reset_at"]) == (1, 60, None)


def test_what_is_under_way(world: World) -> None:
    put(
        world,
        Limit("slots", "concurrency", 3, per=("tenant", "model")),
        Limit("budget", "usd", 10**10, Window("day")),
    )
    id = f"{int(NOW.timestamp() * 1000):012x}"
    admit(world, f"{id[:8]}-{id[8:]}-7000-8000-000000000001#2", Bound(10, 10, 250_000_000), tenant='a "b" [c]')
    admit(world, "settled", Bound(10, 10, 1), settled=True, tenant="b")
    world.clock.now += timedelta(seconds=5)
    (call,) = get(world, "/limits/in-flight")["calls"]
    assert (call["owner"], call["started_at"]) == ("tests", "2026-03-31T14:30:15.250000Z")
    assert call["expires_at"] == "2026-03-31T14:45:15.250000Z"
    slots, budget = call["charges"]
    assert slots["scope"] == {"tenant": 'a "b" [c]', "model": "gpt-4o"}
    assert (slots["limit"], slots["measure"], slots["amount"]) == ("slots", "concurrency", 1)
    assert (budget["limit"], budget["scope"], budget["amount"]) == ("budget", {}, 0.25)
    put(world)
    slots, _ = get(world, "/limits/in-flight")["calls"][0]["charges"]
    assert (slots["limit"], slots["scope"], slots["measure"]) == ("slots", None, None), "a limit that is gone"


def test_a_check_holds_nothing(world: World) -> None:
    put(world, Limit("few", "requests", 2, Window("day"), per=("user",)))
    assert [check(world)["remaining"] for _ in range(3)] == [2, 2, 2]
    admit(world, "a", Bound(1, 1, 1), user="u-1")
    admit(world, "b", Bound(1, 1, 1), user="u-1")
    found = check(world)
    assert {name: found[name] for name in ("can_call", "current_count", "limit_value", "remaining", "reset_at")} == {
        "can_call": False, "current_count": 2, "limit_value": 2, "remaining": 0, "reset_at": "2026-04-01T00:00:00Z",
    }  # fmt: skip
    assert (found["limit"], found["reason"]) == ("few", "used_up")
    assert "limit 'few' (2 requests / day per user) for user 'u-1' is used up; used 2 requests" in found["message"]
    assert check(world, tags={"user": "u-2"})["can_call"]


def test_what_nobody_limits_may_go(world: World) -> None:
    found = check(world)
    assert (found["can_call"], found["limited"], found["current_count"], found["limits"]) == (True, False, None, [])


def test_a_check_knows_what_the_call_may_cost(world: World) -> None:
    put(
        world,
        Limit("budget", "usd", 1_000_000, Window("day"), unbounded=100),
        Limit("cap", "usd", 500_000),
        Limit("soft", "tokens", 1, Window("day"), mode="soft"),
    )
    found = check(world)
    assert found["can_call"], found
    by_name = {each["limit"]: each for each in found["limits"]}
    # gpt-4o-mini: 1,000 tokens at $0.15 a million, and the 100 that the limit puts in, at $0.60.
    assert by_name["cap"]["estimate"] == by_name["budget"]["estimate"] == 0.00021
    assert (by_name["soft"]["estimate"], by_name["soft"]["reason"], by_name["soft"]["can_call"]) == (
        1100, "call_too_large", True,
    )  # fmt: skip
    large = check(world, output_tokens=1000)
    assert (large["can_call"], large["limit"], large["reason"]) == (False, "cap", "call_too_large")
    assert check(world, input_tokens=None)["reason"] == "unbounded"
    unpriced = check(world, provider="vllm", model="my-own")
    assert (unpriced["can_call"], unpriced["reason"]) == (False, "unpriced")
    assert "give the model a price" in unpriced["message"]


def test_a_check_sees_what_ladders_make_of_a_call(world: World) -> None:
    few = Limit("few", "requests", 10, Window("day"), per=("user",))
    cap = Limit("cap", "tokens", 1050, match=Match(model=("gpt-4o-mini",)))
    throttle = Limit("few throttle 60", "requests", 1, Window("day"), per=("user",), at=())
    steps = (
        Step(20, "cheaper", models={"gpt-4o": "gpt-4o-mini"}), Step(40, "cap_output", tokens=50),
        Step(60, "throttle", throttle=throttle), Step(80, "shed", priorities=("low",)), Step(100, "deny"),
    )  # fmt: skip
    world.policies.set(Policy("p", (few, cap), (Ladder("few", steps),)), author="tests", reason="a test")

    numbers = count_from(1)

    def filled(count: int, **asked: Any) -> tuple[bool, str | None, str | None, list[str]]:
        for _ in range(count):
            admit(world, f"{next(numbers)}", Bound(1, 1, 1), settled=True, user="u-1")
        found = check(world, model="gpt-4o", output_tokens=90, **asked)
        return found["can_call"], found["limit"], found["reason"], found["steps"]

    assert filled(0) == (True, "few", None, [])
    assert filled(2) == (False, "cap", "call_too_large", ["cheaper"])
    assert filled(3)[3] == ["cap_output", "cheaper"]
    assert check(world, output_tokens=90)["limits"][0]["estimate"] == 1050
    found = check(world, output_tokens=90)
    assert found["can_call"] and {each["limit"] for each in found["limits"]} == {"cap", "few"}
    assert filled(1)[3] == ["throttle", "cap_output", "cheaper"]
    low = {"tags": {"user": "u-1", "priority": "low"}}
    assert filled(2, **low) == (False, "few", "shed", [])
    assert "calls of priority low are not sent" in check(world, **low)["message"]
    assert filled(2) == (False, "few", "step", [])
    assert check(world, tags={"user": "u-2"})["steps"] == []


def test_a_check_sees_an_emergency(world: World) -> None:
    emergency = Emergency(tokens=10, shed=("low",))
    world.policies.set(Policy("p", emergency=emergency), author="tests", reason="a test")
    assert (check(world)["steps"], check(world)["limited"]) == ([], False)
    world.limiting.admission().emergency.enter()
    assert (check(world)["can_call"], check(world)["steps"]) == (True, ["emergency"])
    shed = check(world, tags={"priority": "low"})
    assert (shed["can_call"], shed["limit"], shed["reason"]) == (False, "emergency", "emergency")
    assert shed["limit_value"] is None, "not a zero that was made up"


def test_the_statistics_name_the_limits_for_everybody(world: World) -> None:
    nothing = get(world, "/stats")["rate_limits"]
    assert set(nothing.values()) == {None}
    put(world, *limits_of_preset("seed"), Limit("tight", "requests", 50, Window("minute")))
    assert get(world, "/stats")["rate_limits"] == {
        "requests_per_minute": 50, "tokens_per_minute": 90_000, "max_cost_per_request": 0.5,
        "daily_spending_limit": 10,
    }  # fmt: skip


def test_counters_that_are_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise CountersUnavailable("no route to host")

    put(world, Limit("few", "requests", 2, Window("day")))
    monkeypatch.setattr(world.counters, "read", away)
    answer = world.client("read").get("/api/v1/limits")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "no route to host" in answer.json()["error"]["message"]


def test_wrong_questions(world: World) -> None:
    client = world.client("read")
    assert client.get("/api/v1/limits?usr=x").status_code == 422
    assert client.post("/api/v1/check", json={"provider": "openai"}).status_code == 422
    assert world.client().get("/api/v1/limits").status_code == 401


def test_how_far_every_limit_is_used_by_all_whom_it_counts_for(world: World) -> None:
    world.record(
        make_call(1, tags={"tenant": "acme"}), make_call(2, tags={"tenant": "acme"}), make_call(3, tags={"tenant": "x"})
    )
    document = {
        "limit": [
            {"limit": "2,000 tokens / day per tenant", "name": "tokens"},
            {"limit": "$5 / day", "name": "money", "match": {"tags": {"tenant": ["acme", "x"]}}, "exempt": "ollama/*"},
            {"limit": "$1 per request", "name": "each"},
        ],
        "ladder": [{"limit": "tokens", "steps": [{"at": 50, "do": "alert"}, {"at": 105, "do": "deny"}]}],
    }
    client = world.client("admin")
    client.put("/api/v1/policy", json={"document": document, "reason": "a test"})
    found = client.get("/api/v1/limits/usage").json()
    assert [limit["name"] for limit in found["limits"]] == ["tokens", "money", "each"], "the fullest first"
    tokens, money, each = found["limits"]
    assert [(use["scope"], use["used"], use["remaining"]) for use in tokens["uses"]] == [
        ({"tenant": "acme"}, 2200, 0), ({"tenant": "x"}, 1100, 900),
    ]  # fmt: skip
    assert [use["step"] for use in tokens["uses"]] == [{"at": 105, "do": "deny"}, {"at": 50, "do": "alert"}]
    assert (tokens["scopes"], tokens["uses"][0]["denied"]) == (2, None), "nobody counts denials here"
    assert money["uses"][0]["used"] == 0.0105
    assert money["uses"][0]["elapsed"] == pytest.approx(14.504 / 24, abs=1e-3)
    assert (each["counted"], each["uses"], each["match"]) == (False, [], {})
    assert (money["match"], money["exempt"]) == ({"tags": {"tenant": ["acme", "x"]}}, ["ollama/*"])
    one = client.get("/api/v1/limits/usage", params={"limit": "tokens", "most": 1}).json()
    assert [len(limit["uses"]) for limit in one["limits"]] == [1]
    assert client.get("/api/v1/limits/usage", params={"limit": "tokns"}).status_code == 404
