"""The benchmark runs and says what it should. How fast anything is depends on the machine, and is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.ports import free_port

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rows(name: str, *arguments: str) -> list[list[str]]:
    """The table that it prints."""
    done = run(name, *arguments)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    output = tmp_path_factory.mktemp("benchmarks") / "results.json"
    done = run(
        "overhead.py", "--here", "--peers=none", "--quick", "--rounds=1", "--memory-calls=200", f"--output={output}"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nobody is left out, and everybody records spans"
    return done.stdout, json.loads(output.read_text())


def test_the_table_has_a_row_for_everybody(results: tuple[str, dict]) -> None:
    printed, _ = results
    names = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    for name in ("uninstrumented", "the same again", "floor", "tollkeeper"):
        assert names.count(name) == 2, printed


def test_the_figures_are_written_as_json(results: tuple[str, dict]) -> None:
    _, written = results
    ours = written["contestants"]["tollkeeper"]
    assert set(ours["cases"]) == {"plain", "chunk", "async", "anthropic", "all_threads"}
    assert ours["starts"][0]["start_ms"] > 0
    assert ours["memory"]["calls"] == 200
    assert written["blocks"]["uninstrumented"]["plain"][0] > 0


def test_an_unknown_peer_is_named() -> None:
    done = run("overhead.py", "--peers=openllmetry,nobody")
    assert done.returncode == 2
    assert "nobody" in done.stderr


def test_the_receivers_figures_have_a_row_for_every_case() -> None:
    names = {row[0] for row in rows("receive.py", "--records=20", "--rounds=1")}
    assert {"own record, protobuf", "own record, JSON", "GenAI span, protobuf", "other span, protobuf"} <= names


def test_the_sidecars_figures_have_a_row_for_each_load() -> None:
    small = ("--records=400", "--batch=50", "--connections=2", f"--port={free_port()}")
    measured = {row[0]: row[1] for row in rows("ingest.py", *small)}
    for name in ("sidecar", "ten times the load", "floor"):
        assert int(measured[name].replace(",", "")) > 0


def test_the_ledgers_figures_have_a_row_for_every_question() -> None:
    names = {row[0] for row in rows("ledger.py", "--rows=3000", "--recorded=200")}
    assert {"sqlite", "totals", "by model", "50 dearest calls"} <= names


def test_the_counters_figures_have_a_row_for_each_kind() -> None:
    measured = {row[0]: row[1] for row in rows("counters.py", "--calls=30", "--rounds=2")}
    for name in ("memory, reserve", "memory, settle", "sqlite, reserve", "sqlite, settle"):
        assert float(measured[name]) > 0
    assert ("redis, reserve" in measured) == ("bare EVALSHA" in measured)


def test_admissions_figures_have_a_row_for_each_place_of_the_counters() -> None:
    measured = {row[0]: row[1] for row in rows("admission.py", "--calls=100", "--seconds=0.2")}
    for name in ("memory", "SQLite", "SQLite, leased", "sidecar, unix socket", "sidecar, loopback", "sidecar, leased"):
        assert float(measured[name]) > 0
    (rate,) = [value for name, value in measured.items() if name.startswith("calls a second of one sidecar process")]
    assert int(rate.replace(",", "")) > 0
    assert float(measured["the first call to a dead sidecar, µs"].replace(",", "")) > 40_000
    assert float(measured["the ones after it, µs"]) < 10_000
