"""Budgets and limits: they stand as the API says, and are changed by forms that nobody can misunderstand."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sidecar.api.world import Clock, World, make_call
from sidecar.web.visiting import Visitor, person
from tollkeeper.policy.document import policy_document, read_json
from tollkeeper.sidecar.limiting import charge_of
from tollkeeper.sidecar.web.pages.budgets.limit_form import NEW
from tollkeeper.storage.counters import Hold

HOSTILE = '"><script>alert(1)</script>'
LIMITS = (
    '{"limit": [{"limit": "$1 / month", "name": "all"}, {"limit": "2,000 tokens / day per tenant", "name": "tokens"},'
    ' {"limit": "$0.50 per request"}], "ladder": [{"limit": "tokens", "steps": [{"at": 100, "do": "alert"}]}]}'
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("budgets")
    made = World(f"sqlite:///{folder / 'ledger.db'}", open_on_loopback=False, clock=Clock())
    person(made, "ed", "editor")
    person(made, "vi", "viewer")
    tenants = ("acme", "acme", HOSTILE, "b", "c")
    made.record(
        *(make_call(number, tags={"tenant": tenant}) for number, tenant in enumerate(tenants)),
        make_call(9, tags={"config": "prod", "tenant": "acme"}),
    )
    yield made
    made.close()


@pytest.fixture(autouse=True)
def as_before(world: World) -> None:
    """Every test begins with the same limits, and without an emergency."""
    world.policies.set(read_json(LIMITS, "tests"), author="tests", reason="as before", keep_quotas=False)
    world.limiting.admission().emergency.leave()


def page(visitor: Visitor, path: str, status: int = 200, **query: str) -> str:
    answer = visitor.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.text


def send(visitor: Visitor, path: str, **fields: str) -> Any:
    fields["csrf_token"] = visitor.own_token()
    return visitor.post(f"/budgets/{path}", data=fields, headers={"Origin": str(visitor.base_url)})


def told(text: str) -> str:
    """Without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def new_limit(world: World, **said: str) -> dict[str, str]:
    """A form as it was shown now, filled in."""
    return {**NEW.said, "name": "", "what": "limit", "version": str(version(world)), **said}


def version(world: World) -> int:
    return world.policies.current().id


def limits(world: World) -> dict[str, str]:
    return {each["name"]: each["limit"] for each in world.policies.current().document["limit"]}


def test_the_list_says_what_the_api_says(world: World, viewer: Visitor) -> None:
    found = world.client("read").get("/api/v1/limits/usage", params={"most": 3}).json()
    text = page(viewer, "/budgets")
    numbers = set(re.findall(r'<data class="number" value="([^"]*)"', text))
    for limit in found["limits"]:
        assert limit["form"] in text
        for use in limit["uses"]:
            assert any(Decimal(number) == Decimal(str(use["used"])) for number in numbers if number), limit["name"]
    words = told(text)
    assert "tenant acme 3,300 of 2,000 tokens · 165%" in words and "◆ used up" in words
    assert "now: tell people (from 100% on)" in words and "60% of the day has passed" in words
    assert "Show all 4" in words and "Of each call by itself $0.50 per request" in words
    text = LIMITS.replace('"name": "all"', '"name": "all", "match": {"tags": {"tenant": "acme"}}, "exempt": "ollama/*"')
    world.policies.set(read_json(text, "tests"), author="tests", reason="for one tenant")
    one = told(page(viewer, "/budgets"))
    assert "$1 / month, tenant acme all tenant acme together $0" in one and "but not ollama/*" in one
    assert "New limit" not in words, "who only reads is not offered it"
    every = told(page(viewer, "/budgets/limit", name="tokens"))
    assert all(f"tenant {tenant}" in every for tenant in ("acme", "b", "c", HOSTILE))


def test_nothing_from_outside_becomes_markup(world: World, viewer: Visitor, editor: Visitor) -> None:
    pages = [
        page(viewer, "/budgets/limit", name="tokens"),
        page(viewer, "/budgets/check", to=HOSTILE, asked=HOSTILE, **{"with": f"tenant = {HOSTILE}"}),
        page(viewer, "/budgets/quota", config=HOSTILE),
        send(editor, "review", **new_limit(world, amount=HOSTILE, only_name="tenant", only_value=HOSTILE)).text,
        send(editor, "review", **new_limit(world, only_name="tenant", only_value=HOSTILE)).text,
    ]
    for text in pages:
        assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text
    assert viewer.get("/budgets/limit", params={"name": HOSTILE}).status_code == 404


