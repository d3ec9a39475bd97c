"""Threads that fork at the same time, while others record: everybody goes on, and each child has what is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capture.processes import SOURCE
from storage.spool.receiver import Receiver

FORKING = """
import os, sys, threading
from pathlib import Path
from storage.spool.shelves import record
from tollkeeper.storage.spool import Spool
from tollkeeper.storage.spool.otlp import OtlpDestination

spools = [Spool(Path(sys.argv[1], name), OtlpDestination(sys.argv[2]), 64 << 20) for name in ("a", "b")]
done, failed = threading.Event(), []

def write(id):
    for spool in spools:
        spool.begin((id, 1), record(id))
        spool.record(record(id), (id, 1))

def keep_recording(name):
    number = 0
    while not done.is_set():
        write(f"{name}-{number}")
        number += 1

def keep_forking(name):
    for number in range(25):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                write(f"{name}-{number}")
                status = 0 if all(spool.flush(20) for spool in spools) else 2
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            failed.append(f"{name}-{number}")

recording = [threading.Thread(target=keep_recording, args=(f"r{each}",)) for each in range(2)]
forking = [threading.Thread(target=keep_forking, args=(f"f{each}",)) for each in range(2)]
for thread in (*recording, *forking):
    thread.start()
for thread in forking:
    thread.join()
done.set()
for thread in recording:
    thread.join()
assert not failed, failed
assert all(spool.flush(20) for spool in spools)
"""
"""Two threads record and two fork; a child that hangs in a lock is never waited for to its end."""

SHIPPING = """
import sys
from tollkeeper.storage.spool.contract import Batch
from tollkeeper.storage.spool.otlp import OtlpDestination

destination, before = OtlpDestination(sys.argv[1]), set(sys.modules)
destination.ship(Batch({}, ()))
print(*set(sys.modules) - before)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_nothing_is_imported_to_deliver() -> None:
    """A child that was forked during an import finds half a module, and nobody who would finish it."""
    with Receiver() as receiver:
        done = run(SHIPPING, receiver.url)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_threads_fork_at_the_same_time(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = run(FORKING, str(tmp_path), receiver.url)
        assert done.returncode == 0, done.stderr[-2000:]
        children = {id for id in receiver.calls if id.startswith("f")}
        assert len(children) == 50
        assert receiver.conflicts == []
