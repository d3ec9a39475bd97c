"""`tollkeeper usage`, `calls`, `prices` and `keys`, as somebody at a terminal sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.telling import Tell
from sidecar.api.world import World, failed, make_call, unpriced
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.database import Database

LAST_WEEK = datetime.now(UTC) - timedelta(days=5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("cli")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    made.clock.now = datetime.now(UTC)
    made.record(
        make_call(1, at=LAST_WEEK), unpriced(2, at=LAST_WEEK, provider="vllm"), failed(3, at=LAST_WEEK),
        make_call(4, at=LAST_WEEK, tags={"tenant": "globex"}),
    )  # fmt: skip
    yield made
    made.close()


def lines_with(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_usage_by_model_says_what_is_not_known(tell: Tell) -> None:
    said = tell("usage")
    assert said.code == 0 and not said.err
    assert lines_with(said.out, "gpt-4o", "$0.0070")
    assert lines_with(said.out, "acme-tuned", "unknown")
    assert "In all: 4 calls, 3,300 tokens, $0.0070" in said.out
    assert "1 calls have no price" in said.out


def test_usage_by_tenant_and_day_of_some_calls(tell: Tell) -> None:
    said = tell("usage", "--by", "tenant", "--interval", "day", "--tenant", "globex", "--days", "8")
    (line,) = lines_with(said.out, "globex")
    assert line.split()[:3] == [f"{LAST_WEEK:%Y-%m-%d}", "globex", "1"]
    assert "No calls." in tell("usage", "--tenant", "nobody").out


def test_json_is_the_answer_of_the_api(tell: Tell) -> None:
    usage = json.loads(tell("usage", "--json").out)
    assert usage["total_cost_nano_usd"] == 7_000_000 and usage["groups"][0]["group"]
    assert len(json.loads(tell("calls", "--json").out)["calls"]) == 4
    assert json.loads(tell("prices", "list", "--json").out)["prices"] == []


def test_calls_and_one_of_them(tell: Tell) -> None:
    said = tell("calls", "--failed")
    assert lines_with(said.out, "RateLimitError", make_call(3).id) and make_call(1).id not in said.out
    assert lines_with(tell("calls", "--unpriced").out, "unpriced", make_call(2).id)
    page = tell("calls", "--limit", "1", "--dearest").out
    cursor = page.partition("--cursor ")[2].strip()
    assert lines_with(tell("calls", "--limit", "1", "--dearest", "--cursor", cursor).out, "019c0000")
    one = tell("calls", make_call(1).id).out
    assert "1,000 input tokens × $2.5 per million = $0.0025" in one
    assert "$0.0025 + $0.001 = $0.0035 (openai gpt-4o, genai-prices 0.2.3)" in one


def test_a_price_for_what_had_none_and_the_past_by_it(tell: Tell) -> None:
    assert lines_with(tell("prices", "unpriced").out, "vllm", "acme-tuned", "in no price list", f"{LAST_WEEK:%F}")
    assert "vllm acme-tuned has no price" in tell("prices", "effective", "vllm", "acme-tuned").err
    added = tell(
        "prices", "add", "provider=vllm", "model=acme-*", "input=1", "output=2", "--from", "2026-01-01",
        "--reason", "our machines",
    )  # fmt: skip
    assert "vllm acme-*: input $1, output $2" in added.out
    row = json.loads(tell("prices", "list", "acme", "--json").out)["prices"][0]["row"]
    effective = tell("prices", "effective", "vllm", "acme-tuned", "--at", f"{LAST_WEEK:%F}").out
    assert lines_with(effective, "output", "$0.000002")
    assert f"price {row} (row {row}): input $1, output $2, by a test: our machines" in effective
    assert tell("prices", "schedule", str(row), "input=3", "--from", "2199-01-01", "--reason", "later").code == 0
    listed = tell("prices", "list").out
    assert lines_with(listed, "current", "input $1") and lines_with(listed, "scheduled", "input $3")
    assert len(lines_with(tell("prices", "history").out, "acme-*")) == 2
    planned = tell("prices", "reprice", "--provider", "vllm", "--days", "8")
    assert lines_with(planned.out, "acme-tuned", "unknown", "$0.001200", "1 → 0")
    plan = planned.out.partition("--plan ")[2].split()[0]
    asked = ("prices", "reprice", "--provider", "vllm", "--days", "8", "--apply", "--plan", plan, "--reason", "priced")
    assert "1 calls were corrected" in tell(*asked).out
    detail = tell("calls", make_call(2).id).out
    assert "unknown: the model has no price; + $0.0012 by re-pricing = $0.0012" in detail
    assert "Every model has a price." in tell("prices", "unpriced").out
    assert tell("prices", "withdraw", str(row), "--reason", "done").code == 0


def test_a_glob_is_shown_as_it_is(tell: Tell) -> None:
    added = tell("prices", "add", "model=house-[ab]", "input=1", "output=2", "--reason", "our machines")
    assert "house-[ab]" in added.out
    assert lines_with(tell("prices", "list", "house").out, "house-[ab]")


def test_what_is_wrong_is_told_in_a_line(tell: Tell) -> None:
    for arguments, told in (
        (("usage", "--zone", "Europe/Berln"), "did you mean Europe/Berlin?"),
        (("usage", "--url", "http://127.0.0.1:9"), "nobody answers at http://127.0.0.1:9"),
        (("usage", "--url", "nowhere"), "no address of a sidecar"),
        (("usage", "--key", "tk_wrong"), "tollkeeper keys create"),
        (("calls", "nobody"), "there is no call 'nobody'"),
        (("prices", "add", "input", "--reason", "x"), "expected NAME=VALUE"),
        (("prices", "add", "inptu=1", "--reason", "x"), "did you mean 'input'?"),
        (("prices", "change", "99", "input=1", "--reason", "x"), "no row 99"),
        (("keys", "revoke", "tk_nobody"), "there is no key 'nobody'"),
    ):
        said = tell(*arguments)
        assert said.code == 1 and told in said.err and "Traceback" not in said.err, arguments
        assert not said.out


def test_keys_through_the_api(tell: Tell) -> None:
    made = tell("keys", "create", "search service", "--scope", "read", "--expires-in-days", "30")
    assert made.out.startswith("tk_") and len(made.out.split()) == 1
    assert tell("usage", "--key", made.out.strip()).code == 0
    assert lines_with(tell("keys", "list").out, made.out[:11], "search service", "active")
    assert "opens nothing any more" in tell("keys", "revoke", made.out.strip()).out
    assert tell("usage", "--key", made.out.strip()).code == 1


def test_the_first_key_straight_in_the_ledger(tell: Tell, tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'new.db'}"
    made = json.loads(tell("keys", "create", "me", "--scope", "admin", "--ledger", ledger, "--json").out)
    database = Database(ledger)
    found = AccessKeys(database).authenticate(made["key"])
    assert found is not None and found.scopes == ("admin",)
    assert lines_with(tell("keys", "list", "--ledger", ledger).out, made["prefix"], "me", "active")
    assert tell("keys", "revoke", made["prefix"], "--ledger", ledger).code == 0
    assert AccessKeys(database).authenticate(made["key"]) is None
    assert tell("keys", "revoke", "nobody", "--ledger", ledger).err.startswith("tollkeeper keys: no key")
    assert "is no database" in tell("keys", "list", "--ledger", "mysql://x/y").err
    database.close()
