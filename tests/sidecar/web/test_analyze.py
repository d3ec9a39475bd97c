"""Analysis: each figure is the API's, decisions are the person's own, and names of others stay text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.test_anomalies import kept, loop, spike
from sidecar.api.world import NOW, World, failed, make_call, unpriced
from sidecar.web.visiting import Visitor, person
from tollkeeper.model import Usage
from tollkeeper.sidecar.insight.evaluators import Evaluators

HOSTILE = '"><script>alert(1)</script>'
LARGE = Usage(input_tokens=400_000, output_tokens=100_000)
DAYS = 40
VALUE = re.compile(r'data-figure="value"><data class="number" value="([^"]*)"')
TOTAL = re.compile(r'data-figure="total"><data class="number" value="([^"]*)"')
TABS = ("breakdown", "providers", "forecast", "anomalies", "recommendations")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('analyze') / 'ledger.db'}")
    person(made, "vi", "viewer")
    person(made, "ed", "editor")
    calls = []
    for day in range(DAYS):
        at = NOW - timedelta(days=day, hours=2)
        for number in range(6):
            tags = {"tenant": ("acme", "globex", HOSTILE)[number % 3], "user": f"u-{number}", "feature": "search"}
            usage = LARGE if number < 5 else Usage(1000, 100)
            calls.append(make_call(day * 10 + number, at=at, usage=usage, tags=tags, request_model="gpt-4o"))
        calls.append(failed(day * 10 + 7, at=at, tags={"tenant": "acme", "user": "u-7", "feature": "search"}))
    calls += [unpriced(9000, tags={"tenant": "acme", "user": "u-8"}), make_call(9001, provider=HOSTILE, tags={})]
    made.record(*calls)
    evaluate(made)
    yield made
    made.close()


def evaluate(world: World) -> None:
    Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()


@pytest.fixture(scope="module")
def visitor(world: World) -> Visitor:
    return Visitor(world).as_user("ed")


def page(visitor: Visitor, path: str = "/analyze", status: int = 200, **query: str) -> str:
    answer = visitor.get(path, params=query)
    assert answer.status_code == status, answer.text
    assert "<script>alert(1)" not in answer.text
    return answer.text


def ask(world: World, path: str, **params: Any) -> Any:
    answer = world.client("read").get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json(parse_float=Decimal)


def told(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def figures(found: re.Pattern[str], text: str) -> list[Decimal | None]:
    return [Decimal(each) if each else None for each in found.findall(text)]


def chart_on(text: str) -> Any:
    return json.loads(re.findall(r'<script type="application/json">(.*?)</script>', text)[0])


FIELDS = {
    "cost": ("cost", "total_cost"), "calls": ("calls", "total_calls"), "tokens": ("tokens", "total_tokens"),
    "input": ("prompt_tokens", "total_prompt_tokens"), "output": ("completion_tokens", "total_completion_tokens"),
    "failed": ("failed_calls", "failed_calls"), "average": ("average_cost", "average_cost"),
}  # fmt: skip


@pytest.mark.parametrize("metric", FIELDS)
def test_a_ranking_is_the_apis(world: World, visitor: Visitor, metric: str) -> None:
    text = page(visitor, metric=metric, by="user", top="5")
    usage = ask(world, "/usage", days=30, group_by="user")
    field, total = FIELDS[metric]
    known = sorted((each[field] for each in usage["groups"] if each[field] is not None), reverse=True)
    shown = figures(VALUE, text)
    assert shown[:5] == known[:5] and len(shown) == 6 and "Other (" in text
    assert shown[5] == (None if metric == "average" else usage[total] - sum(known[:5]))
    assert figures(TOTAL, text) == [usage[total]]


def test_it_is_by_two_dimensions_and_filtered(world: World, visitor: Visitor) -> None:
    asked = {"provider": "openai", "group_by": ["tenant", "model"], "start": "2026-03-25", "end": "2026-03-31"}
    text = page(visitor, by="tenant", sub="model", range="7d", provider="openai", rank="name")
    groups = ask(world, "/usage", **asked)["groups"]
    assert sorted(each for each in figures(VALUE, text) if each is not None) == sorted(
        each["cost"] for each in groups if each["cost"] is not None
    )
    links = [html.unescape(each) for each in re.findall(r'<th scope="row"><a href="([^"]*)"', text)]
    inside = next(each for each in links if "tenant=globex" in each)
    (only,) = [each["cost"] for each in groups if each["group"]["tenant"] == "globex"]
    assert figures(TOTAL, visitor.get(inside).text) == [only]
    assert re.search(r'href="/requests\?[^"]*tenant=globex[^"]*model=gpt-4o', text)


def test_it_is_compared_with_the_period_before(visitor: Visitor) -> None:
    def row(**query: str) -> str:
        text = page(visitor, by="tenant", metric="calls", sub="user", rank="change", top="50", **query)
        return told(next(each for each in text.split("</tr>") if ">acme / u-0</a>" in each).rpartition("<tr>")[2])

    assert "■ ±0%" in row(range="7d") and "±" not in row(range="7d", compare="no")
    # Ten days, and before them five, as that was when it began.
    assert "▲ +100%" in row(range="custom", start="2026-02-25", end="2026-03-06")


@pytest.mark.parametrize("rollup", ["day", "week", "month"])
def test_a_chart_has_all_that_there_was(world: World, visitor: Visitor, rollup: str) -> None:
    drawn = chart_on(page(visitor, by="user", rollup=rollup, metric="calls"))
    usage = ask(world, "/usage", days=30, interval=rollup)
    assert sum(sum(line["values"]) for line in drawn["lines"]) == usage["total_calls"]
    by_start = {datetime.fromisoformat(each["start"]).timestamp(): each["calls"] for each in usage["groups"]}
    sums = [sum(values) for values in zip(*(line["values"] for line in drawn["lines"]), strict=True)]
    assert {at: calls for at, calls in zip(drawn["x"], sums, strict=True) if calls} == by_start
    grown = json.loads(
        re.findall(r'json">(.*?)</script>', page(visitor, by="user", rollup=rollup, metric="calls", view="cumulative"))[
            0
        ]
    )
    assert sum(line["values"][-1] for line in grown["lines"]) == usage["total_calls"]


def test_its_tables_as_csv(world: World, visitor: Visitor) -> None:
    text = page(visitor, by="tenant", sub="model")
    links = [html.unescape(each) for each in re.findall(r'href="(/download/usage.csv[^"]*)"', text)]
    whole = world.client("read").get(
        "/api/v1/usage", params={"days": 30, "group_by": ["tenant", "model"], "format": "csv"}
    )
    assert whole.text in [visitor.get(link).text for link in links] and len(links) == 2


def test_hours_of_the_week_are_those_of_the_zone(world: World, visitor: Visitor) -> None:
    text = page(visitor, "/analyze/hours", metric="calls", range="custom", start="2026-03-23", end="2026-03-30",
                zone="Europe/Berlin")  # fmt: skip
    cells = dict(re.findall(r'title="(\w+ \d\d:00 to \d\d:00): ([^"]*)"', text))
    assert len(cells) == 7 * 24
    # 12:30 UTC is 13:30 before the clocks go forward in the night to Sunday, 29 March, and 14:30 after.
    assert cells["Saturday 13:00 to 14:00"] == "7 on average; 7 in 1 of them"
    assert cells["Sunday 14:00 to 15:00"] == "7 on average; 7 in 1 of them"
    assert cells["Sunday 02:00 to 03:00"] == "– on average; 0 in 0 of them"
    totals = [int(each.split("; ")[1].split(" ")[0]) for each in cells.values()]
    asked = {"start": "2026-03-23", "end": "2026-03-30", "zone": "Europe/Berlin"}
    assert sum(totals) == ask(world, "/usage", **asked)["total_calls"]


def test_how_providers_do(world: World, visitor: Visitor) -> None:
    text = page(visitor, tab="providers", of="providers", window="7d")
    health = ask(world, "/providers/health", window="7d")
    rows = [told(each) for each in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)]
    for each in health["providers"]:
        row = next(row for row in rows if row.startswith(each["provider"][:20]))
        assert f" {each['calls']} " in f" {row} "
    assert [each["provider"] for each in health["budgets"]] and "Error budgets" in text
    files = visitor.get("/analyze/providers.csv?window=7d").text.splitlines()
    assert len(files) == 1 + sum(len(health[level]) for level in ("providers", "models", "tiers"))


def test_what_is_expected_of_a_provider(world: World, visitor: Visitor) -> None:
    token = {"csrf_token": visitor.own_token()}
    good = {"provider": "openai", "measure": "latency_p95", "value": "0.1", "source": "our contract"}
    for field, wrong in (("value", "soon"), ("value", "-1"), ("source", "")):
        answer = visitor.post("/analyze/benchmarks", data={**token, **good, field: wrong})
        assert answer.status_code == 422 and "Not saved" in answer.text and "latency_p95" in answer.text
    assert ask(world, "/benchmarks")["benchmarks"] == []
    assert visitor.post("/analyze/benchmarks", data={**token, **good}).status_code == 303
    text = told(page(visitor, tab="providers", window="7d"))
    assert "latency, p95: 100 ms by our contract" in text and "100 ms 515 ms ▼ worse" in text
    assert world.audit.entries()[0][0].author == "ed"
    assert visitor.post("/analyze/benchmarks/remove", data={**token, **good}).status_code == 303
    assert visitor.post("/analyze/benchmarks/remove", data={**token, **good}).status_code == 404
    assert "Nothing is expected yet" in page(visitor, tab="providers")


def test_where_a_month_will_end(world: World, visitor: Visitor) -> None:
    text = html.unescape(page(visitor, tab="forecast"))
    (one,) = ask(world, "/forecasts", horizon="month")["forecasts"]
    shown = re.findall(r'data-figure="(used|forecast)"><data class="number" value="([^"]*)"', text)
    assert {name: Decimal(value) for name, value in shown} == {"used": one["used"], "forecast": one["forecast"]}
    assert one["method"] in html.unescape(text) and all(
        each["method"] in html.unescape(text) for each in one["contest"]
    )
    rows = visitor.get("/analyze/forecast.csv").text.splitlines()
    assert rows[-1].startswith("2026-04-01T00:00:00Z,") and Decimal(rows[-1].split(",")[2]) == one["forecast"]
    tenants = ask(world, "/forecasts", horizon="week", by="tenant")["forecasts"]
    text = page(visitor, tab="forecast", by="tenant", horizon="week")
    picks = [html.unescape(each) for each in re.findall(r'<th scope="row"><a href="(/analyze[^"]*pick[^"]*)"', text)]
    assert len(picks) == len(tenants)
    text = visitor.get(next(each for each in picks if "globex" in each)).text
    (globex,) = [each for each in tenants if each["scope"]["tenant"] == "globex"]
    assert ("used", str(globex["used"])) in re.findall(
        r'data-figure="(used)"><data class="number" value="([^"]*)"', text
    )
    assert "No budget to forecast" in page(visitor, tab="forecast", by="limit")
    assert "Nobody like that" in page(visitor, tab="forecast", tenant="acme", user="u-1")


def test_what_would_have_been(world: World, visitor: Visitor) -> None:
    asked = {"from1": "gpt-4o", "to1": "gpt-4o-mini", "cache": "50", "range": "7d", "tenant": "globex"}
    text = page(visitor, "/analyze/what-if", **asked)
    body = {"models": {"gpt-4o": "gpt-4o-mini"}, "cache_hit": 0.5, "tenant": ["globex"], "days": 7}
    same = world.client("read").post("/api/v1/what-if", json=body).json(parse_float=Decimal)["total"]
    shown = re.findall(r'data-figure="(?:new|delta)"><data class="number" value="([^"]*)"', text)
    assert [Decimal(each) for each in shown] == [same["new_cost"], same["delta"]] and same["delta"] < 0
    assert 'value="gpt-4o-mini"' in text and "tenant: <b>globex</b>" in text
    batch = world.client("read").post("/api/v1/what-if", json={"tier": "batch", "days": 7}).json()
    (one,) = batch["not_priced"]
    assert f"{one['model']} {one['provider']} {one['reason']}" in told(
        page(visitor, "/analyze/what-if", tier="batch", range="7d")
    )
    for wrong, words in (
        ({"from1": "gpt-4o"}, "stands alone"), ({"cache": "half"}, "is no share"), ({"cache": "120"}, "expected"),
    ):  # fmt: skip
        assert words in told(page(visitor, "/analyze/what-if", 422, **wrong))
    assert "No call would have been different" in page(visitor, "/analyze/what-if", from1="none", to1="gpt-4o")
    assert 'id="what-if-result"' in page(visitor, "/analyze/what-if")
    assert "openai/gpt-4o-mini" in page(visitor, "/analyze/models", to2="4O-mini")


def test_what_is_unusual_is_seen_taken_on_and_judged(world: World, visitor: Visitor) -> None:
    running, errors = kept(world, loop(world), spike(world))
    text = told(page(visitor, tab="anomalies"))
    assert "Loop: spend session s-1" in text and "$72.00" in text and "25% 0% to 3.1%" in text
    assert running.id not in page(visitor, tab="anomalies", kind="spike", state="open")
    assert "Nothing unusual" in page(visitor, tab="anomalies", state="over", severity="critical")
    assert visitor.get("/analyze?tab=anomalies&id=a/b").headers["location"] == "/analyze/anomalies/a%2Fb"
    there = f"/analyze/anomalies/{errors.id}"
    drawer = visitor.get(there, headers={"HX-Request": "true"}).text
    assert drawer.lstrip().startswith("<dialog") and "gpt-4o" in drawer and "Share of errors by the hour" in drawer
    assert "There is no series of a single session" in page(visitor, f"/analyze/anomalies/{running.id}")
    token = {"csrf_token": visitor.own_token()}
    assert visitor.post(f"{there}/acknowledge", data={**token, "reason": "on it"}).status_code == 303
    assert visitor.post(f"{there}/label", data={**token, "label": "false", "note": HOSTILE}).status_code == 303
    one = ask(world, f"/anomalies/{errors.id}")
    assert (one["acknowledged_by"], one["label"], one["labelled_by"], one["note"]) == ("ed", "false", "ed", HOSTILE)
    assert "false alarm, says ed" in page(visitor, there)
    world.insight.anomalies.follow("runaway", [], world.clock.nanoseconds() + 10**15)
    assert not ask(world, f"/anomalies/{running.id}")["open"]
    answer = visitor.post(f"/analyze/anomalies/{running.id}/acknowledge", data=token)
    assert answer.status_code == 409 and "It is over by now" in answer.text


def test_advice_is_taken_or_not(world: World, visitor: Visitor) -> None:
    text = page(visitor, tab="recommendations")
    found = ask(world, "/recommendations")
    ids = re.findall(r'<th scope="row"><a href="/analyze/recommendations/([^"]*)"', text)
    assert ids == [each["id"] for each in found["recommendations"]] and ids
    assert f'data-figure="saving"><data class="number" value="{found["total"]["mid"]}"' in text
    first = next(each for each in found["recommendations"] if each["kind"] == "cheaper_model")
    there = f"/analyze/recommendations/{first['id']}"
    detail = ask(world, f"/recommendations/{first['id']}")
    shown = html.unescape(page(visitor, there))
    assert all(each in shown for each in (*detail["risks"], *detail["rests_on"], *(x["text"] for x in detail["ways"])))
    (supposed,) = re.findall(r'href="(/analyze/what-if[^"]*)"', shown)
    assert "It would have cost" in visitor.get(supposed).text
    assert visitor.get(there, headers={"HX-Request": "true"}).text.lstrip().startswith("<dialog")
    token = {"csrf_token": visitor.own_token()}
    assert visitor.post(f"{there}/dismiss", data={**token, "reason": ""}).status_code == 422
    assert visitor.post(f"{there}/accept", data={**token, "reason": "cheaper"}).status_code == 303
    again = visitor.post(f"{there}/accept", data=token)
    assert again.status_code == 409 and "is accepted already, by ed" in again.text
    assert "worked out once a day" in page(visitor, there)
    world.clock.now += timedelta(days=1)
    Evaluators((world.insight.advice.evaluator(),), world.insight.evaluations, world.clock.nanoseconds).tick()
    world.clock.now = NOW
    assert "What it has saved since" in page(visitor, there)
    assert first["id"] in page(visitor, tab="recommendations", state="accepted")
    assert visitor.post(f"{there}/dismiss", data={**token, "reason": HOSTILE}).status_code == 303
    assert "script" in told(page(visitor, there))


def test_patterns_are_the_apis(world: World, visitor: Visitor) -> None:
    found = ask(world, "/patterns", window="30d", zone="Europe/Berlin")
    text = page(visitor, "/analyze/patterns", window="30d", zone="Europe/Berlin")
    (busiest, *_), tail = found["peak_hours"], found["heavy_tail"]
    assert f'<span class="figure">{busiest["hour"]:02}:00</span>' in text
    assert f'value="{tail["cost"]}"' in text and f"for {tail['calls']} calls" in told(text)
    assert "No sessions" in text and 'href="/analyze/patterns?zone=Europe%2FBerlin"' in page(
        visitor, zone="Europe/Berlin"
    )


def test_whoever_may_only_look_is_shown_no_forms(world: World) -> None:
    visitor = Visitor(world).as_user("vi")
    for tab in TABS:
        text = page(visitor, tab=tab)
        assert [
            each for each in re.findall(r'<form method="post" action="([^"]*)"', text) if "sign-out" not in each
        ] == []


def test_before_anything_has_happened(tmp_path: Any) -> None:
    empty = World(f"sqlite:///{tmp_path / 'ledger.db'}")
    person(empty, "vi", "viewer")
    visitor = Visitor(empty).as_user("vi")
    told_next = dict.fromkeys(TABS, "not worked out yet") | {
        "breakdown": "no calls in this range", "providers": "not evaluated yet", "anomalies": "nothing unusual",
    }  # fmt: skip
    for tab, words in told_next.items():
        assert words in told(page(visitor, tab=tab)).lower(), tab
    assert "UTC" in page(visitor, "/analyze/hours") and "Not worked out yet" in page(visitor, "/analyze/patterns")
    assert page(visitor, "/analyze/anomalies/none", 404) and page(visitor, "/analyze/recommendations/none", 404)
    empty.close()
