"""`tollkeeper reconcile`: what is typed, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.telling import Tell
from sidecar.api.test_reconciliations import BILL, DAY
from sidecar.api.world import World, make_call


@pytest.fixture
def world(sqlite_world: World) -> World:
    sqlite_world.record(make_call(1, at=DAY), make_call(2, at=DAY))
    return sqlite_world


def test_from_an_export_to_the_booking(tollkeeper: Tell, tmp_path: Path) -> None:
    assert "Nothing was compared yet" in tollkeeper("reconcile").out
    file = tmp_path / "cost.csv"
    file.write_text(BILL)
    shown = tollkeeper("reconcile", "import", str(file))
    assert "openai-costs: 2 rows, 2 lines of openai" in shown.out and "Nothing was kept" in shown.out
    assert "Imported: 2 new" in tollkeeper("reconcile", "import", str(file), "--apply", "--reason", "March").out
    said = tollkeeper("reconcile", "--all").out
    assert "price: ratio" in said and "100.00%" in said and "gpt-4o" in said
    assert "gpt-4o" not in tollkeeper("reconcile", "show").out
    planned = tollkeeper("reconcile", "adjust", "openai", "--days", "10").out
    plan = planned.partition("--plan ")[2].split()[0]
    done = tollkeeper("reconcile", "adjust", "openai", "--days", "10", "--apply", "--plan", plan, "--reason", "March")
    assert "Booked: 2 calls cost +$0.001" in done.out
    again = tollkeeper("reconcile", "adjust", "openai", "--days", "10", "--apply", "--plan", plan, "--reason", "March")
    assert again.code == 1 and "look at that one" in again.err


def test_what_is_wrong_is_said_in_a_line(tollkeeper: Tell, tmp_path: Path) -> None:
    assert "no-such.csv" in tollkeeper("reconcile", "import", "no-such.csv").err
    file = tmp_path / "other.csv"
    file.write_text("Date,Cost\n2026-03-27,much\n")
    assert "expected a mapping" in tollkeeper("reconcile", "import", str(file)).err
    mapping = ("--map", "provider=openai", "--map", "day=Date", "--map", "amount=Cost")
    assert "line 2: Cost is 'much'" in tollkeeper("reconcile", "import", str(file), *mapping).err
    assert "expected NAME=COLUMN" in tollkeeper("reconcile", "import", str(file), "--map", "x").err
    assert tollkeeper("reconcile", "fetch").code == 0
