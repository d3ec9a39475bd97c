"""The log of calls: its rows and sums are the API's, a call is found by its ids, and names of others stay text."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.api.world import NOW, World, failed, make_call, unpriced
from sidecar.web.visiting import Visitor, person, site_of
from tollkeeper.model import Usage
from tollkeeper.storage.ledger import Adjustment, Started

HOSTILE = '"><script>alert(1)</script>'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = {"trace_id": TRACE, "span_id": "00f067aa0ba902b7"}
ROW = re.compile(r'<th scope="row"><a href="/requests/([^"?]*)')
COSTS = re.compile(r'data-label="Cost" class="figure-cell"><data class="number" value="([^"]*)"')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('requests') / 'ledger.db'}")
    person(made, "vi", "viewer")
    made.record(
        make_call(1, tags={"tenant": "acme", "user": "u-1", "feature": "chat"}, stream=True, time_to_first_chunk=0.2),
        make_call(2, at=NOW - timedelta(days=3), tags={"tenant": "globex"}, response_id="chatcmpl-42"),
        make_call(3, at=NOW - timedelta(days=40)),
        failed(4, **TRACED),
        failed(5, at=NOW - timedelta(minutes=30), attempt=1),
        make_call(5, at=NOW - timedelta(minutes=29), attempt=2),
        unpriced(6),
        make_call(7, usage=Usage(9000, 900), **TRACED),
        make_call(8, provider=HOSTILE, response_model=HOSTILE, tags={"tenant": HOSTILE, "odd": HOSTILE}),
        *(make_call(number, at=NOW - timedelta(days=10)) for number in range(100, 160)),
    )
    lost = make_call(900, at=NOW - timedelta(hours=3), usage=Usage(), cost=None, price_status=None)
    made.ledger.mark_started([Started(lost)])
    made.ledger.adjust("again", [Adjustment(id_of(7), 1, 12_345_678, "contract 2")], "ada", HOSTILE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def visitor(world: World) -> Visitor:
    return Visitor(world).as_user("vi")


def id_of(number: int) -> str:
    return make_call(number).id


def page(visitor: Visitor, path: str = "/requests", status: int = 200, **query: str) -> str:
    answer = visitor.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.text


def told(text: str) -> str:
    """Without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


ASKED: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({}, {"days": 30}),
    ({"outcome": "failed"}, {"days": 30, "outcome": "failed"}),
    ({"outcome": "unpriced", "range": "7d"}, {"days": 7, "outcome": "unpriced"}),
    ({"order": "dearest", "range": "90d"}, {"days": 90, "order": "dearest"}),
    ({"tenant": "globex"}, {"days": 30, "tenant": "globex"}),
    ({"tenant": "(none)"}, {"days": 30, "tenant": ""}),
    ({"hour": "2026-03-31T13:45:00+00:00"}, {"start": "2026-03-31T13:00:00Z", "end": "2026-03-31T14:00:00Z"}),
    ({"outcome": "nonsense", "order": "x", "hour": "x"}, {"days": 30}),
]


@pytest.mark.parametrize(("query", "asked"), ASKED)
def test_its_rows_and_sums_are_those_of_the_api(
    world: World, visitor: Visitor, query: dict[str, str], asked: dict[str, Any]
) -> None:
    text = page(visitor, **query)
    calls = world.client("read").get("/api/v1/calls", params=asked).json()["calls"]
    assert ROW.findall(text) == [call["id"] for call in calls]
    known = [call["cost"] for call in calls if call["price_status"] in ("priced", None)]
    assert [Decimal(cost) for cost in COSTS.findall(text) if cost] == [Decimal(str(cost)) for cost in known if cost]
    usage = {name: value for name, value in asked.items() if name not in ("outcome", "order")}
    sums = world.client("read").get("/api/v1/usage", params=usage).json()
    (shown,) = re.findall(r'<p class="summary"><span><b><data class="number" value="(\d+)"', text)
    assert int(shown) == sums["total_calls"]


def test_page_by_page(world: World, visitor: Visitor) -> None:
    seen: list[str] = []
    link = "/requests"
    while link:
        text = visitor.get(html.unescape(link)).text
        seen += ROW.findall(text)
        link = next(iter(re.findall(r'href="([^"]*)" rel="next"', text)), "")
    everything = world.client("read").get("/api/v1/calls", params={"days": 30, "limit": 500}).json()["calls"]
    assert seen == [call["id"] for call in everything] and len(seen) > 50


