"""The overview: its numbers are the API's, it says what is missing, and it is shown whatever is missing."""

from __future__ import annotations

import html
import inspect
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import tollkeeper
from sidecar.api.world import NOW, World, failed, make_call, unpriced
from sidecar.web.visiting import Visitor, person
from tollkeeper.client.reading import read
from tollkeeper.client.standings import LimitUsages
from tollkeeper.config import load
from tollkeeper.policy.document import read_policy
from tollkeeper.sidecar.web.pages.overview import month_limits

FIGURE = re.compile(r'data-figure="([a-z]+)">(?:<data class="number" value="([^"]*)"|([^<]*))')


@pytest.fixture
def visitor(world: World) -> Visitor:
    person(world, "ada", "viewer")
    world.record(
        make_call(1, tags={"tenant": "acme"}),
        make_call(2, tags={"tenant": "globex"}, at=NOW - timedelta(days=3)),
        make_call(3, at=NOW - timedelta(days=40)),
        failed(4),
        unpriced(5),
        make_call(6, tags={}),
    )
    return Visitor(world).as_user("ada")


def figures(page: str) -> dict[str, str]:
    return {name: value or text for name, value, text in FIGURE.findall(page)}


@pytest.mark.parametrize("query", ["", "tenant=acme", "tenant=(none)", "range=today&zone=Asia/Kolkata"])
def test_its_numbers_are_those_of_the_api(world: World, visitor: Visitor, query: str) -> None:
    asked: dict[str, Any] = {"": {}, "tenant=acme": {"tenant": "acme"}, "tenant=(none)": {"tenant": ""}}.get(
        query, {"days": 1, "zone": "Asia/Kolkata"}
    )
    usage = world.client("read").get("/api/v1/usage", params=asked).json()
    shown = figures(visitor.get(f"/?{query}").text)
    assert Decimal(shown["cost"]) == Decimal(str(usage["total_cost"]))
    assert int(shown["calls"]) == usage["total_calls"] and int(shown["tokens"]) == usage["total_tokens"]


def test_calls_without_a_price_are_told_of(visitor: Visitor) -> None:
    page = visitor.get("/").text
    assert "The cost of" in page and "/pricing?tab=unpriced" in page and "without" in page


@pytest.mark.parametrize("by", ["provider", "model", "tenant", "user", "feature", "service", "operation", "nonsense"])
def test_spend_by_anything(visitor: Visitor, by: str) -> None:
    page = visitor.get(f"/?by={by}")
    assert page.status_code == 200 and f"Cost by {'provider' if by == 'nonsense' else by}" in page.text


@pytest.mark.parametrize(
    "query", ["range=today", "range=7d", "range=custom&start=2026-03-28&end=2026-03-30", "compare=no"]
)
def test_ranges(visitor: Visitor, query: str) -> None:
    assert visitor.get(f"/?{query}").status_code == 200


def test_an_empty_ledger_says_what_to_do(world: World) -> None:
    person(world, "ada", "viewer")
    page = Visitor(world).as_user("ada").get("/").text
    assert "No calls yet" in page and "tollkeeper.instrument(" in page and "data-figure" not in page


def test_its_table_as_csv(world: World, visitor: Visitor) -> None:
    (link,) = re.findall(r'href="(/download/usage.csv[^"]*)"', visitor.get("/?by=tenant").text)
    mine = visitor.get(link.replace("&amp;", "&"))
    assert mine.headers["content-type"].startswith("text/csv") and "attachment" in mine.headers["content-disposition"]
    asked = {
        "start": "2026-03-02",
        "end": "2026-03-31",
        "zone": "UTC",
        "group_by": "tenant",
        "interval": "day",
        "format": "csv",
    }
    assert mine.text == world.client("read").get("/api/v1/usage", params=asked).text
    assert visitor.get("/download/keys.csv").status_code == 404


def test_what_cannot_be_had_is_said_in_its_place(
    world: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollkeeper.storage.alerts.store import AlertStore  # noqa: PLC0415  what the test takes away
    from tollkeeper.storage.ledger import LedgerUnavailable  # noqa: PLC0415

    def away(*_: Any, **__: Any) -> Any:
        raise LedgerUnavailable("the disk is on holiday")

    monkeypatch.setattr(AlertStore, "alerts", away)
    page = visitor.get("/")
    assert page.status_code == 200 and "This part is missing" in page.text and figures(page.text)["cost"]


def test_values_of_the_filter_bar(visitor: Visitor) -> None:
    found = visitor.get("/filter-values/tenant").text
    assert [each for each in ("acme", "globex", "(none)") if f'value="{each}"' in found] == ["acme", "globex", "(none)"]
    assert 'value="Europe/Berlin"' in visitor.get("/filter-values/zone").text
    assert visitor.get("/filter-values/secrets").status_code == 404


def test_the_months_limits_are_those_of_everything(world: World) -> None:
    policy = read_policy(
        b'{"limit": [{"name": "company", "limit": "$520 / month"}, {"name": "a-day", "limit": "$9 / day"},'
        b' {"name": "each", "limit": "$9 / month per tenant"},'
        b' {"name": "chat", "limit": "$5 / month", "match": {"operation": "chat"}}]}',
        "policy.json",
    )
    world.policies.set(policy, author="tests", reason="a test")
    answer = world.client("read").get("/api/v1/limits/usage")
    found = month_limits(read(LimitUsages, json.loads(answer.content, parse_float=Decimal)))
    assert [(each.name, each.amount) for each in found] == [("company", 520)]


def test_the_tightest_budget(world: World) -> None:
    person(world, "ada", "viewer")
    world.record(make_call(1))
    ada = Visitor(world).as_user("ada")
    assert "Set a budget" in ada.get("/").text
    others = b'{"limit": [{"name": "others", "limit": "$5 / month", "match": {"tags": {"tenant": "globex"}}}]}'
    everybody = b'{"limit": [{"name": "company", "limit": "$520 / month"}]}'
    for policy, told in ((others, "nothing of any budget is used yet"), (everybody, "of $520.00: company")):
        world.policies.set(read_policy(policy, "policy.json"), author="tests", reason="a test")
        world.clock.now += timedelta(minutes=1)
        assert told in ada.get("/").text


def test_old_calls_are_a_link_away(world: World) -> None:
    person(world, "ada", "viewer")
    world.record(make_call(1))
    world.clock.now += timedelta(days=200)
    page = Visitor(world).as_user("ada").get("/").text
    (link,) = re.findall(r'href="([^"]*)">Show the 30 days up to then', page)
    shown = figures(Visitor(world).as_user("ada").get(link.replace("&amp;", "&")).text)
    assert shown["calls"] == "1"


def test_the_first_steps_are_those_of_this_sidecar(world: World) -> None:
    person(world, "ada", "viewer")
    page = html.unescape(Visitor(world).as_user("ada").get("/").text)
    (options,) = re.findall(r"tollkeeper\.instrument\((.*?)\)</pre>", page)
    asked = eval(f"dict({options})", {})
    assert asked.keys() <= inspect.signature(tollkeeper.instrument).parameters.keys()
    assert asked["sidecar"] == "http://tollkeeper.example" and "sidecar_key" in asked
    assert load({**asked, "sidecar_key": "k"}).sidecar == asked["sidecar"]


def test_a_part_does_not_name_the_page(visitor: Visitor) -> None:
    assert "<title>" in visitor.get("/").text
    assert "<title>" not in visitor.get("/", headers={"HX-Request": "true"}).text
