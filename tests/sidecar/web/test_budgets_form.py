"""What is typed into the form of a limit, as a policy has it; and a policy's limit as it would be typed."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from starlette.datastructures import FormData

from tollkeeper.policy.document import Document, policy_document, read_json
from tollkeeper.policy.presets import PRESETS
from tollkeeper.sidecar.web.amounts import read_money, read_whole
from tollkeeper.sidecar.web.pages.budgets.difference import NOTHING, differences
from tollkeeper.sidecar.web.pages.budgets.limit_form import NEW, Mistaken, form_of, tables_of
from tollkeeper.sidecar.web.pages.budgets.proposal import limit_named, propose


def fields(**said: object) -> FormData:
    """A new limit's form, with these in place of what it begins with; lists are several fields of a name."""
    given = {**NEW.said, "name": "", "what": "limit", **said}
    return FormData([
        (name, each) for name, value in given.items() for each in (value if isinstance(value, list) else [str(value)])
    ])  # fmt: skip


def written(*limits: object, **tables: object) -> Document:
    """A policy as it is written."""
    return policy_document(read_json(json.dumps({"limit": list(limits), **tables}), "tests"))


@pytest.mark.parametrize(
    ("text", "amount"),
    [("100", "100"), ("$0.50", "0.5"), (".5", "0.5"), ("1,000.50", "1000.5"), ("1 000.5", "1000.5"), ("0.001", "0.001"),
     ("1000.125", "1000.125"), ("12 345 678", "12345678"), ("0.000000001", "0.000000001")],
)  # fmt: skip
def test_money_that_can_mean_one_thing(text: str, amount: str) -> None:
    assert read_money(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "told"),
    [("1000,50", "a point before the cents"), ("1,000", "can mean 1000 or 1.000"), ("1.000", "can mean 1000 or 1"),
     ("12.500", "can mean 12500 or 12.5"), ("1.000,50", "a point before the cents"), ("", "is missing"),
     ("-5", "not understood"), ("1e3", "not understood"), ("NaN", "not understood"), ("0.0000000001", "too exact"),
     ("٣", "not understood"), ("9" * 50, "not understood")],
)  # fmt: skip
def test_money_that_is_not_clear_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_money(text)


def test_whole_numbers() -> None:
    assert [read_whole(text) for text in ("60", "90,000", "90 000", "90k", "2M", "1.5M")] == [
        60, 90_000, 90_000, 90_000, 2_000_000, 1_500_000,
    ]  # fmt: skip
    for text, told in (("90.000", "can mean 90000"), ("1.5", "no whole number"), ("1,5", "not understood")):
        with pytest.raises(ValueError, match=told):
            read_whole(text)


def test_a_limit_as_a_newcomer_types_it() -> None:
    said = fields(amount="10.50", window="day", whose="tenant", only_name="model", only_value="gpt-4* | o3")
    assert propose(said, NOTHING).document["limit"] == [
        {
            "name": "usd-day-per-tenant-gpt-4-o3",
            "limit": "$10.50 / day per tenant",
            "match": {"model": ["gpt-4*", "o3"]},
        }
    ]


