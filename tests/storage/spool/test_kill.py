"""`kill -9` of processes that write to a spool, at any point: what they were promised is delivered, once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from capture.processes import SOURCE
from crash_rounds import rounds
from storage.spool.receiver import FINE, VANISH, Receiver, records_of
from storage.spool.shelves import record

PATH = os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))

WRITER = """
import os, random, sys, threading
from pathlib import Path
from storage.spool.shelves import record
from tollkeeper.storage.spool import Spool
from tollkeeper.storage.spool.otlp import OtlpDestination

name, root, url, diary, max_bytes, seed = sys.argv[1:]
out = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
spool = Spool(Path(root), OtlpDestination(url), int(max_bytes))

def say(word, id):
    os.write(out, f"{word} {id}\\n".encode())

def work(worker):
    chance = random.Random(f"{seed}/{worker}")
    number = 0
    while True:
        id = f"{name}-{worker}-{number}"
        number += 1
        say("asks", id)
        spool.begin((id, 1), record(id))
        say("begun", id)
        if chance.random() < 0.02:
            continue
        say("ends", id)
        spool.record(record(id, tags={"note": "x" * chance.randrange(400)}), (id, 1))
        say("ended", id)

threads = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
for thread in threads:
    thread.start()
"""
"""It tells its diary what it is about to do and what it has done: the diary is the truth that survives it."""


def write(name: str, root: Path, url: str, diary: Path, max_bytes: int, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, name, str(root), url, str(diary), str(max_bytes), str(seed)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PATH}, stderr=subprocess.PIPE)


def read(diary: Path) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {"asks": set(), "begun": set(), "ends": set(), "ended": set()}
    for line in diary.read_text().splitlines():
        word, _, id = line.partition(" ")
        said[word].add(id)
    return said


def wait_for(diary: Path, lines: int) -> None:
    deadline = time.monotonic() + 30
    while not diary.exists() or diary.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline, "the writer does not write"
        time.sleep(0.005)


INHERIT = """
import sys
from pathlib import Path
from storage.spool.shelves import deliver, quiet_spool
from tollkeeper.storage.spool.otlp import OtlpDestination
spool = quiet_spool(Path(sys.argv[1]), OtlpDestination(sys.argv[2]), 64 << 20)
deliver(spool)
print(spool.state)
"""


def inherit(root: Path, url: str) -> str:
    """Another process delivers what was left."""
    command = [sys.executable, "-c", INHERIT, str(root), url]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def misbehave(seed: int) -> Any:
    """Fails, loses answers, is busy, and is away for a while at the beginning."""
    chance, asked = random.Random(seed), [0]

    def behave(body: dict[str, Any]) -> Any:
        asked[0] += 1
        if asked[0] <= seed % 3 * 2:
            return (503, {}, b"")
        if len(list(records_of(body))) > 200 and chance.random() < 0.3:
            return (413, {}, b"")
        return FINE if chance.random() < 0.7 else VANISH if chance.random() < 0.5 else (500, {}, b"")

    return behave


@pytest.mark.parametrize("seed", range(rounds(4)))
def test_killed_at_any_point(tmp_path: Path, seed: int) -> None:
    """Two processes, killed one after the other, the second the heir of the first; then a third comes."""
    chance, diary, root = random.Random(seed), tmp_path / "diary", tmp_path / "spool"
    with Receiver(behave=misbehave(seed)) as receiver:
        lines = 0
        for life in range(2):
            process = write(f"p{life}", root, receiver.url, diary, 64 << 20, seed)
            lines += 200 + chance.randrange(4000)
            wait_for(diary, lines)
            process.kill()
            assert process.wait(30) == -signal.SIGKILL
            lines = diary.read_bytes().count(b"\n")
        inherit(root, receiver.url)
        said = read(diary)
        assert said["ended"] <= receiver.calls.keys() <= said["ends"]
        assert receiver.conflicts == []
        orphans = receiver.started.keys() - receiver.calls.keys()
        assert said["begun"] - said["ends"] <= orphans <= said["asks"] - said["ended"]
        assert receiver.started.keys().isdisjoint(said["ended"])
        for id, text in receiver.calls.items():
            assert text.startswith(record(id)[:40]) and json.loads(text)[1] == id
    assert list(root.iterdir()) == []


def test_killed_while_the_sidecar_is_away_and_the_spool_is_full(tmp_path: Path) -> None:
    """What is lost is known to the record, but for the calls that were under way."""
    diary, root = tmp_path / "diary", tmp_path / "spool"
    process = write("p", root, "http://127.0.0.1:9", diary, 256 * 1024, 1)
    wait_for(diary, 8000)
    process.kill()
    process.wait(30)
    said = read(diary)
    with Receiver() as receiver:
        inherit(root, receiver.url)
        lost = sum(receiver.lost.values())
        assert lost > 0
        assert len(said["ended"]) <= len(receiver.calls) + lost <= len(said["ends"])
        assert said["begun"] - said["ends"] <= receiver.started.keys()


def test_stopped_and_killed_heirs_leave_everything_to_the_next(tmp_path: Path) -> None:
    """Heirs that are killed in the middle of inheriting."""
    diary, root = tmp_path / "diary", tmp_path / "spool"
    process = write("p", root, "http://127.0.0.1:9", diary, 64 << 20, 1)
    wait_for(diary, 6000)
    process.kill()
    process.wait(30)
    said, asked = read(diary), [0]

    def slow(body: dict[str, Any]) -> Any:
        asked[0] += 1
        return FINE

    with Receiver(behave=slow) as receiver:
        for _ in range(3):
            heir = subprocess.Popen(
                [sys.executable, "-c", INHERIT, str(root), receiver.url],
                env={**os.environ, "PYTHONPATH": PATH},
                stdout=subprocess.DEVNULL,
            )
            before, deadline = asked[0], time.monotonic() + 30
            while asked[0] == before and heir.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            heir.kill()
            heir.wait(30)
        inherit(root, receiver.url)
        assert said["ended"] <= receiver.calls.keys() <= said["ends"]
        assert said["begun"] - said["ends"] <= receiver.started.keys()
        assert receiver.conflicts == []
    assert list(root.iterdir()) == []
