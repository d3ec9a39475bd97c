"""A spool or a disk that is full: what is lost is counted to the record, or nothing is lost and callers wait."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.processes import SOURCE
from storage.spool.shelves import Memory, counted, deliver, die, quiet_spool, record, segments
from tollkeeper.storage.spool import Batch, Spool, Unavailable

KIB = 1024


def lost_of(memory: Memory) -> int:
    """What the destination was told is lost, over all spools."""
    told: dict[str, int] = {}
    for parcel in memory.parcels("lost"):
        lost = json.loads(parcel.text)
        told[lost["spool"]] = max(told.get(lost["spool"], 0), lost["dropped"])
    return sum(told.values())


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in segments(root))


@pytest.mark.parametrize("seed", range(5))
def test_the_oldest_go_and_are_counted(tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is delivered meanwhile: delivered and dropped are all there were, and the destination is told."""
    memory, chance = Memory(), random.Random(seed)
    spool = quiet_spool(tmp_path, memory, 128 * KIB)
    for number in range(2000):
        spool.record(record(f"c{number}", tags={"note": "x" * chance.randrange(200)}))
        assert on_disk(tmp_path) <= 128 * KIB
        if chance.random() < 0.001:
            spool._shipper.step()
    deliver(spool)
    spool.record(record("last"))
    deliver(spool)
    ids = memory.ids()
    assert len(ids) == len(set(ids))
    assert ids[-1] == "last" and f"c{1999}" in ids, "the newest are kept"
    state = spool.state
    assert state.dropped == 2001 - len(ids) > 0
    assert lost_of(memory) == state.dropped
    assert sum(entry.levelname == "ERROR" for entry in caplog.records) == 1


def test_what_is_on_its_way_is_not_dropped(tmp_path: Path) -> None:
    memory = Memory()
    spool = quiet_spool(tmp_path, memory, 64 * KIB)
    for id in counted(range(20)):
        spool.record(record(id))
    taken = spool._shelf.take()
    assert taken is not None
    for id in counted(range(20, 1000)):
        spool.record(record(id))
    spool._shelf.acknowledge(taken)
    deliver(spool)
    kept = [*(parcel.text.split('"')[1] for parcel in taken.batch.parcels), *memory.ids()]
    assert kept[:20] == counted(range(20))
    assert len(kept) + spool.state.dropped == 1000


def test_losses_are_known_after_a_crash(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory(), 64 * KIB)
    for id in counted(range(2000)):
        spool.record(record(id))
    dropped = spool.state.dropped
    assert dropped > 0
    die(spool)
    memory = Memory()
    heir = quiet_spool(tmp_path, memory, 64 * KIB)
    deliver(heir)
    assert len(memory.ids()) + dropped == 2000
    assert lost_of(memory) == dropped


def test_a_crash_in_the_middle_of_a_drop_counts_nothing_twice(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory(), 64 * KIB)
    kept_back = spool._shelf.drop

    def crash(*victim: object) -> int:
        raise KeyboardInterrupt

    spool._shelf.drop = crash  # type: ignore[assignment,method-assign]
    number = 0
    with pytest.raises(KeyboardInterrupt):
        while True:
            spool.record(record(f"c{number}"))
            number += 1
    spool._shelf.drop = kept_back  # type: ignore[method-assign]
    dropped = spool.state.dropped
    assert dropped > 0
    die(spool)
    memory = Memory()
    deliver(quiet_spool(tmp_path, memory, 64 * KIB))
    assert len(memory.ids()) + dropped == number
    assert lost_of(memory) == dropped


def test_open_marks_outlive_the_segments_that_are_dropped(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory(), 64 * KIB)
    spool.begin(("long", 1), record("long"))
    for id in counted(range(2000)):
        mark = (id, 1)
        spool.begin(mark, record(id))
        spool.record(record(id), mark)
    die(spool)
    memory = Memory()
    deliver(quiet_spool(tmp_path, memory, 64 * KIB))
    assert memory.ids("started") == ["long"]


def test_what_dead_processes_left_goes_first(tmp_path: Path) -> None:
    dead = quiet_spool(tmp_path, Memory(), 64 * KIB)
    for id in counted(range(40)):
        dead.record(record(id))
    die(dead)

    def refuse(batch: Batch) -> None:
        raise Unavailable("away")

    memory = Memory()
    spool = quiet_spool(tmp_path, memory, 64 * KIB)
    spool._shelf.adopt()
    for id in counted(range(100, 600)):
        spool.record(record(id))
        assert on_disk(tmp_path) <= 64 * KIB
    deliver(spool)
    assert len(memory.ids()) + spool.state.dropped == 540
    assert lost_of(memory) == spool.state.dropped
    assert not set(memory.ids()) & set(counted(range(40)))


