"""`tollkeeper ledger`: finds what somebody has changed behind the ledger's back, and makes its sums anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.api.world import World, make_call
from tollkeeper.cli.main import main
from tollkeeper.policy import Policy
from tollkeeper.policy.presets import limits_of_preset


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    made.record(make_call(1), make_call(2, tags={"tenant": "globex"}))
    made.prices.add("price", {"model": "acme-*", "input": 2, "output": 4}, author="me", reason="own hardware")
    made.policies.set(Policy("p", limits_of_preset("low")), author="me", reason="to begin with")
    yield made
    made.close()


def test_sums_are_checked_and_made_again(world: World, database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "check", "--ledger", database_url]) == 0
    assert capsys.readouterr().out.count("sound") == 4
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE usage_daily SET calls = calls + 5, nano_usd = nano_usd + 1")
    assert main(["ledger", "check", "--ledger", database_url]) == 1
    told = capsys.readouterr().out
    assert "usage_daily" in told and "are wrong" in told and told.count("sound") == 3
    assert main(["ledger", "rebuild", "--ledger", database_url, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["wrong_before"] > 0 == made["wrong_after"]
    assert main(["ledger", "check", "--ledger", database_url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rollups": [], "prices": [], "policy": [], "audit": None}


@pytest.mark.parametrize("verb", ["check", "rebuild"])
def test_a_ledger_that_is_not_there_is_not_made(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "leger.db"
    assert main(["ledger", verb, "--ledger", f"sqlite:///{file}"]) == 1
    assert f"there is no ledger at sqlite:///{file}" in capsys.readouterr().err
    assert not file.exists()


def test_changed_prices_and_a_changed_trail_are_found(
    world: World, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.database.write() as connection:
        for table in ("price_versions", "policy_versions", "audit_log"):
            guard = f"{table}_no_update" if world.database.is_sqlite else f"{table}_append_only ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER {guard}")
            connection.exec_driver_sql(f"UPDATE {table} SET author = 'somebody else'")
    assert main(["ledger", "check", "--ledger", database_url, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"rollups": [], "prices": [1], "policy": [1], "audit": 1}
    assert main(["ledger", "check", "--ledger", database_url]) == 1
    assert capsys.readouterr().out.count("changed or removed") == 3


def test_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "check", "--ledger", "mysql://x/y"]) == 1
    assert "is no database" in capsys.readouterr().err
