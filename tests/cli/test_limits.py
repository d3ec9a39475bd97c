"""`tollkeeper policy show|set|history|test` and `limits`, as somebody at a terminal sees them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.telling import Tell
from sidecar.api.world import World, make_call
from tollkeeper.model import Bound
from tollkeeper.policy.document import read_toml
from tollkeeper.storage.admission import Ticket

POLICY = '[policy]\nname = "acme"\n[[limit]]\nlimit = "2 requests / day per tenant"\n[[limit]]\nlimit = "$0.50 / day"\n'


@pytest.fixture
def world(sqlite_world: World) -> World:
    sqlite_world.clock.now = datetime.now(UTC).replace(hour=12, minute=0)
    return sqlite_world


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def test_a_policy_is_set_shown_and_remembered(tollkeeper: Tell, file: Path) -> None:
    assert "Nobody has set a policy" in tollkeeper("policy", "show").out
    assert tollkeeper("policy", "set", str(file), "--reason", "to begin with").out == (
        "Version 1 is in force: 2 limits.\n"
    )
    shown = tollkeeper("policy", "show").out
    assert "# Version 1, by a test, " in shown and ": to begin with" in shown
    assert read_toml(shown, "stdout") == read_toml(POLICY, "policy.toml")
    late = tollkeeper("policy", "set", str(file), "--reason", "x", "--expected", "7")
    assert (late.code, late.err) == (1, "tollkeeper policy: the policy is at version 1, and not at 7 any more\n")
    (row,) = [line for line in tollkeeper("policy", "history").out.splitlines() if "to begin with" in line]
    assert row.split()[0] == "1"
    assert json.loads(tollkeeper("policy", "show", "--json").out)["version"] == 1


def test_a_wrong_file_is_not_sent(tollkeeper: Tell, file: Path, world: World) -> None:
    file.write_text('[[limit]]\nlimit = "$10 / dya"\n')
    said = tollkeeper("policy", "set", str(file), "--reason", "x")
    assert (said.code, said.err) == (2, f"{file}:2: limit[0].limit: '$10 / dya'; expected 'day' in place of 'dya'\n")
    assert tollkeeper("policy", "test", str(file.with_name("none.toml"))).code == 2
    assert world.policies.revision() == 0


def test_a_file_against_the_past(tollkeeper: Tell, file: Path, world: World) -> None:
    """Of the five calls of a tenant in a day, three are beyond two."""
    noon = world.clock.now - timedelta(days=3)
    world.record(*(make_call(number, at=noon + timedelta(minutes=number)) for number in range(1, 6)))
    world.record(make_call(6, at=noon, tags={"tenant": "globex"}))
    said = tollkeeper("policy", "test", str(file), "--since", "7d")
    assert said.code == 0, said.err
    (row,) = [line.strip() for line in said.out.splitlines() if "tenant=acme" in line]
    assert row.startswith("requests-day-per-tenant (2 requests / day per tenant)")
    assert row.split("tenant=acme")[1].split()[:3] == ["5", "3", "$0.0105"]
    assert "Of 6 calls, 3 would have been denied, and 0 have waited. Saved: $0.0105 of $0.0210." in said.out
    found = json.loads(tollkeeper("policy", "test", str(file), "--since", f"{noon:%Y-%m-%d}", "--json").out)
    assert (found["calls"], found["denied"], found["saved_nano_usd"]) == (6, 3, 10_500_000)
    assert found["outcomes"][0]["reasons"] == {"used_up": 3}
    assert "Of 0 calls" in tollkeeper("policy", "test", str(file), "--since", "1d").out


def test_a_ladder_against_the_past(tollkeeper: Tell, file: Path, world: World) -> None:
    """From the second call of the day on, a cheaper model: gpt-4o-mini costs less than a fifteenth of gpt-4o."""
    file.write_text(
        """
        [[limit]]
        name = "few"
        limit = "10 requests / day"
        [[ladder]]
        limit = "few"
        steps = [{ at = 10, do = "cheaper", models = { "gpt-4o" = "gpt-4o-mini" } }, { at = 30, do = "emergency" }]
        [emergency]
        tokens = 1
        """
    )
    noon = world.clock.now - timedelta(days=3)
    world.record(*(make_call(number, at=noon + timedelta(minutes=number)) for number in range(1, 6)))
    said = tollkeeper("policy", "test", str(file), "--since", "7d")
    assert said.code == 0, said.err
    assert "4 would have been sent otherwise, to another model or cut short. Saved besides: $0.01" in said.out
    assert f"An emergency would have begun at {noon + timedelta(minutes=4):%Y-%m-%d %H:%M}" in said.out
    found = json.loads(tollkeeper("policy", "test", str(file), "--since", "7d", "--json").out)
    assert (found["denied"], found["degraded"]) == (0, 4)
    assert found["outcomes"][0]["degraded"] == {"cheaper": 4, "emergency": 2}


def test_too_long_a_period(tollkeeper: Tell, file: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollkeeper.sidecar.api.backtests.MOST_CALLS", 1)
    world.record(make_call(1), make_call(2))
    world.record(make_call(3, at=world.clock.now), make_call(4, at=world.clock.now))
    said = tollkeeper("policy", "test", str(file))
    assert (said.code, said.out) == (1, "")
    assert "the period has 2 calls; expected a period of at most 1 calls" in said.err


def test_how_limits_stand(tollkeeper: Tell, file: Path, world: World) -> None:
    assert "No limits: every call is sent." in tollkeeper("limits").out
    tollkeeper("policy", "set", str(file), "--reason", "x")
    admission = world.limiting.admission()
    ticket = admission.admit("under way", admission.bindings(make_call(1)), Bound(1, 1, 400_000_000))
    assert isinstance(ticket, Ticket)
    rows = tollkeeper("limits", "--tenant", "acme").out.splitlines()
    (few,) = [row for row in rows if "tenant=acme" in row]
    assert few.split("tenant=acme")[1].split()[:5] == ["1", "1", "2", "1", "50.0"]
    (budget,) = [row for row in rows if "usd-day" in row]
    assert budget.split(" all ")[1].split()[:5] == ["$0.4000", "$0.4000", "$0.5000", "$0.1000", "80.0"]
    (held, *_) = [line for line in tollkeeper("limits", "in-flight").out.splitlines() if "under way" in line]
    assert "tests" in held and "tenant=acme" in held


def test_counters_are_built_from_the_ledger(tollkeeper: Tell, file: Path, world: World) -> None:
    tollkeeper("policy", "set", str(file), "--reason", "x")
    world.record(make_call(1, at=world.clock.now))
    told = tollkeeper("limits", "agreement").out
    assert "2 compared, 2 differ." in told
    (row,) = [line.split() for line in told.splitlines() if "tenant=acme" in line]
    assert row == ["requests-day-per-tenant", "tenant=acme", "1", "0", "0", "1", "0"]
    assert "$0.003500" in tollkeeper("limits", "rebuild", "--reason", "they were away").out
    assert tollkeeper("limits", "agreement").out == "2 compared, 0 differ.\n"
    assert tollkeeper("limits", "rebuild", "--reason", "again").out == "Nothing was missing.\n"


def test_would_it_go(tollkeeper: Tell, file: Path) -> None:
    assert tollkeeper("limits", "check", "openai", "gpt-4o").out == "It may go: no limit binds it.\n"
    tollkeeper("policy", "set", str(file), "--reason", "x")
    ask = ("limits", "check", "openai", "gpt-4o", "--tag", "tenant=acme", "--input-tokens")
    assert tollkeeper(*ask, "1000").out.startswith("It may go; ")
    denied = tollkeeper(*ask, "1000000").out
    assert denied.startswith("It would be denied: limit 'usd-day' ($0.50 / day) has no room for such a call, ever")
    file.write_text('[[limit]]\nname = "budget"\nlimit = "$5 / day"\n')
    tollkeeper("policy", "set", str(file), "--reason", "x")
    assert tollkeeper(*ask, "1000", "--output-tokens", "9").out == "It may go; budget has $5.0000 left.\n"
    wrong = tollkeeper("limits", "check", "openai", "gpt-4o", "--tag", "acme")
    assert (wrong.code, wrong.err) == (
        1,
        "tollkeeper limits: --tag is 'acme'; expected NAME=VALUE, such as tenant=acme\n",
    )