def test_a_limit_is_set_after_it_was_reviewed(world: World, editor: Visitor) -> None:
    said = new_limit(world, amount="1000,50", window="day")
    refused = send(editor, "review", **said)
    assert (
        refused.status_code == 422 and "a point before the cents" in refused.text and 'value="1000,50"' in refused.text
    )
    said = new_limit(world, amount="0.001", window="day", only_name="tenant", only_value="acme")
    review = send(editor, "review", **said)
    assert (
        review.status_code == 200
        and "limit usd-day-acme – $0.001 / day, tenant acme, further calls are refused, told at 50%"
        in told(review.text)
    )
    assert "usd-day-acme" not in limits(world), "nothing is saved by looking"
    tested = told(send(editor, "backtest", **said).text)
    document = policy_document(world.policies.current().policy())
    document["limit"].append({"limit": "$0.001 / day", "match": {"tags": {"tenant": "acme"}}})
    replayed = world.client("read").post("/api/v1/policy/backtest", json={"document": document}).json()
    assert f"Calls refused {replayed['denied']} of 6" in tested and replayed["denied"] > 0
    assert "All are refused by what you change" in tested
    assert "Say why" in send(editor, "save", **said).text
    saved = send(editor, "save", **said, reason="agreed")
    assert (saved.status_code, saved.headers["location"]) == (303, "/budgets#limit-usd-day-acme")
    listed = page(editor, "/budgets")
    assert "Saved: usd-day-acme, $0.001 / day, tenant acme. Version" in told(listed)
    assert 'id="limit-usd-day-acme"' in listed and "$0.001 / day, tenant acme usd-day-acme" in told(listed)
    assert limits(world)["usd-day-acme"] == "$0.001 / day" and "all" in limits(world)
    now = world.policies.current()
    assert (now.author, now.reason) == ("ed", "agreed")


def test_somebody_else_was_quicker(world: World, editor: Visitor) -> None:
    said = new_limit(world, amount="7", window="week")
    theirs = read_json(LIMITS.replace("$1 / month", "$2 / month"), "tests")
    world.policies.set(theirs, author="grace", reason="more for all")
    refused = send(editor, "save", **said, reason="mine")
    words = told(refused.text)
    assert refused.status_code == 409 and "usd-week" not in limits(world)
    assert "grace" in words and "“more for all”" in words and "limit all: how much $1 / month $2 / month" in words
    assert "limit usd-week – $7 / week" in words and 'name="amount" value="7"' in refused.text
    for none in ({"version": ""}, {"version": "x"}):
        assert send(editor, "save", **{**said, **none}, reason="mine").status_code == 409, "it has to be said"
    again = {**said, "version": str(version(world))}
    assert send(editor, "save", **again, reason="mine").status_code == 303
    assert (limits(world)["all"], limits(world)["usd-week"]) == ("$2 / month", "$7 / week")


def test_a_limit_is_changed_and_removed(world: World, editor: Visitor) -> None:
    form = page(editor, "/budgets/edit", name="tokens")
    assert 'name="amount" value="2000"' in form and '<option value="tokens" selected>' in form
    assert (
        '<option value="tenant" selected>for each tenant by itself' in form
        and '<option value="alert" selected>' in form
    )
    assert 'form="remove">Remove<' in form and 'name="what" value="remove"' in form
    assert 'value="remove"' not in page(editor, "/budgets/edit")
    said = new_limit(
        world, before="tokens", name="tokens", amount="3000", measure="tokens", window="day", whose="tenant",
        step_at="100", step_do="alert",
    )  # fmt: skip
    assert "limit tokens: how much 2,000 tokens / day per tenant 3,000" in told(send(editor, "review", **said).text)
    assert send(editor, "save", **said, reason="more").status_code == 303
    assert limits(world)["tokens"] == "3,000 tokens / day per tenant"
    removed = {"what": "remove", "name": "tokens", "version": str(version(world))}
    assert f'name="version" value="{version(world)}"' in page(editor, "/budgets/limit", name="tokens")
    review = send(editor, "review", **removed).text
    assert "steps of tokens" in told(review) and "Why (required)" in review
    assert '<td data-label="After">–</td>' in review, "what is not there is not shown as if it were new"
    assert send(editor, "save", **removed, reason="enough").status_code == 303
    assert "Removed: the limit tokens. Version" in told(page(editor, "/budgets"))
    assert list(limits(world)) == ["all", "usd-per-request"]
    assert send(editor, "review", **removed).status_code == 422


