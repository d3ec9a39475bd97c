"""From an unpriced model to booked costs; what is scheduled, was said, is off, and is taken back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from sidecar.api.world import NOW, World, make_call, unpriced
from sidecar.web.test_pricing import BY, HOSTILE, page, send, told
from sidecar.web.visiting import Visitor, person
from tollkeeper.sidecar import repricing
from tollkeeper.sidecar.web.pages.pricing.recosting import Wanted
from tollkeeper.storage.ledger import LedgerUnavailable

HOUSE = {"for_provider": "vllm", "for_model": "house-7b"}


@pytest.fixture
def world(sqlite_world: World) -> World:
    person(sqlite_world, "ed", "editor")
    sqlite_world.record(make_call(1), *(house(number) for number in range(2, 5)))
    return sqlite_world


@pytest.fixture
def editor(world: World) -> Visitor:
    return Visitor(world).as_user("ed")


def house(number: int, **fields: Any) -> Any:
    names = {"provider": "vllm", "request_model": "house-7b", "response_model": "house-7b"}
    return unpriced(number, **{"at": NOW - timedelta(days=number), **names, **fields})


def hidden(text: str, form: str) -> dict[str, str]:
    """The hidden fields of a form."""
    part = text.split(f'action="{form}"')[1].split("</form>")[0]
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', part))


def test_an_unpriced_model_is_priced_and_its_calls_are_booked(world: World, editor: Visitor) -> None:
    listed = page(editor, "/pricing", tab="unpriced")
    assert "house-7b vllm 3" in told(listed) and "3 of 4 calls are not in" in told(listed)
    form = page(editor, "/pricing/edit", **HOUSE, when="at", at="2026-03-27T14:30")
    assert 'name="day" value="2026-03-27"' in form and 'name="time" value="14:30"' in form
    draft = {**HOUSE, "input": "2", "output": "4", "when": "at", "at": "2026-03-27T14:30"}
    impact = told(page(editor, "/pricing/impact", **draft))
    assert "3 calls" in impact and "3 had no price and would have one" in impact
    saved = send(editor, "/pricing/save", **draft, reason="own hardware")
    assert saved.status_code == 303
    waiting = page(editor, saved.headers["location"])
    assert "Pricing the calls again" in waiting
    plan = editor.get(saved.headers["location"], headers={"HX-Request": "true"}).text
    assert "Calls 3" in told(plan) and "Book 3 corrections" in plan and "Cost before" in plan
    assert 'value="own hardware"' in plan, "the reason is the same, as long as nobody says otherwise"
    sent = {name: value for name, value in hidden(plan, "/pricing/recost").items() if name != "csrf_token"}
    assert send(editor, "/pricing/recost", **sent).status_code == 422
    booked = send(editor, "/pricing/recost", **sent, reason="its price was not known")
    assert booked.status_code == 303, booked.text
    result = page(editor, booked.headers["location"])
    assert "Booked: 3 calls were priced again." in told(result) and "its price was not known" in result
    assert "provider=vllm" in result and "kind=period" in result
    usage = world.client("read").get("/api/v1/usage", params={"provider": "vllm"}).json()
    assert (usage["unpriced_calls"], usage["total_cost"]) == (0, 0.0072)
    assert "Every call of the last 12 months has a price" in page(editor, "/pricing", tab="unpriced")


@pytest.mark.parametrize(
    ("model", "named", "others"),
    [
        ("gpt-4o", ("gpt-4o", "GPT-4o", "gpt-4o-2024-08-06"), ("gpt-4o-mini", "gpt-4", "chatgpt-4o")),
        ("llama-3", ("llama-3",), ("llama-3-70b", "llama-3.1")),
        ("llama-3*", ("llama-3-70b", "llama-3.1"), ("llama-2",)),
    ],
)
def test_a_row_means_a_model_and_its_dated_versions(
    model: str, named: tuple[str, ...], others: tuple[str, ...]
) -> None:
    wanted = Wanted(NOW, NOW, model=model)
    assert all(map(wanted.names, named)) and not any(map(wanted.names, others))


def test_a_plan_of_other_prices_is_not_booked(world: World, editor: Visitor) -> None:
    row = world.prices.add("price", {"model": "house-7b", "input": 1, "output": 1, "valid_from": "2026-01-01"}, **BY)
    where = "/pricing/recost?since=2026-03-01&for_model=house-7b&now=yes"
    sent = {name: value for name, value in hidden(page(editor, where), "/pricing/recost").items() if "csrf" not in name}
    world.prices.change(row.row, {"input": 9, "valid_from": "2026-01-01"}, **BY)
    late = send(editor, "/pricing/recost", **sent, reason="as I saw it")
    assert late.status_code == 409 and "Prices have changed since you looked" in late.text
    assert "as I saw it" in late.text and sent["plan"] not in late.text
    assert world.client("read").get("/api/v1/usage").json()["unpriced_calls"] == 3


def test_what_is_left_after_an_interruption_is_told_and_booked(
    world: World, editor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.prices.add("price", {"model": "house-7b", "input": 1, "output": 1, "valid_from": "2026-01-01"}, **BY)
    where = "/pricing/recost?since=2026-03-01&for_provider=vllm&for_model=house-7b&now=yes"
    sent = {name: value for name, value in hidden(page(editor, where), "/pricing/recost").items() if "csrf" not in name}
    adjust, batches = world.ledger.adjust, iter(range(9))

    def away(*arguments: Any) -> int:
        if next(batches):
            raise LedgerUnavailable("the disk is full")
        return adjust(*arguments)

    monkeypatch.setattr(repricing, "AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "adjust", away)
        stopped = send(editor, "/pricing/recost", **sent, reason="known now")
    assert stopped.status_code == 503 and "What was booked is kept" in stopped.text
    assert "Book 2 corrections" in stopped.text and "known now" in stopped.text
    rest = {name: value for name, value in hidden(stopped.text, "/pricing/recost").items() if "csrf" not in name}
    done = send(editor, "/pricing/recost", **rest, reason="known now")
    assert "Booked: 2 calls" in page(editor, done.headers["location"])
    assert world.client("read").get("/api/v1/usage").json()["unpriced_calls"] == 0


def test_an_alias_takes_the_price_of_what_it_stands_for(world: World, editor: Visitor) -> None:
    world.record(house(9, provider="openai", request_model="gpt-4o-team", response_model="gpt-4o-team"))
    assert "It is gpt-4o" in page(editor, "/pricing", tab="unpriced")
    draft = {"kind": "alias", "for_provider": "openai", "for_model": "gpt-4o-team", "stands_for": "gpt-4o"}
    assert "Input no price $2.50" in told(page(editor, "/pricing/review", **draft))
    nobody = page(editor, "/pricing/review", 422, **{**draft, "stands_for": "no-such"})
    assert "no-such of openai has no price" in nobody
    assert send(editor, "/pricing/save", **draft, reason="the team's name").status_code == 303
    assert world.prices.current()[0].version.content["is"] == "gpt-4o"


def test_what_is_scheduled_is_listed_and_cancelled(world: World, editor: Visitor) -> None:
    assert "Nothing is scheduled" in page(editor, "/pricing", tab="scheduled")
    row = world.prices.add("price", {"model": "mine", "input": 1, "output": 2}, **BY).row
    later = world.prices.schedule(row, {"input": 3, "valid_from": "2026-05-01"}, author="ada", reason=HOSTILE)
    other = world.prices.add("price", {"model": "other", "input": 1}, **BY).row
    world.clock.now += timedelta(minutes=1)
    end = world.clock.nanoseconds() + 86_400_000_000_000
    world.prices.withdraw(other, author="ada", reason="it ends", at=end)
    shown = page(editor, "/pricing", tab="scheduled")
    assert "Input $1.00 $3.00 ▲ +200%" in told(shown) and "it ends" in shown and "<script>alert" not in shown
    assert shown.index("it ends") < shown.index("Input"), "the next one first"
    mute = send(editor, "/pricing/cancel", version=str(later.id))
    assert mute.status_code == 422 and "Not cancelled. Say why" in told(mute.text) and "/pricing?tab=sch" in mute.text
    assert mute.text.count('<details class="inline" open>') == 1
    assert send(editor, "/pricing/cancel", version=str(later.id), reason="put off").status_code == 303
    assert "Input" not in told(page(editor, "/pricing?tab=scheduled"))
    late = send(editor, "/pricing/cancel", version=str(later.id), reason="again")
    assert late.status_code == 409 and "there is nothing to cancel" in late.text


def test_the_history_says_who_and_why_and_leads_back(world: World, editor: Visitor) -> None:
    row = world.prices.add("price", {"model": "mine", "input": 1, "output": 2}, **BY).row
    world.clock.now += timedelta(minutes=1)
    world.prices.change(row, {"input": "1.5"}, author="bob", reason=HOSTILE, source="javascript:alert(1)")
    shown = page(editor, "/pricing", tab="history")
    assert "Input $1.00 $1.50 ▲ +50%" in told(shown) and "bob" in shown and f"“{HOSTILE}”" in told(shown)
    assert "<script>alert" not in shown and 'href="javascript' not in shown
    (revert,) = re.findall(r'href="(/pricing/review[^"]+)"', shown)
    review = page(editor, revert.replace("&amp;", "&"))
    assert "Input $1.50 $1.00" in told(review)
    sent = {name: value for name, value in hidden(review, "/pricing/save").items() if name != "csrf_token"}
    assert send(editor, "/pricing/save", **sent, reason="back").status_code == 303
    (now,) = world.prices.current()
    assert (now.version.content["input"], now.version.author) == ("1", "ed")
    assert "Nothing fits" in page(editor, "/pricing", tab="history", for_model="nobody")


def test_a_discount_is_agreed_and_ends(world: World, editor: Visitor) -> None:
    draft = {"kind": "discount", "for_provider": "openai", "for_tenant": "acme", "percent": "12.5"}
    assert "Off nothing 12.5 %" in told(page(editor, "/pricing/review", **draft))
    assert "101" in page(editor, "/pricing/review", 422, **{**draft, "percent": "101"})
    assert send(editor, "/pricing/save", **draft, reason="contract 17").status_code == 303
    listed = told(page(editor, "/pricing", tab="discounts"))
    assert "acme all models openai 12.5 %" in listed and "contract 17" in listed
    form = page(editor, "/pricing/end", row="1")
    sent = {name: value for name, value in hidden(form, "/pricing/end").items() if name != "csrf_token"}
    world.clock.now += timedelta(minutes=1)
    world.prices.change(1, {"percent": 20}, author="bob", reason="more")
    late = send(editor, "/pricing/end", **sent, reason="it has ended")
    assert late.status_code == 409 and "bob said something else of it" in late.text
    sent["expected"] = hidden(late.text, "/pricing/end")["expected"]
    assert send(editor, "/pricing/end", **sent, reason="it has ended").status_code == 303
    assert world.prices.current() == []
    assert "No discount is agreed" in page(editor, "/pricing", tab="discounts")
