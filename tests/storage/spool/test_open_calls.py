"""Marks of open calls fill whole segments: nobody waits for ever, the disk stays bounded, no record pays for a mark."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.spool.shelves import Memory, counted, deliver, die, quiet_spool, record, segments
from tollkeeper.storage.spool import Spool
from tollkeeper.storage.spool.open_calls import OpenCalls

KIB = 1024
CALLS = counted(range(600))
"""Their marks take more than a whole spool of 64 KiB."""


def in_time(work: Callable[[], Any]) -> None:
    """Do it on a thread of its own: if it never ends, the test does."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001  it is raised where the test sees it
            failures.append(failure)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it never ends"
    for failure in failures:
        raise failure


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in segments(root))


def bulky(id: str) -> str:
    return record(id, tags={"note": "x" * 150})


def test_marks_that_fill_a_segment_let_calls_go_on(tmp_path: Path) -> None:
    memory = Memory()
    spool = quiet_spool(tmp_path, memory, 64 * KIB)

    def work() -> None:
        for id in CALLS:
            spool.begin((id, 1), bulky(id))
            assert on_disk(tmp_path) <= 64 * KIB
        for id in CALLS:
            spool.record(bulky(id), (id, 1))
            assert on_disk(tmp_path) <= 64 * KIB

    in_time(work)
    deliver(spool)
    assert len(memory.ids()) + spool.state.dropped == len(CALLS)
    assert memory.ids()[-1] == CALLS[-1]


def test_where_callers_wait_marks_do_not_keep_them(tmp_path: Path) -> None:
    memory = Memory()
    spool = Spool(tmp_path, memory, 64 * KIB, "block")
    spool.start()

    def work() -> None:
        for id in CALLS:
            spool.begin((id, 1), bulky(id))
        for id in CALLS:
            spool.record(bulky(id), (id, 1))

    in_time(work)
    assert spool.flush(30)
    assert (memory.ids(), spool.state.dropped) == (CALLS, 0)
    spool.retire(10)


def test_many_open_calls_cost_no_records(tmp_path: Path) -> None:
    """Segments grow with what they begin with, so that most of the room is for what is new."""
    memory, room = Memory(), 4096 * KIB
    spool = quiet_spool(tmp_path, memory, room)
    calls = counted(range(3000))
    for id in calls:
        spool.begin((id, 1), bulky(id))
    marked = list(spool._writer.marks.texts)
    assert len(marked) == len(calls)
    for id in calls[:1000]:
        spool.record(bulky(id), (id, 1))
    assert len(segments(tmp_path)) <= 4 and on_disk(tmp_path) <= room
    assert spool.state.dropped == 0
    die(spool)
    deliver(quiet_spool(tmp_path, memory, room))
    assert memory.ids() == calls[:1000]
    assert memory.ids("started") == calls[1000:]


def test_open_calls_take_their_share_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    marks = OpenCalls(100)
    added = [marks.add((id, 1), b"x" * 23) for id in counted(range(5))]
    assert added == [True, True, False, False, False]
    assert (len(marks), marks.bytes, len(caplog.records)) == (2, 80, 1)
    assert marks.remove(("c0", 1)) and not marks.remove(("c0", 1)) and not marks.remove(("c4", 1))
    assert marks.add(("c4", 1), b"y") and marks.add(("c4", 1), b"z")
    assert list(marks.texts) == [b"x" * 23, b"z"]
    marks.clear()
    assert (len(marks), marks.bytes) == (0, 0)


@pytest.mark.parametrize("end", [False, True])
def test_a_mark_drops_no_record(tmp_path: Path, end: bool) -> None:
    """A disk of which somebody else has taken the room: marks do without, and are written when there is some."""
    memory = Memory()
    spool = quiet_spool(tmp_path, memory, 64 * KIB)
    if end:
        spool.begin(("open", 1), record("open"))
    ids = counted(range(60))
    for id in ids:
        spool.record(record(id))

    def refuse(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = segments(tmp_path)
    assert len(before) > 1
    spool._writer.write = refuse
    for _ in range(3):
        if end:
            spool.end(("open", 1))
        else:
            spool.begin(("new", 1), record("new"))
    assert (segments(tmp_path), spool.state.dropped, spool.state.records) == (before, 0, len(ids))
    spool._writer.write = os.write
    spool.record(record("last"))
    die(spool)
    deliver(quiet_spool(tmp_path, memory, 64 * KIB))
    assert memory.ids() == [*ids, "last"]
    assert memory.ids("started") == (["open"] if end else ["new"])