def test_what_the_form_cannot_say_is_changed_as_text(world: World, editor: Visitor) -> None:
    text = LIMITS.replace('"name": "all"', '"name": "all", "match": {"tags": {"tenant": "a|b"}}')
    world.policies.set(read_json(text, "tests"), author="tests", reason="odd")
    assert "says more than the form" in page(editor, "/budgets/edit", name="all")
    said = {"what": "text", "format": "toml", "version": str(version(world)), "text": '[[limit]]\nlimit = "$1 / dya"\n'}
    refused = send(editor, "review", **said)
    assert refused.status_code == 422 and "line 2: limit[0].limit" in told(refused.text) and "/ dya" in refused.text
    said["text"] = '[[limit]]\nlimit = "$1 / day"\n'
    assert send(editor, "save", **said, reason="anew").status_code == 303
    assert limits(world) == {"usd-day": "$1 / day"}


def test_a_preset_and_a_version_of_before(world: World, editor: Visitor) -> None:
    before = version(world)
    said = {"what": "preset", "preset": "low", "version": str(before)}
    assert "limit usd-week – $60 / week" in told(send(editor, "review", **said).text)
    assert send(editor, "save", **said, reason="to begin with").status_code == 303
    assert limits(world)["usd-month"] == "$250 / month" and "all" in limits(world)
    history = told(page(editor, "/budgets", tab="history"))
    assert f"Version {version(world)} ✓ in force ed" in history and "to begin with 3 changes" in history
    back = {"what": "version", "number": str(before), "version": str(version(world))}
    assert "limit usd-week $60 / week, further calls are refused" in told(send(editor, "review", **back).text)
    assert send(editor, "save", **back, reason="too little").status_code == 303
    assert list(limits(world)) == ["all", "tokens", "usd-per-request"]
    assert send(editor, "review", **{**back, "number": "999"}).status_code == 422


def test_a_policy_of_a_file_is_told_of(world: World, editor: Visitor) -> None:
    world.policies.set(
        read_json('{"limit": [{"limit": "$3 / day"}]}', "tests"), author="file", reason="/etc/limits.toml"
    )
    assert "comes from the file /etc/limits.toml" in told(page(editor, "/budgets"))


def test_quotas(world: World, editor: Visitor, viewer: Visitor) -> None:
    assert "prod" in page(viewer, "/budgets", tab="quotas") and "no quota" in page(viewer, "/budgets", tab="quotas")
    wrong = send(editor, "quota", config="prod", quota_limit="1,5", threshold="0", reason="")
    assert wrong.status_code == 422 and wrong.text.count('class="wrong"') == 2 and 'value="1,5"' in wrong.text
    low = send(editor, "quota", config="prod", quota_limit="2k", threshold="0", reason="r")
    assert low.status_code == 422 and 'id="wrong-threshold"' in low.text
    good = send(editor, "quota", config="prod", quota_limit="2k", threshold="50", mode="soft", reason="a trial")
    assert good.status_code == 303
    api = world.client("read").get("/api/v1/quotas/prod").json()
    assert (api["quota_limit"], api["mode"], api["total_tokens"]) == (2000, "soft", 1100)
    assert "55% ▲ above 50%" in told(page(viewer, "/budgets", tab="quotas"))
    assert '<option value="soft" selected>' in page(editor, "/budgets/quota", config="prod")
    assert send(editor, "quota/reset", config="prod", reason="").status_code == 422
    assert send(editor, "quota/reset", config="prod", reason="a new deal").status_code == 303
    assert world.client("read").get("/api/v1/quotas/prod").json()["total_tokens"] == 0
    assert send(editor, "quota/remove", config="prod", reason="done").status_code == 303
    assert world.client("read").get("/api/v1/quotas/prod").json()["quota_limit"] is None


