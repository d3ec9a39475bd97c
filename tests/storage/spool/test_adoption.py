"""What dead processes leave: taken over by the next, whole, torn or damaged, and orphans made known once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from storage.spool.shelves import Memory, counted, deliver, die, quiet_spool, record, segments
from tollkeeper.storage.spool.frame import HEADER, MARK, RECORD, pack
from tollkeeper.storage.spool.home import LOCK


def heir(root: Path) -> Memory:
    """What the next process delivers; then the folder is empty."""
    memory = Memory()
    spool = quiet_spool(root, memory)
    deliver(spool)
    assert list(root.iterdir()) == []
    return memory


def test_what_a_dead_process_left_is_delivered_with_its_origin(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory(), origin=lambda: {"service.name": "shop", "process.pid": "17"})
    for id in counted(range(10)):
        spool.record(record(id))
    die(spool)
    memory = heir(tmp_path)
    assert memory.ids() == counted(range(10))
    assert memory.batches[0].origin == {"service.name": "shop", "process.pid": "17"}


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    living, memory = Memory(), Memory()
    spool = quiet_spool(tmp_path, living)
    spool.record(record("c1"))
    other = quiet_spool(tmp_path, memory)
    deliver(other)
    assert memory.ids() == []
    deliver(spool)
    assert living.ids() == ["c1"]


def test_of_several_heirs_one_inherits(tmp_path: Path) -> None:
    for number in range(5):
        spool = quiet_spool(tmp_path, Memory())
        spool.record(record(f"c{number}"))
        die(spool)
    memories = [Memory() for _ in range(3)]
    heirs = [quiet_spool(tmp_path, memory) for memory in memories]
    for each in heirs:
        each._shelf.adopt()
    for each in heirs:
        deliver(each)
    assert sorted(id for memory in memories for id in memory.ids()) == counted(range(5))


def test_an_heir_that_dies_is_inherited_from(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory())
    spool.record(record("c1"))
    die(spool)
    second = quiet_spool(tmp_path, Memory())
    second._shelf.adopt()
    second.record(record("c2"))
    die(second)
    assert sorted(heir(tmp_path).ids()) == ["c1", "c2"]


def test_dead_processes_are_looked_for_again_and_again(tmp_path: Path) -> None:
    now, memory = [0.0], Memory()
    dying = quiet_spool(tmp_path, Memory())
    dying.record(record("c1"))
    spool = quiet_spool(tmp_path, memory)
    spool._shipper._pace = spool._shipper._pace._replace(monotonic=lambda: now[0])
    deliver(spool)
    die(dying)
    deliver(spool)
    assert memory.ids() == []
    now[0] = 60.0
    deliver(spool)
    assert memory.ids() == ["c1"]


@pytest.mark.parametrize("seed", range(20))
def test_orphans_are_the_marks_without_a_record(tmp_path: Path, seed: int) -> None:
    """However the marks and the records lie over the segments, and whatever was delivered before."""
    chance, before = random.Random(seed), Memory()
    spool = quiet_spool(tmp_path, before, 1 << 20)
    opened: dict[str, None] = {}
    ended: list[str] = []
    for number in range(1500):
        id = f"c{number}"
        spool.begin((id, 1), record(id))
        opened[id] = None
        while opened and chance.random() < 0.52:
            other = chance.choice(list(opened))
            del opened[other]
            if chance.random() < 0.1:
                spool.end((other, 1))
                continue
            spool.record(record(other), (other, 1))
            ended.append(other)
        if chance.random() < 0.01:
            spool._shipper.step()
    assert spool._writer._number > 1
    die(spool)
    after = heir(tmp_path)
    assert sorted(set(before.ids()) | set(after.ids())) == sorted(ended)
    assert sorted(after.ids("started")) == sorted(opened)
    assert before.ids("started") == []


def test_a_retry_is_an_attempt_of_its_own(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory())
    for attempt in (1, 2):
        spool.begin(("c1", attempt), record("c1", attempt=attempt))
    spool.record(record("c1", attempt=1), ("c1", 1))
    die(spool)
    memory = heir(tmp_path)
    assert [parcel.text for parcel in memory.parcels("started")] == [record("c1", attempt=2)]


def test_a_torn_end_costs_what_had_not_returned(tmp_path: Path) -> None:
    for cut in range(1, len(record("c9")) + HEADER.size + 1):
        spool = quiet_spool(tmp_path, Memory())
        for id in counted(range(10)):
            spool.record(record(id))
        die(spool)
        (path,) = segments(tmp_path)
        os.truncate(path, path.stat().st_size - cut)
        assert heir(tmp_path).ids() == counted(range(9))


def test_a_damaged_frame_loses_itself_and_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = quiet_spool(tmp_path, Memory())
    for id in counted(range(10)):
        spool.record(record(id))
    die(spool)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"c4"') + 1] ^= 0xFF
    at = data.index(b'"c7"')
    data[at - len("R[1,") - HEADER.size : at] = b""
    path.write_bytes(data)
    memory = Memory()
    heir = quiet_spool(tmp_path, memory)
    deliver(heir)
    assert memory.ids() == [id for id in counted(range(10)) if id not in ("c4", "c7")]
    assert heir.state.damaged == 2
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("seed", range(20))
def test_folders_with_anything_in_them_never_fail(tmp_path: Path, seed: int) -> None:
    """Every record that is whole is delivered, no other is, and the folder goes."""
    chance = random.Random(seed)
    spool = quiet_spool(tmp_path, Memory(), 256 * 1024)
    for id in counted(range(600)):
        spool.begin((id, 1), record(id))
        spool.record(record(id), (id, 1))
    die(spool)
    for path in segments(tmp_path):
        data = bytearray(path.read_bytes())
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(data))
            piece = chance.choice([b"", bytes(50), MARK, chance.randbytes(30), HEADER.pack(MARK, 7, 1 << 20, 1)])
            data[at : at + chance.randrange(60)] = piece
        path.write_bytes(data[: chance.randrange(len(data) // 2, len(data) + 1)])
    folder = segments(tmp_path)[0].parent
    (folder / LOCK).write_bytes(chance.randbytes(chance.randrange(40)))
    (folder / "notes.txt").write_text("not ours")
    (folder / "00000099.segment").touch()
    memory = heir(tmp_path)
    assert set(memory.ids()) <= set(counted(range(600)))
    assert {parcel.text for parcel in memory.parcels("call")} <= {record(id) for id in counted(range(600))}
    assert len(memory.ids()) > 100


def test_frames_that_are_no_records_are_handed_on_and_stop_nobody(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory())
    spool.record(record("c1"))
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(pack(b"?", b"from the future", 1) + pack(b"L", b"nonsense", 2) + pack(b"S", b"nonsense", 3))
        file.write(pack(RECORD, b"nonsense", 4) + pack(RECORD, record("c2").encode(), 5))
    die(spool)
    memory = Memory()
    deliver(quiet_spool(tmp_path, memory))
    assert [parcel.text for parcel in memory.parcels("call")] == [record("c1"), "nonsense", record("c2")]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    assert heir(tmp_path).batches == []
