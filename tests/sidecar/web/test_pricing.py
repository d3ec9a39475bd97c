"""The catalogue of prices, and how a price is set: seen, reviewed, saved, and refused."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sidecar.api.world import Clock, World, make_call, unpriced
from sidecar.web.visiting import Visitor, person

HOSTILE = '"><script>alert(1)</script>'
BY: dict[str, Any] = {"author": "ada", "reason": "the contract"}
MINE = {"for_provider": "openai", "for_model": "gpt-4o", "input": "3", "output": "12"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("pricing")
    made = World(f"sqlite:///{folder / 'ledger.db'}", open_on_loopback=False, clock=Clock())
    person(made, "ed", "editor")
    person(made, "vi", "viewer")
    made.record(
        make_call(1), make_call(2, tags={"tenant": HOSTILE}), unpriced(3, provider="vllm", request_model="acme-tuned"),
        make_call(4, provider="vllm", request_model=HOSTILE, response_model=HOSTILE),
    )  # fmt: skip
    yield made
    made.close()


def page(visitor: Visitor, path: str, status: int = 200, **query: str) -> str:
    answer = visitor.get(path, params=query or None)
    assert answer.status_code == status, answer.text
    return answer.text


def send(visitor: Visitor, path: str, **fields: str) -> Any:
    fields["csrf_token"] = visitor.own_token()
    return visitor.post(path, data=fields, headers={"Origin": str(visitor.base_url)})


def told(text: str) -> str:
    """Without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_catalogue_says_what_the_api_says(world: World, viewer: Visitor) -> None:
    found = world.client("read").get("/api/v1/prices/models", params={"search": "gpt-4o", "limit": 50}).json()
    shown = page(viewer, "/pricing", search="gpt-4o")
    for one in found["models"]:
        amount = Decimal(one["bands"][0]["unit_prices"]["input"]) * 1_000_000 if one["bands"] else None
        assert one["model"] in shown
        assert amount is None or f'value="{amount.normalize():f}"' in shown or str(amount) in shown
    assert "$0.00000250" not in shown and "$0.0000025" in page(viewer, "/pricing", search="gpt-4o", per="1")
    assert "2 models have no price" not in shown and "1 model has no price" in told(shown)


def test_pages_of_the_list_and_nothing_found(viewer: Visitor) -> None:
    first = page(viewer, "/pricing")
    second = page(viewer, "/pricing", cursor="50")
    assert "First page" in second and "First page" not in first and "Next page" in first
    assert "No model fits" in page(viewer, "/pricing", search="no-such-model-at-all")


def test_names_from_outside_are_only_text(editor: Visitor) -> None:
    for path in ("/pricing", "/pricing/model", "/pricing/edit", "/pricing/review", "/pricing/impact"):
        query = {"search": HOSTILE, "for_provider": HOSTILE, "for_model": HOSTILE, "input": "1", "tab": HOSTILE}
        shown = editor.get(path, params=query).text
        assert "<script>alert" not in shown, path
    assert HOSTILE in html.unescape(page(editor, "/pricing", search="script"))


def test_a_viewer_sees_and_cannot_set(viewer: Visitor) -> None:
    assert "Set a price" not in page(viewer, "/pricing")
    assert "Save" not in told(page(viewer, "/pricing/review", **MINE)).split("Why")[1].split("Edit")[0]
    assert send(viewer, "/pricing/save", **MINE, reason="no").status_code == 403


def test_the_form_is_filled_with_what_is_in_force_by_the_unit(editor: Visitor) -> None:
    shown = page(editor, "/pricing/edit", for_provider="openai", for_model="gpt-4o")
    assert 'name="input" value="2.5"' in shown and 'name="cache_read" value="1.25"' in shown
    assert 'name="cache_write" value=""' in shown, "it costs what the input does anyway"
    again = page(editor, "/pricing/edit", **MINE, per="1k", was="1m")
    assert 'name="input" value="0.003"' in again


