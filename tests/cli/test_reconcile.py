"""`tollkeeper reconcile`: what is typed, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.telling import Tell, telling
from sidecar.api.serving import serving
from sidecar.api.test_reconciliations import BILL, DAY
from sidecar.api.world import World, make_call


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Tell]:
    world = World(f"sqlite:///{tmp_path / 'ledger.db'}")
    world.record(make_call(1, at=DAY), make_call(2, at=DAY))
    with serving(world.app) as url:
        yield telling(world, url, monkeypatch, capsys)
    world.close()


def test_from_an_export_to_the_booking(tell: Tell, tmp_path: Path) -> None:
    assert "Nothing was compared yet" in tell("reconcile").out
    file = tmp_path / "cost.csv"
    file.write_text(BILL)
    shown = tell("reconcile", "import", str(file))
    assert "openai-costs: 2 rows, 2 lines of openai" in shown.out and "Nothing was kept" in shown.out
    assert "Imported: 2 new" in tell("reconcile", "import", str(file), "--apply", "--reason", "March").out
    said = tell("reconcile", "--all").out
    assert "price: ratio" in said and "100.00%" in said and "gpt-4o" in said
    assert "gpt-4o" not in tell("reconcile", "show").out
    planned = tell("reconcile", "adjust", "openai", "--days", "10").out
    plan = planned.partition("--plan ")[2].split()[0]
    done = tell("reconcile", "adjust", "openai", "--days", "10", "--apply", "--plan", plan, "--reason", "March")
    assert "Booked: 2 calls cost +$0.001" in done.out
    again = tell("reconcile", "adjust", "openai", "--days", "10", "--apply", "--plan", plan, "--reason", "March")
    assert again.code == 1 and "look at that one" in again.err


def test_what_is_wrong_is_said_in_a_line(tell: Tell, tmp_path: Path) -> None:
    assert "no-such.csv" in tell("reconcile", "import", "no-such.csv").err
    file = tmp_path / "other.csv"
    file.write_text("Date,Cost\n2026-03-27,much\n")
    assert "expected a mapping" in tell("reconcile", "import", str(file)).err
    mapping = ("--map", "provider=openai", "--map", "day=Date", "--map", "amount=Cost")
    assert "line 2: Cost is 'much'" in tell("reconcile", "import", str(file), *mapping).err
    assert "expected NAME=COLUMN" in tell("reconcile", "import", str(file), "--map", "x").err
    assert tell("reconcile", "fetch").code == 0
