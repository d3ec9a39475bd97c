"""An exported file says what the ledger says, to the nano-dollar, with every correction; and is read by others."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from storage.ledger.drawn import call, entry
from tollkeeper.cli.main import main
from tollkeeper.model import Usage
from tollkeeper.sidecar.export.columns import COLUMNS
from tollkeeper.sidecar.export.parquet import SCHEMA, write_parquet
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Adjustment, Kept, Retraction, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

PAGE = (Path(__file__).parents[3] / "docs" / "bi.md").read_text()
BIGGEST = 9_007_199_254_740_993
"""In nano-dollars: no float can hold it."""
SINCE = ("--since", "2025-11-01", "--until", "2025-11-30")


@pytest.fixture
def ledger(database_url: str) -> Iterator[SqlLedger]:
    database = Database(database_url)
    database.migrate()
    made = SqlLedger(database)
    calls = [call(number) for number in range(50)]
    calls[7] = call(7, cost=None, price_status="unpriced")
    calls[8] = call(
        8, tags={"tenant": "=1+1", "team": "ümläut 🎈", "user": "a\nb"}, usage=Usage(3), finish_reasons=("stop",)
    )
    made.record([entry(one) for one in calls])
    made.adjust("r1", [Adjustment(calls[5].id, 1, BIGGEST), Adjustment(calls[6].id, 1, None)], "me", "a test")
    made.retract([Retraction(calls[9].id, 1, "twice")])
    yield made
    database.close()


def empty_ledger(folder: Path) -> str:
    database = Database(f"sqlite:///{folder}/l.db")
    database.migrate()
    database.close()
    return f"sqlite:///{folder}/l.db"


def export(ledger_url: str, format: str, path: Path, *more: str) -> Path:
    assert main(["export", format, "--ledger", ledger_url, "--out", str(path), *SINCE, *more]) == 0
    return path


def test_parquet_has_every_call_and_amounts_to_the_nano_dollar(
    ledger: SqlLedger, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = export(database_url, "parquet", tmp_path / "calls.parquet")
    assert capsys.readouterr().out == f"49 calls are in {path}\n"
    table = pq.read_table(path)
    assert table.schema == SCHEMA
    assert str(table.schema.field("usd").type) == "decimal128(38, 9)"
    rows = {row["call_id"]: row for row in table.to_pylist()}
    (sums,) = ledger.usage(UsageQuery(0, 2**63 - 1))
    costs = [row["nano_usd"] for row in rows.values() if row["nano_usd"] is not None]
    assert (len(rows), sum(costs), len(costs)) == (sums.totals.calls, sums.totals.nano_usd, sums.totals.costed)
    assert sum(row["is_unpriced"] for row in rows.values()) == sums.totals.unpriced == 2
    assert max(row["usd"] or 0 for row in rows.values()) == BIGGEST * Decimal("1e-9")
    for kept in ledger.select_calls(0, 2**63 - 1):
        row = rows[kept.call.id]
        assert row["usd"] == (None if kept.nano_usd is None else kept.nano_usd * Decimal("1e-9"))
        assert row["started_at"] == datetime.fromtimestamp(kept.call.started_at // 10**9, UTC)
        assert (row["input_tokens"], row["tenant"]) == (kept.call.usage.input_tokens, kept.call.tags["tenant"])


def test_all_formats_say_the_same(ledger: SqlLedger, database_url: str, tmp_path: Path) -> None:
    tables = pq.read_table(export(database_url, "parquet", tmp_path / "a")).to_pylist()
    lines = export(database_url, "jsonl", tmp_path / "b").read_text(encoding="utf-8").splitlines()
    with export(database_url, "csv", tmp_path / "c").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(tables) == len(lines) == len(cells) == 49
    for row, line, cell in zip(tables, lines, cells, strict=True):
        told: dict[str, Any] = json.loads(line, parse_float=Decimal)
        assert list(told) == list(cell) == list(row)
        for name, value in row.items():
            if isinstance(value, datetime):
                assert datetime.fromisoformat(told[name]) == datetime.fromisoformat(cell[name]) == value
            else:
                assert told[name] == value, name
                assert (cell[name] == "") == (value is None or value == ""), name
        if row["usd"] is not None:
            assert Decimal(cell["usd"]) == row["usd"]
    assert cells[8]["tenant"] == "'=1+1", "a spreadsheet would run it"


def test_filters_choose(ledger: SqlLedger, database_url: str, tmp_path: Path) -> None:
    path = export(database_url, "parquet", tmp_path / "a", "--tenant", "t1", "--tenant", "=1+1")
    assert set(pq.read_table(path)["tenant"].to_pylist()) == {"t1", "=1+1"}


def test_an_empty_export_has_its_columns(tmp_path: Path) -> None:
    path, url = tmp_path / "none.parquet", empty_ledger(tmp_path)
    assert main(["export", "parquet", "--ledger", url, "--out", str(path)]) == 0
    assert pq.read_table(path).schema == SCHEMA


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("typo.db", "no/where.db", ""):
        assert main(["export", "csv", "--ledger", f"sqlite:///{tmp_path}/{place}", "--out", "-"]) == 1
        assert "there is no ledger at sqlite:///" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_who_reads_may_have_seen_enough(ledger: SqlLedger, database_url: str) -> None:
    command = [sys.executable, "-m", "tollkeeper", "export", "csv", "--ledger", database_url, *SINCE, "--out", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_what_is_wrong_is_told_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = empty_ledger(tmp_path)
    assert main(["export", "csv", "--ledger", url, "--since", "yesterday"]) == 1
    assert "expected a day such as 2026-01-31" in capsys.readouterr().err
    assert main(["export", "parquet", "--ledger", url, "--out", "-"]) == 1
    assert main(["export", "jsonl", "--ledger", url, "--out", str(tmp_path / "no" / "where")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "tollkeeper.sidecar.export.parquet")
    assert main(["export", "parquet", "--ledger", empty_ledger(tmp_path), "--out", str(tmp_path / "x")]) == 1
    assert "pip install 'tollkeeper[parquet]'" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_calls(tmp_path: Path) -> None:
    """10,000 calls, of which 1,000 are in memory at once."""
    one = Kept(call(1), "tollkeeper", 1, "v1", False)

    def most(number: int) -> int:
        tracemalloc.start()
        write_parquet(repeat(one, number), tmp_path / "many", rows_in_a_group=1000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert most(10_000) < 1.3 * most(3_000) + 1_000_000


def test_every_column_is_documented() -> None:
    section = PAGE.partition("## Files\n")[2].partition("\n## ")[0]
    for column in COLUMNS:
        assert f"`{column.name}`" in section, column.name
