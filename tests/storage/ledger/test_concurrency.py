"""Several writers at once, some of them killed: each call is kept once, and the rollups are the sums."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.ledger.drawn import totals
from storage.ledger.writing import batches, write
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Adjustment, Retraction, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

ALWAYS = 2**63 - 1
TESTS = Path(__file__).resolve().parents[2]


def writer(url: str, first: int, last: int, size: int, seed: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
    command = [sys.executable, str(TESTS / "storage/ledger/writing.py"), url, *map(str, (first, last, size, seed))]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def assert_exactly_once(ledger: SqlLedger, first: int, last: int) -> None:
    numbers = range(first, last)
    expected = [batch[0].call for number in numbers for batch in batches(number, number + 1, 1, 0)[:1]]
    (row,) = ledger.usage(UsageQuery(0, ALWAYS))
    assert row.totals == totals(expected)
    assert {kept.call.id for kept in ledger.select_calls(0, ALWAYS)} == {one.id for one in expected}
    assert ledger.check_rollups(0, ALWAYS) == []


def test_threads_with_the_same_calls(ledger: SqlLedger) -> None:
    with ThreadPoolExecutor(6) as pool:
        for size in (1, 7, 40):
            work = [batch for seed in range(3) for batch in batches(0, 120, size, seed)]
            list(pool.map(lambda batch: write(ledger, batch), work[:150]))
    for batch in batches(0, 120, 50, 9):
        write(ledger, batch)
    assert_exactly_once(ledger, 0, 120)


def test_threads_that_record_retract_and_reprice(ledger: SqlLedger) -> None:
    """Whatever order they come in, the rollups are the sums of the rows at the end."""
    work = batches(0, 200, 20, 1)
    ids = [one.call.id for batch in work for one in batch]

    def change(number: int) -> None:
        ledger.retract([Retraction(id, 1, "x") for id in ids[number::7]])
        ledger.adjust(f"r{number}", [Adjustment(id, 1, number, "v2") for id in ids[number::3]], "a", "b")
        ledger.rebuild_rollups(0, ALWAYS)

    with ThreadPoolExecutor(5) as pool:
        written = [pool.submit(write, ledger, batch) for batch in work]
        done = [pool.submit(change, number) for number in range(4)]
        for future in (*written, *done):
            future.result()
    assert ledger.check_rollups(0, ALWAYS) == []
    found = list(ledger.select_calls(0, ALWAYS))
    assert sum(kept.nano_usd or 0 for kept in found) == ledger.usage(UsageQuery(0, ALWAYS))[0].totals.nano_usd


def test_processes_with_overlapping_calls(database_url: str, ledger: SqlLedger) -> None:
    running = [writer(database_url, first, first + 300, size, first) for first, size in ((0, 3), (100, 50), (200, 17))]
    for process in running:
        printed, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "again" not in printed, "no deadlock, and nobody waits too long"
    assert_exactly_once(ledger, 0, 500)


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_writing(database_url: str, ledger: SqlLedger, seed: int) -> None:
    """What was acknowledged is there, each batch is there whole or not at all, and nothing is counted twice."""
    dice = random.Random(seed)
    acknowledged: set[str] = set()
    for round in range(2):
        process = writer(database_url, 0, 400, 7, seed * 10 + round)
        assert process.stdout is not None
        for _ in range(dice.randrange(1, 25)):
            acknowledged.update(process.stdout.readline().split()[1:])
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        words = (line.split() for line in rest.splitlines())
        acknowledged.update(id for word, *ids in words if word == "acknowledged" for id in ids if len(id) == 36)
        kept = {one.call.id for one in ledger.select_calls(0, ALWAYS)}
        assert acknowledged <= kept
        assert ledger.check_rollups(0, ALWAYS) == []
    for batch in batches(0, 400, 100, seed):
        write(ledger, batch)
    assert_exactly_once(ledger, 0, 400)


def test_a_forked_child_has_connections_of_its_own(database: Database, ledger: SqlLedger) -> None:
    ledger.record(batches(0, 20, 100, 0)[0])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ledger.record(batches(20, 40, 100, 0)[0])
            ledger.close()
            status = 0
        finally:
            os._exit(status)
    ledger.record(batches(40, 60, 100, 0)[0])
    assert os.waitpid(child, 0)[1] == 0
    assert_exactly_once(ledger, 0, 60)