def test_its_table_as_csv(world: World, visitor: Visitor) -> None:
    (link,) = re.findall(r'href="(/download/calls.csv[^"]*)"', page(visitor, outcome="failed"))
    asked = {"days": 30, "outcome": "failed", "limit": 1000, "format": "csv"}
    assert visitor.get(html.unescape(link)).text == world.client("read").get("/api/v1/calls", params=asked).text


def test_a_bar_narrows_the_range(visitor: Visitor) -> None:
    (bar,) = re.findall(r'<th scope="row"><a href="([^"]*)">28 Mar 2026</a>', page(visitor))
    assert ROW.findall(visitor.get(html.unescape(bar)).text) == [id_of(2)]
    (bar,) = re.findall(r'<th scope="row"><a href="([^"]*)">31 Mar 2026, 14:00</a>', page(visitor, range="today"))
    assert set(ROW.findall(visitor.get(html.unescape(bar)).text)) == {id_of(5)}


def test_what_is_new_is_announced(world: World, visitor: Visitor) -> None:
    (link,) = re.findall(r'class="news" role="status" hx-get="([^"]*)"', page(visitor, tenant="acme"))
    assert "new call" not in visitor.get(html.unescape(link)).text
    world.record(make_call(700, tags={"tenant": "acme"}), make_call(701, tags={"tenant": "globex"}))
    news = visitor.get(html.unescape(link)).text
    assert "1 new call: show" in news and "seen=" not in news
    assert "new call" not in page(visitor, "/requests/news", seen="x" * 20)
    assert 'class="news"' not in page(visitor, order="dearest")


@pytest.mark.parametrize(("id", "found"), [(id_of(3), [3]), (TRACE, [7, 4]), ("chatcmpl-42", [2]), ("no-such", [])])
def test_a_call_is_found_by_its_ids(visitor: Visitor, id: str, found: list[int]) -> None:
    text = page(visitor, id=f" {id} ")
    assert sorted(ROW.findall(text)) == sorted(id_of(number) for number in found)
    assert found or "No call has this id" in text


def test_everything_about_a_call(world: World, visitor: Visitor) -> None:
    call = world.client("read").get(f"/api/v1/calls/{id_of(7)}").json()["attempts"][0]
    text = told(page(visitor, f"/requests/{id_of(7)}"))
    assert call["formula"] in text and "contract 2" in text and HOSTILE in text and "ada" in text
    assert all(str(item["meter"]) in text for item in call["line_items"]) and "9,000" in text and TRACE in text
    drawer = visitor.get(f"/requests/{id_of(7)}", headers={"HX-Request": "true"}).text
    assert drawer.lstrip().startswith("<dialog") and call["formula"] in told(drawer)
    assert page(visitor, "/requests/no-such", 404)


def test_retries_are_a_waterfall(visitor: Visitor) -> None:
    text = page(visitor, f"/requests/{id_of(5)}")
    assert "2 attempts" in told(text) and 'class="failed" x="0.00"' in text
    (at, width) = re.findall(r'class="succeeded" x="([\d.]+)" width="([\d.]+)"', text)[0]
    assert float(at) > 90 and 99.9 <= float(at) + float(width) <= 100.1


def test_a_link_to_the_trace_stays_in_its_place(world: World) -> None:
    told_where = dataclasses.replace(
        world.services, trace_url="https://jaeger.example.com/trace/{trace_id}?s={span_id}"
    )
    world.record(make_call(801, trace_id="../evil?x=" + HOSTILE))
    world.api.state.services = told_where
    try:
        visitor = Visitor(world, site=site_of(world, told_where)).as_user("vi")
        text = page(visitor, f"/requests/{id_of(7)}")
        assert f'href="https://jaeger.example.com/trace/{TRACE}?s=00f067aa0ba902b7"' in text
        text = page(visitor, f"/requests/{id_of(801)}")
        assert 'href="https://jaeger.example.com/trace/..%2Fevil%3Fx%3D%22%3E%3Cscript' in text
    finally:
        world.api.state.services = world.services


def test_calls_that_were_never_reported(visitor: Visitor) -> None:
    text = told(page(visitor, tab="orphans"))
    assert id_of(900) in text and "unknown, and in no sum" in text


def test_names_of_others_stay_text(visitor: Visitor) -> None:
    for text in (
        page(visitor, provider=HOSTILE), page(visitor, id=HOSTILE), page(visitor, f"/requests/{id_of(8)}"),
        page(visitor, tab="orphans"), page(visitor, outcome=HOSTILE, cursor=HOSTILE),
    ):  # fmt: skip
        assert "<script>alert" not in text
    assert "This part is missing" in page(visitor, cursor="nonsense")
    assert "No such call in this range" in page(visitor, tenant="nobody")