def test_prices_that_were_left_empty_are_filled_in_before_the_review(editor: Visitor) -> None:
    named = {"for_provider": "openai", "for_model": "gpt-4o", "was": "1m", "of_model": ""}
    shown = page(editor, "/pricing/review", **named, input="2", output="8")
    assert "The other prices of openai gpt-4o are filled in" in told(shown)
    assert 'name="input" value="2"' in shown and 'name="cache_read" value="1.25"' in shown
    assert 'name="of_model" value="gpt-4o"' in shown
    of = {"of_provider": "openai", "of_model": "gpt-4o"}
    review = told(page(editor, "/pricing/review", **{**named, **of}, input="2", output="8", cache_read="1.25"))
    assert "Cache read $1.25 $1.25 same" in review and "Web search $0.01 no price ▲ lost" in review
    other = {**named, **of, "for_model": "gpt-4o-mini"}
    again = page(editor, "/pricing/edit", **other, input="7", output="10", cache_read="1.25")
    assert 'name="input" value="7"' in again, "typed"
    assert 'name="output" value="0.6"' in again and 'name="cache_read" value="0.075"' in again, "of the other model"
    unknown = page(editor, "/pricing/edit", **{**other, "for_model": "none"}, input="7", output="10")
    assert 'name="output" value=""' in unknown and "openai none has no price now" in told(unknown)
    nameless = page(editor, "/pricing/edit", **{**other, "for_model": ""}, input="7", output="10")
    assert 'name="input" value="7"' in nameless and 'name="output" value=""' in nameless
    free = told(page(editor, "/pricing/review", **{**named, **of}, input="2.5", output="10", free="yes"))
    assert "Output $10.00 $0.00" in free


def test_what_long_inputs_cost_more_is_not_lost_unseen(editor: Visitor) -> None:
    draft = {"for_provider": "google", "for_model": "gemini-2.5-pro", "input": "1", "output": "5"}
    review = told(page(editor, "/pricing/review", **draft))
    assert "Long inputs dearer above 200K tokens the same price ▲ lost" in review


@pytest.mark.parametrize(
    ("when", "day", "time", "from_on"),
    [
        ("2026-04-01", "", "", "1 Apr 2026, 00:00"), ("at", "2026-05-02", "", "2 May 2026, 00:00"),
        ("at", "2026-05-02", "14:30", "2 May 2026, 14:30"), ("2026-04-01", "2026-05-02", "", "1 Apr 2026, 00:00"),
    ],
)  # fmt: skip
def test_a_price_begins_with_a_day(editor: Visitor, when: str, day: str, time: str, from_on: str) -> None:
    review = told(page(editor, "/pricing/review", **MINE, when=when, day=day, time=time))
    assert f"From {from_on}" in review
    assert "Choose the day" in page(editor, "/pricing/review", 422, **MINE, when="at", day="", time=time)