def test_what_calls_under_way_hold_and_whether_counters_agree(world: World, editor: Visitor) -> None:
    limit = world.limiting.policy.limits[0]
    charge = charge_of(limit, {}, world.counters.now())._replace(amount=250_000_000)
    hold = Hold("019c0000-0000-7000-8000-00000000000a", "web-1:7", world.counters.now() + 10**12, (charge,))
    world.counters.reserve(hold)
    words = told(page(editor, "/budgets", tab="in-flight"))
    assert "web-1:7" in words and "$0.25 of all" in words and "Dollars held $0.25" in words
    agreement = world.client("read").get("/api/v1/limits/agreement").json()
    words = told(page(editor, "/budgets/agreement"))
    assert agreement["differences"] and f"{len(agreement['differences'])} differ of" in words
    part = editor.get("/budgets/agreement", headers={"HX-Request": "true"}).text
    assert "<html" not in part and "differ of" in told(part), "a page that is shown already asks for this part only"
    assert send(editor, "rebuild", reason="").status_code == 422
    assert send(editor, "rebuild", reason="after a move").status_code == 303
    assert "✓ Yes" in told(page(editor, "/budgets/agreement"))


def test_nothing_was_compared_yet(world: World, viewer: Visitor) -> None:
    world.policies.set(read_json('{"limit": [{"limit": "$0.50 per request"}]}', "tests"), author="tests", reason="few")
    words = told(page(viewer, "/budgets/agreement"))
    assert "Nothing was compared yet" in words and "✓ Yes" not in words


def test_an_emergency_is_declared_begun_and_ended(world: World, editor: Visitor, viewer: Visitor) -> None:
    assert "none can be begun" in told(page(viewer, "/budgets", tab="emergency"))
    assert send(editor, "emergency/enter", reason="fire").status_code == 409
    assert 'value="low" checked' in page(editor, "/budgets/emergency")
    said = {"what": "emergency", "version": str(version(world)), "models": "gpt-4o = gpt-4o-mini", "shed": "low"}
    wrong = send(editor, "review", **said, tokens="many", throttle="5 / minute")
    assert wrong.status_code == 422 and 'id="wrong-tokens"' in wrong.text and "gpt-4o = gpt-4o-mini" in wrong.text
    saved = send(editor, "save", **said, tokens="64", reason="to be ready")
    assert saved.status_code == 303 and saved.headers["location"] == "/budgets?tab=emergency"
    assert "Calls of priority low are not sent" in told(page(viewer, "/budgets", tab="emergency"))
    assert send(editor, "emergency/enter", reason="").status_code == 422
    assert page(viewer, "/budgets/emergency-banner").strip() == ""
    assert send(editor, "emergency/enter", reason=f"costs explode {HOSTILE}").status_code == 303
    banner = page(viewer, "/budgets/emergency-banner")
    assert "ed began it" in told(banner) and "costs explode" in banner and "<script>" not in banner
    assert world.client("read").get("/api/v1/emergency").json()["active"] is True
    assert "There is an emergency" in told(page(viewer, "/budgets", tab="emergency"))
    shown = told(page(editor, "/budgets", tab="emergency"))
    assert "while it lasts" not in shown and "The limit that began it" not in shown
    assert send(editor, "emergency/leave", reason="over").status_code == 303
    assert world.client("read").get("/api/v1/emergency").json()["active"] is False


def test_whether_a_call_would_go(viewer: Visitor) -> None:
    goes = told(
        page(
            viewer,
            "/budgets/check",
            to="openai",
            asked="gpt-4o",
            **{"with": "tenant = b", "input": "10", "output": "1"},
        )
    )
    assert "✓ It would go" in goes and "2,000 tokens / day per tenant" in goes
    full = told(page(viewer, "/budgets/check", to="openai", asked="gpt-4o", **{"with": "tenant = b", "input": "5k"}))
    assert "◆ It would be refused" in full and "refused: call too large" in full
    assert 'id="wrong-input"' in page(viewer, "/budgets/check", 422, to="openai", asked="gpt-4o", input="1,5")