def test_block_waits_and_loses_nothing(tmp_path: Path) -> None:
    memory, away = Memory(), threading.Event()

    def maybe(batch: Batch) -> None:
        if not away.is_set():
            raise Unavailable("away")

    memory.behave = maybe
    spool = Spool(tmp_path, memory, 64 * KIB, "block")
    written: list[str] = []

    def work() -> None:
        for id in counted(range(1000)):
            spool.record(record(id))
            written.append(id)

    caller = threading.Thread(target=work, daemon=True)
    caller.start()
    caller.join(0.5)
    assert caller.is_alive(), "it waits"
    assert on_disk(tmp_path) <= 64 * KIB
    waiting = len(written)
    away.set()
    caller.join(30)
    assert not caller.is_alive() and waiting < len(written) == 1000
    assert spool.flush(30)
    assert memory.ids() == counted(range(1000))
    assert spool.state.dropped == 0
    spool.retire(10)


def test_block_does_not_keep_a_process_from_ending(tmp_path: Path) -> None:
    def refuse(batch: Batch) -> None:
        raise Unavailable("away")

    spool = Spool(tmp_path, Memory(refuse), 64 * KIB, "block")
    caller = threading.Thread(target=lambda: [spool.record(record(id)) for id in counted(range(1000))], daemon=True)
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    assert not spool.finish(30)
    caller.join(30)
    assert not caller.is_alive()
    spool._shipper.stop()


class Disk:
    """`os.write` to a disk of which somebody else takes the room, now and then in the middle of a frame."""

    def __init__(self, seed: int) -> None:
        self.is_full = False
        self._chance = random.Random(seed)

    def write(self, file: int, data: bytes) -> int:
        if not self.is_full:
            return os.write(file, data)
        if self._chance.random() < 0.5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, data[: self._chance.randrange(len(data))])


@pytest.mark.parametrize("seed", range(3))
def test_a_full_disk_costs_what_is_counted_and_nothing_else(tmp_path: Path, seed: int) -> None:
    disk, chance, memory = Disk(seed), random.Random(seed), Memory()
    spool = quiet_spool(tmp_path, memory, 1 << 20)
    spool._writer.write = disk.write
    for number in range(1500):
        disk.is_full = chance.random() < 0.3 if number % 10 == 0 else disk.is_full
        spool.record(record(f"c{number}"))
    disk.is_full = False
    spool.record(record("last"))
    deliver(spool)
    ids = memory.ids()
    assert len(ids) == len(set(ids)) and ids[-1] == "last"
    assert spool.state.dropped == 1501 - len(ids) > 0
    assert spool.state.damaged == 0
    assert lost_of(memory) == spool.state.dropped


def test_block_waits_for_a_full_disk(tmp_path: Path) -> None:
    disk, memory = Disk(1), Memory()
    disk.is_full = True
    spool = quiet_spool(tmp_path, memory, 1 << 20, when_full="block")
    spool._writer.write = disk.write
    caller = threading.Thread(target=lambda: spool.record(record("c1")), daemon=True)
    caller.start()
    caller.join(0.1)
    assert caller.is_alive()
    disk.is_full = False
    caller.join(30)
    assert not caller.is_alive()
    deliver(spool)
    assert memory.ids() == ["c1"]


def test_a_record_that_is_too_long_is_lost_and_counted(tmp_path: Path) -> None:
    memory = Memory()
    spool = quiet_spool(tmp_path, memory, 64 * KIB)
    spool.record(record("c1", tags={"note": "x" * 40 * KIB}))
    spool.record(record("c2"))
    deliver(spool)
    assert (memory.ids(), spool.state.dropped, lost_of(memory)) == (["c2"], 1, 1)


def test_a_folder_that_cannot_be_written_to_loses_and_counts(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spool = quiet_spool(tmp_path / "spool", Memory(), 64 * KIB)
    spool.begin(("c1", 1), record("c1"))
    spool.record(record("c1"), ("c1", 1))
    assert spool.state.dropped == 1


FILL = """
import json, resource, sys
from pathlib import Path
from storage.spool.shelves import Memory, deliver, quiet_spool, record
root, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
memory = Memory()
spool = quiet_spool(root, memory, 64 << 20)
for number in range(3000):
    spool.record(record(f"c{number}"))
size = sum(each.stat().st_size for each in root.rglob("*.segment"))
print(json.dumps({"dropped": spool.state.dropped, "size": size}))
deliver(spool)
spool.record(record("last"))
deliver(spool)
print(json.dumps({"ids": memory.ids(), "dropped": spool.state.dropped}))
"""


def fill(root: Path, limit: int = 0) -> list[dict]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))}
    command = [sys.executable, "-c", FILL, str(root), str(limit)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_files_that_must_not_grow_are_followed_by_others(tmp_path: Path) -> None:
    _, after = fill(tmp_path, limit=50_000)
    assert (len(after["ids"]), after["dropped"]) == (3001, 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount")
    if done.returncode != 0:
        pytest.skip(f"cannot mount a file system here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    before, after = fill(small_disk / "spool")
    assert 0 < before["size"] <= 256 * KIB
    assert before["dropped"] > 0
    assert after["ids"][-1] == "last"
    assert len(after["ids"]) + after["dropped"] == 3001