def test_all_that_the_form_can_say() -> None:
    said = fields(
        amount="90k", measure="tokens", window="minute", whose="user", also=["model"], rolling="yes", burst="20000",
        then="wait", wait_for="10s", name="mine", at="70, 90", on_unavailable="deny", unbounded="refuse",
        hysteresis="2", exempt="ollama/*\nfeature = support", only_more="provider = openai, tenant = (none)",
        step_at=["80", "", "90"], step_do=["cheaper", "", "shed"],
        step_value=["gpt-4o = gpt-4o-mini", "", "low, normal"],
    )  # fmt: skip
    found = propose(said, NOTHING).document
    assert found["limit"] == [{
        "name": "mine", "limit": "90,000 tokens / rolling minute burst 20,000 per user and model", "at": [70, 90],
        "match": {"provider": "openai", "tags": {"tenant": ""}}, "on_exceeded": "wait 10s", "on_unavailable": "deny",
        "exempt": ["ollama/*", {"tags": {"feature": "support"}}], "unbounded": "refuse",
    }]  # fmt: skip
    assert found["ladder"] == [{"limit": "mine", "hysteresis": 2, "steps": [
        {"at": 80, "do": "cheaper", "models": {"gpt-4o": "gpt-4o-mini"}},
        {"at": 90, "do": "shed", "priority": ["normal", "low"]},
    ]}]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ({"amount": "1000,50"}, "amount", "a point before the cents"),
        ({"time_zone": "Europe/Berlln"}, "time_zone", "a time zone"),
        ({"then": "wait", "wait_for": "2 hours"}, "wait_for", "of an hour at the most"),
        ({"only_name": "tenant"}, "only_value", "say which tenant"),
        ({"only_value": "acme"}, "only_value", "choose what 'acme' is"),
        ({"only_more": "model gpt"}, "only_more", "a name, = and a value"),
        ({"name": "a/b"}, "name", "letters, digits"),
        ({"measure": "tokens", "amount": "99999999999999999999"}, "amount", "a whole number from 0"),
        ({"rolling": "yes", "burst": "0"}, "window", "a burst above zero"),
        ({"step_at": ["80"], "step_do": ["cheaper"], "step_value": [""]}, "step-1", "models to ask instead"),
        ({"step_at": ["80", "9"], "step_do": ["alert", "cheaper"], "step_value": ["", "o3"]}, "step-2", "one instead"),
        ({"step_at": ["80"], "step_do": [""], "step_value": [""]}, "step-1", "choose what is done"),
        ({"step_at": ["80"], "step_do": ["emergency"], "step_value": [""]}, "steps", "emergency"),
        ({"window": "request", "step_at": ["80"], "step_do": ["alert"], "step_value": [""]}, "steps", "that fills"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_field(said: dict[str, object], field: str, told: str) -> None:
    with pytest.raises(Mistaken) as refused:
        propose(fields(**said), NOTHING)
    assert told in refused.value.mistakes.get(field, refused.value.mistakes.get("", "")), refused.value.mistakes


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Mistaken) as refused:
        propose(fields(amount="1000,50", time_zone="Nowhere", at="0", hysteresis="x"), NOTHING)
    assert set(refused.value.mistakes) == {"amount", "time_zone", "at", "hysteresis"}


def test_a_limit_is_changed_in_its_place_with_its_ladder() -> None:
    steps = [{"at": 90, "do": "alert"}]
    now = written(
        {"limit": "$1 / day"}, {"limit": "$5 / month", "name": "month"}, ladder=[{"limit": "month", "steps": steps}]
    )  # fmt: skip
    said = fields(before="month", name="whole", amount="7", step_at=["90"], step_do=["alert"], step_value=[""])
    proposal = propose(said, now)
    assert [limit["name"] for limit in proposal.document["limit"]] == ["usd-day", "whole"]
    assert [ladder["limit"] for ladder in proposal.document["ladder"]] == ["whole"]
    assert "under another one the limit begins anew" in proposal.warnings[0]
    same = fields(before="month", name="month", amount="9")
    assert propose(same, now).warnings == (), "another amount begins nothing anew"
    (told,) = propose(fields(before="month", name="month", whose="tenant"), now).warnings
    assert "counted anew" in told
    with pytest.raises(Mistaken, match="already"):
        propose(fields(before="month", name="usd-day"), now)
    removed = propose(FormData([("what", "remove"), ("name", "month")]), now).document
    assert [limit["name"] for limit in removed["limit"]] == ["usd-day"] and "ladder" not in removed


@pytest.mark.parametrize(
    "form", [*PRESETS["seed"], "10 concurrent calls per tenant and model", "$5 / rolling hour burst $1"]
)
@pytest.mark.parametrize("rest", [{}, {"mode": "soft", "at": []}, {"on_exceeded": "wait 1.5s", "exempt": ["x/*"]}])
def test_what_the_form_shows_is_what_is_in_force(form: str, rest: dict[str, object]) -> None:
    now = written({"limit": form, "match": {"model": "gpt-4*", "tags": {"tenant": ["a", ""]}}, **rest})
    found = limit_named(now, now["limit"][0]["name"])
    assert found is not None
    assert written(tables_of(form_of(*found)).limit) == now


EVER = "further calls are refused"


def test_how_policies_differ() -> None:
    before = written({"limit": "$1 / day"}, {"limit": "$9 / month"})
    after = written({"limit": "$2 / day", "mode": "soft"}, {"limit": "$1 per request"})
    assert [tuple(row) for row in differences(before, after)] == [
        ("limit usd-day: how much", "$1 / day", "$2 / day"),
        ("limit usd-day: when it is reached", "further calls are refused", "only a warning, calls go on"),
        ("limit usd-per-request", "–", f"$1 per request, {EVER}"),
        ("limit usd-month", f"$9 / month, {EVER}, told at 50%, 80%, 90%, 95%, 100%", "–"),
    ]  # fmt: skip
    assert differences(before, before) == []
    (row,) = differences(NOTHING, {**NOTHING, "emergency": {"tokens": 512, "shed": ["low"]}})
    assert row == ("emergency", "–", "tokens of an answer at most 512, not sent: calls of priority low")
