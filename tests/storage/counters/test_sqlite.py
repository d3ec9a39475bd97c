"""What is special about counters in SQLite: one file, several processes, and what a file may suffer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pytest

from capture.processes import SOURCE
from clocks import START, Clock
from crash_rounds import rounds
from storage.counters.charges import HOUR, dollars, hold, rate, slot
from tollkeeper.storage.counters import CountersUnavailable, Held, Level
from tollkeeper.storage.counters.contract import LATE
from tollkeeper.storage.counters.sqlite import VERSION, SqliteCounters

T = TypeVar("T")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.db"


def test_several_share_a_file(path: Path, clock: Clock) -> None:
    one, other = SqliteCounters(path, clock), SqliteCounters(path, clock)
    mine = hold("a", dollars(60), slot(), rate())
    one.reserve(mine)
    assert other.holds() == (mine,)
    assert other.settle(mine, [50, 1, 1]) == (Level(50, 0), Level(0, 0), Level(1, 0))
    assert one.settle(mine, [50, 1, 1]) == (Level(50, 0), Level(0, 0), Level(1, 0))


def test_it_is_kept(path: Path, clock: Clock) -> None:
    first = SqliteCounters(path, clock)
    mine = hold("a", dollars(60))
    first.reserve(mine)
    first.close()
    assert SqliteCounters(path, clock).holds() == (mine,)
    assert first.read([dollars(0)]) == (Level(0, 60),), "closed, it opens again when it is asked"


def test_another_writer_that_does_not_end_costs_the_timeout(path: Path, clock: Clock) -> None:
    counters = SqliteCounters(path, clock, busy_seconds=0.05)
    counters.reserve(hold("a", dollars(60)))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(CountersUnavailable, match="locked"):
            counters.reserve(hold("b", dollars(1)))
        assert 0.05 <= time.monotonic() - start < 1
        other.execute("ROLLBACK")
    assert counters.reserve(hold("b", dollars(1))) == Held((Level(0, 61),))


def test_threads_that_wait_for_one_another_wait_no_longer_than_that(path: Path, clock: Clock) -> None:
    counters = SqliteCounters(path, clock, busy_seconds=0.1)
    counters.reserve(hold("a", dollars(60)))
    took: list[float] = []

    def ask(number: int) -> None:
        start = time.monotonic()
        with pytest.raises(CountersUnavailable):
            counters.reserve(hold(f"{number}", dollars(1)))
        took.append(time.monotonic() - start)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 6
    assert max(took) < 1


def test_many_processes_and_threads_find_their_turn(path: Path) -> None:
    counters = SqliteCounters(path, busy_seconds=20)

    def work(name: str) -> None:
        for number in range(40):
            mine = hold(f"{name}-{number}", dollars(1, cap=10**6, until=0), at=time.time_ns())
            counters.reserve(mine)
            counters.settle(mine, [2])

    def threads(name: str) -> None:
        started = [threading.Thread(target=work, args=(f"{name}-{number}",)) for number in range(4)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    children = [get_context("fork").Process(target=threads, args=(f"{number}",)) for number in range(3)]
    for child in children:
        child.start()
    threads("parent")
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert counters.read([dollars(0, until=0)]) == (Level(4 * 4 * 40 * 2, 0),)


def test_locked_again_and_again_it_books_each_once_and_nothing_over_the_cap(path: Path) -> None:
    """Others hold the file for longer than anybody waits; who gets no answer asks again."""
    cap, threads, calls = 400, 4, 40
    away: list[str] = []
    stop = threading.Event()

    def insist(question: Callable[[], T]) -> T:
        while True:
            try:
                return question()
            except CountersUnavailable as error:
                away.append(str(error))

    def lock() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
            while not stop.wait(0.005):
                other.execute("BEGIN IMMEDIATE")
                stop.wait(0.02)
                other.execute("ROLLBACK")

    def work(name: int) -> None:
        counters = SqliteCounters(path, busy_seconds=0.005)
        for number in range(calls):
            mine = hold(f"{name}-{number}", dollars(7, cap=cap, until=0), slot(threads), at=time.time_ns())
            if isinstance(insist(lambda mine=mine: counters.reserve(mine)), Held):  # type: ignore[misc]
                insist(lambda mine=mine: counters.settle(mine, [5, 1]))  # type: ignore[misc]
        counters.close()

    SqliteCounters(path, busy_seconds=20).holds()
    locking = threading.Thread(target=lock)
    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for thread in (locking, *workers):
        thread.start()
    for worker in workers:
        worker.join()
    stop.set()
    locking.join()
    counters = SqliteCounters(path, busy_seconds=20)
    assert counters.holds() == ()
    level, slots = counters.read([dollars(0), slot()])
    assert slots.held == level.held == 0
    assert cap - 7 < level.spent <= cap and level.spent % 5 == 0
    assert away


def test_a_child_that_is_forked_in_the_middle_of_it_all(path: Path) -> None:
    """It has neither a lock nor a connection of its parent's."""
    counters = SqliteCounters(path, busy_seconds=20)
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            mine = hold(f"parent-{number}", dollars(1, cap=10**6, until=0), at=time.time_ns())
            counters.reserve(mine)
            counters.settle(mine, [0])

    def child(name: str) -> None:
        mine = hold(name, dollars(1, cap=10**6, until=0), at=time.time_ns())
        assert isinstance(counters.reserve(mine), Held)
        counters.settle(mine, [1])

    busy = threading.Thread(target=work)
    busy.start()
    try:
        for number in range(10):
            process = get_context("fork").Process(target=child, args=(f"child-{number}",))
            process.start()
            process.join(30)
            assert process.exitcode == 0
    finally:
        stop.set()
        busy.join()
    assert counters.read([dollars(0, until=0)]) == (Level(10, 0),)