def test_the_likely_days_are_at_hand(editor: Visitor) -> None:
    shown = told(page(editor, "/pricing/edit", zone="Pacific/Auckland"))
    assert "From tomorrow on 2 Apr 2026" in shown and "From next month on 1 May 2026" in shown
    scheduled = page(editor, "/pricing/edit", when="at")
    assert 'name="when" value="2026-04-01" checked' in scheduled


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("input", "1,5", "write a point"), ("input", "1.125", "1125 or 1.1250"), ("input", "-1", "is not understood"),
        ("output", "abc", "Output"), ("day", "soon", "“soon” is not a day"), ("for_model", "x" * 256, "255"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_and_kept(editor: Visitor, field: str, text: str, said: str) -> None:
    shown = page(editor, "/pricing/review", 422, **{**MINE, "when": "at" if field == "day" else "now", field: text})
    assert said in told(shown) and f'value="{text}' in shown


def test_a_unit_that_was_changed_without_converting_is_asked_about(editor: Visitor) -> None:
    assert "are these prices per 1K tokens" in told(page(editor, "/pricing/review", 422, **MINE, per="1k", was="1m"))


def test_a_price_is_reviewed_and_saved(world: World, editor: Visitor) -> None:
    review = told(page(editor, "/pricing/review", **MINE))
    assert "Input $2.50 $3.00 ▲ +20%" in review and "Web search $0.01 no price ▲ lost" in review
    impact = world.client("read").post("/api/v1/prices/preview", json={
        "provider": "openai", "model": "gpt-4o", "input": "3", "output": "12",
    }).json()  # fmt: skip
    shown = page(editor, "/pricing/impact", **MINE)
    assert f'value="{impact["total"]["new_cost"]}' in shown and "2 calls" in told(shown)
    nameless = send(editor, "/pricing/save", **MINE)
    assert nameless.status_code == 422 and "Say why" in nameless.text and 'name="input" value="3"' in nameless.text
    assert world.prices.revision() == 0
    saved = send(editor, "/pricing/save", **MINE, reason="a new list")
    assert saved.status_code == 303, saved.text
    (row,) = world.prices.current(world.clock.nanoseconds())
    assert (row.version.content["input"], row.version.author, row.version.reason) == ("3", "ed", "a new list")
    after = page(editor, saved.headers["location"])
    assert "Own price" in after and "Saved: openai gpt-4o, from now on." in after


def test_what_somebody_else_said_meanwhile_is_shown_and_the_draft_kept(world: World, editor: Visitor) -> None:
    first = world.prices.add("price", {"provider": "vllm", "model": "mine", "input": 1, "output": 2}, **BY)
    draft = {
        "for_provider": "vllm", "for_model": "mine", "input": "7", "output": "8", "row": str(first.row),
        "expected": str(first.id),
    }  # fmt: skip
    world.clock.now += timedelta(minutes=1)
    theirs = world.prices.change(first.row, {"input": "5"}, author="bob", reason="theirs")
    late = send(editor, "/pricing/save", **draft, reason="mine")
    assert late.status_code == 409
    assert "bob said something of this" in told(late.text) and "$5.00 $7.00" in told(late.text)
    assert page(editor, "/pricing/review", 409, **draft)
    again = send(editor, "/pricing/save", **{**draft, "expected": str(theirs.id)}, reason="still right")
    assert again.status_code == 303
    twice = send(editor, "/pricing/save", for_provider="vllm", for_model="mine", input="9", reason="unaware")
    assert twice.status_code == 409 and f'name="row" value="{first.row}"' in twice.text


def test_a_row_that_is_there_is_changed_and_not_said_twice(world: World, editor: Visitor) -> None:
    row = world.prices.add("price", {"model": "there", "input": 1, "context": {"service_tier": "flex"}}, **BY).row
    world.prices.add("price", {"model": "there", "input": 2}, **BY)
    review = page(editor, "/pricing/review", for_model="there", input="3")
    assert "$2.00 $3.00" in told(review) and f'name="row" value="{row + 1}"' in review
    flex = page(editor, "/pricing/review", for_model="there", input="3", row=str(row))
    assert "$1.00 $3.00" in told(flex) and "service_tier flex" in told(flex)


def test_a_price_of_the_future_is_scheduled_in_the_zone_of_the_page(world: World, editor: Visitor) -> None:
    draft = {"for_provider": "vllm", "for_model": "later", "input": "1", "when": "at", "at": "2026-07-01T00:00"}
    token = editor.own_token()
    saved = editor.post(
        "/pricing/save?zone=Europe/Berlin", data={**draft, "reason": "summer", "csrf_token": token},
        headers={"Origin": str(editor.base_url)},
    )  # fmt: skip
    assert saved.status_code == 303 and "tab=scheduled" in saved.headers["location"]
    (row,) = (span for span in world.prices.timeline() if span.version.content["model"] == "later")
    assert row.version.document()["valid_from"] == 1_782_856_800_000_000_000
