"""Nothing is spent over a cap: at any concurrency, in threads and processes, some of which are killed on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from capture.processes import SOURCE
from crash_rounds import rounds
from storage.counters import hammer
from storage.counters.charges import HOUR
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.opening import open_counters

PATH = os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))
PROCESSES, THREADS, KILLED = 4, 3, 2


def audit(counters: Counters, diaries: Sequence[Path]) -> None:
    """An hour later, no hold is left, and what is spent is what the diaries say."""
    keys = [hammer.everybody(), hammer.debt(), *map(hammer.tenant, range(hammer.TENANTS)), hammer.slots()]
    assert counters.holds() == ()
    levels = counters.read(keys)
    for charge, level in zip(keys, levels, strict=True):
        assert level.held == 0
        if charge.kind == "slots":
            assert level.spent == 0
            continue
        least, most = hammer.spent(diaries, charge.key)
        assert least <= level.spent <= most, charge
        assert not charge.hard or level.spent <= charge.cap
    everybody, debt = levels[:2]
    assert everybody.spent >= 0.98 * hammer.CAP
    assert debt.spent > everybody.spent, "what was used beyond what was held is booked"


@pytest.mark.parametrize("seed", range(rounds(2)))
def test_threads_of_one_process(tmp_path: Path, seed: int) -> None:
    later = 0
    counters = MemoryCounters(lambda: time.time_ns() + later)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        hammer.hammer(counters, tmp_path / "diary", f"{seed}", 8)
    finally:
        sys.setswitchinterval(interval)
    later = HOUR
    audit(counters, [tmp_path / "diary"])


@pytest.mark.parametrize("seed", range(rounds(2)))
def test_processes_of_which_some_are_killed_at_any_point(shared_url: str, tmp_path: Path, seed: int) -> None:
    diaries = [tmp_path / f"diary-{number}" for number in range(PROCESSES)]
    processes = [
        subprocess.Popen(
            [sys.executable, hammer.__file__, shared_url, diary, f"{seed}-{number}", f"{THREADS}"],
            env={**os.environ, "PYTHONPATH": PATH},
        )
        for number, diary in enumerate(diaries)
    ]
    chance = random.Random(seed)
    for process, diary in list(zip(processes, diaries, strict=True))[:KILLED]:
        lines = chance.randint(1, 600)
        while process.poll() is None and (not diary.exists() or diary.read_bytes().count(b"\n") < lines):
            time.sleep(0.001)
        process.kill()
    assert [process.wait(120) for process in processes[KILLED:]] == [0] * (PROCESSES - KILLED)
    for process in processes[:KILLED]:
        process.wait()
    counters = open_counters_an_hour_later(shared_url)
    audit(counters, diaries)
    counters.close()


def open_counters_an_hour_later(url: str) -> Counters:
    """Time is moved, rather than waited for: the server's, too."""
    counters = open_counters(url, clock=lambda: time.time_ns() + HOUR)
    if url.startswith("redis"):
        counters._server_clock = lambda: time.time_ns() + HOUR  # type: ignore[attr-defined]
    return counters