WRITER = """
import os, sys, time
from pathlib import Path
from storage.counters.charges import dollars, hold, slot
from tollkeeper.storage.counters.sqlite import SqliteCounters

counters = SqliteCounters(Path(sys.argv[1]), busy_seconds=20)
out = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(10**9):
    mine = hold(f"{sys.argv[3]}-{number}", dollars(3, cap=10**9, until=0), slot(10**6), at=time.time_ns(), seconds=1800)
    counters.reserve(mine)
    os.write(out, b"held\\n")
    counters.settle(mine, [2, 1])
    os.write(out, b"settled\\n")
"""


@pytest.mark.parametrize("seed", range(rounds(4)))
def test_a_process_killed_at_any_point_leaves_a_whole_file(tmp_path: Path, path: Path, seed: int) -> None:
    diary = tmp_path / "diary"
    process = subprocess.Popen([sys.executable, "-c", WRITER, path, diary, f"{seed}"], env=ENVIRONMENT)
    while not diary.exists() or diary.stat().st_size < 500 + 777 * seed % 4000:
        time.sleep(0.0005 * (seed % 3))
    process.send_signal(signal.SIGKILL)
    process.wait()
    counters = SqliteCounters(path, busy_seconds=20)
    settled, held = diary.read_bytes().count(b"settled"), diary.read_bytes().count(b"held")
    level, slots = counters.read([dollars(0, until=0), slot()])
    assert settled * 2 <= level.spent <= (settled + 1) * 2
    assert held - 1 <= level.spent // 2 + level.held // 3 <= held + 1
    assert slots.held == len(counters.holds()) == level.held // 3 <= 1
    later = SqliteCounters(path, lambda: time.time_ns() + HOUR, 20)
    assert later.read([slot()]) == (Level(0, 0),)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_of_a_newer_version_is_left_alone(path: Path, clock: Clock) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    for _ in range(2):
        with pytest.raises(CountersUnavailable, match=f"of version {VERSION + 1}, and {VERSION} was expected"):
            SqliteCounters(path, clock).holds()


def test_a_file_of_the_first_version_is_taken_over(path: Path, clock: Clock) -> None:
    counters = SqliteCounters(path, clock)
    counters.reserve(hold("a", dollars(60), rate(2)))
    counters.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE counts DROP COLUMN seen")
        connection.execute("PRAGMA user_version=1")
    assert counters.read([dollars(0), rate(0)]) == (Level(0, 60), Level(2, 0))
    clock.now -= 10**9
    counters.settle(hold("a", dollars(60), rate(2)), [50, 2])
    assert counters.read([dollars(0), rate(0)]) == (Level(50, 0), Level(3, 0)), "until then nobody knows of a step"
    clock.now -= HOUR
    assert counters.read([rate(0)]) == (Level(3, 0),)


def test_what_is_no_database_is_left_alone(path: Path, clock: Clock) -> None:
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(CountersUnavailable, match="not a database"):
        SqliteCounters(path, clock).holds()
    assert path.read_text().startswith("Dear diary")


def test_a_folder_that_cannot_be_made(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CountersUnavailable, match="file"):
        SqliteCounters(tmp_path / "file" / "counters.db", clock).holds()


def test_a_full_disk_holds_nothing(path: Path, clock: Clock) -> None:
    counters = SqliteCounters(path, clock)
    counters.reserve(hold("a", dollars(60)))
    assert counters._connection is not None
    pages = counters._connection.execute("PRAGMA page_count").fetchone()[0]
    counters._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(CountersUnavailable, match="full"):
        counters.reserve(hold("b", *[dollars(1, key=f"{number} {'x' * 200}") for number in range(200)]))
    assert [each.id for each in counters.holds()] == ["a"]
    assert counters.settle(hold("a", dollars(60)), [50]) == (Level(50, 0),)


def test_what_is_over_is_forgotten(path: Path, clock: Clock) -> None:
    counters = SqliteCounters(path, clock)
    for number in range(20):
        mine = hold(f"{number}", dollars(1, key=f"user-{number}"), rate(key=f"r-{number}"), slot(key=f"s-{number}"))
        counters.reserve(mine)
        counters.settle(mine, [1, 1, 1])
    counters.settle(hold("for ever", dollars(1, key="for ever", until=0)), [1])
    clock.now = START + HOUR + LATE
    counters.holds()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT key FROM counts").fetchall() == [("for ever",)]
        assert connection.execute("SELECT count(*) FROM over").fetchone() == (0,)
