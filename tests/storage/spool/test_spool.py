"""From `record` to the destination: in order, once, deleted when acknowledged; flushed, retired, finished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from storage.spool.shelves import Memory, counted, deliver, die, id_of, quiet_spool, record, segments
from tollkeeper.storage.spool import Batch, Spool, Unavailable


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def start(tmp_path: Path, memory: Memory) -> Iterator[Callable[..., Spool]]:
    """A spool with a thread."""
    spools: list[Spool] = []

    def make(max_bytes: int = 1 << 20, **more: object) -> Spool:
        spools.append(Spool(tmp_path / "spool", memory, max_bytes, **more))  # type: ignore[arg-type]
        spools[-1].start()
        return spools[-1]

    yield make
    for spool in spools:
        spool._shipper.stop()
        thread = spool._thread
        if thread is not None:
            thread.join(10)
            assert not thread.is_alive()
        with suppress(OSError):
            die(spool)


def gone(spool: Spool) -> None:
    """Wait for the spool's thread to end."""
    thread = spool._thread
    if thread is not None:
        thread.join(10)
        assert not thread.is_alive()


def test_a_record_is_in_its_file_when_record_returns(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory)
    spool.record(record("c1"))
    (path,) = segments(tmp_path)
    assert record("c1").encode() in path.read_bytes()
    assert spool.state.records == 1
    assert spool.state.bytes == path.stat().st_size


def test_what_is_recorded_is_delivered_in_order(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory, origin=lambda: {"service.name": "shop"})
    for id in counted(range(1200)):
        spool.record(record(id))
    deliver(spool)
    assert memory.ids() == counted(range(1200))
    assert [len(batch.parcels) for batch in memory.batches] == [500, 500, 200]
    assert {tuple(batch.origin.items()) for batch in memory.batches} == {(("service.name", "shop"),)}
    state = spool.state
    assert (state.records, state.shipped, state.dropped, state.rejected, state.failure) == (0, 1200, 0, 0, None)
    assert state.acknowledged_at is not None


def test_batches_are_bounded_in_bytes(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory, 64 << 20)
    tags = {"note": "x" * 100_000}
    for id in counted(range(30)):
        spool.record(record(id, tags=tags))
    deliver(spool)
    assert memory.ids() == counted(range(30))
    assert max(sum(len(parcel.text) for parcel in batch.parcels) for batch in memory.batches) <= 1 << 20
    assert len(memory.batches) == 3


def test_one_record_that_is_longer_than_a_batch_goes_alone(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory, 64 << 20)
    for id, size in (("c1", 10), ("c2", 3 << 20), ("c3", 10)):
        spool.record(record(id, tags={"note": "x" * size}))
    deliver(spool)
    assert memory.ids() == ["c1", "c2", "c3"]


def test_segments_go_when_all_in_them_is_acknowledged(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory)
    for id in counted(range(3000)):
        spool.record(record(id))
    assert len(segments(tmp_path)) > 4
    deliver(spool)
    assert len(segments(tmp_path)) == 1, "the one that is being written"
    spool._hand_over([])
    assert segments(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_worn_segment_that_is_delivered_gives_way(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory, 256 << 20)
    for round in range(3):
        for number in range(1500):
            spool.record(record(f"c{round}-{number}"))
        deliver(spool)
    assert len(segments(tmp_path)) == 1
    assert spool.state.bytes < 1 << 20
    assert len(memory.ids()) == len(set(memory.ids())) == 4500


def test_marks_are_delivered_for_nobody_who_lives(tmp_path: Path, memory: Memory) -> None:
    spool = quiet_spool(tmp_path, memory)
    spool.begin(("c1", 1), record("c1"))
    deliver(spool)
    spool.record(record("c1"), ("c1", 1))
    spool.begin(("c2", 1), record("c2"))
    deliver(spool)
    assert memory.ids() == ["c1"]
    assert memory.ids("started") == []


def test_the_thread_delivers_and_flush_waits_for_it(start: Callable[..., Spool], memory: Memory) -> None:
    spool = start()
    for id in counted(range(50)):
        spool.record(record(id))
    assert spool.flush(10)
    assert memory.ids() == counted(range(50))
    assert spool.flush(0), "nothing is left"


def test_flush_says_when_it_could_not(start: Callable[..., Spool], memory: Memory) -> None:
    def refuse(batch: Batch) -> None:
        raise Unavailable("away")

    memory.behave = refuse
    spool = start()
    spool.record(record("c1"))
    assert not spool.flush(0.01)
    assert not spool.flush(60, once=True), "one attempt is enough"
    assert spool.state.failure == "away"
    memory.behave = lambda batch: None
    assert spool.flush(10)
    assert memory.ids() == ["c1"]
    assert spool.state.failure is None


def test_many_threads_rotate_and_nothing_is_lost_or_doubled(start: Callable[..., Spool], memory: Memory) -> None:
    spool = start(1 << 22)

    def work(worker: int) -> None:
        for number in range(1500):
            mark = (f"c{worker}-{number}", 1)
            spool.begin(mark, record(mark[0]))
            spool.record(record(mark[0], tags={"note": "x" * (number % 300)}), mark)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert spool.flush(30)
    state = spool.state
    assert state.shipped + state.dropped == 6000
    if not state.dropped:
        assert sorted(memory.ids()) == sorted(f"c{worker}-{number}" for worker in range(4) for number in range(1500))
    for worker in range(4):
        mine = [id for id in memory.ids() if id.startswith(f"c{worker}-")]
        assert mine == sorted(mine, key=lambda id: int(id.split("-")[1])), "in order"
    assert memory.ids("started") == []


def test_retire_delivers_everything_and_ends_the_thread(
    tmp_path: Path, start: Callable[..., Spool], memory: Memory
) -> None:
    spool = start()
    spool.record(record("c1"))
    assert spool.retire(10)
    gone(spool)
    assert memory.ids() == ["c1"]
    assert list((tmp_path / "spool").iterdir()) == []
    assert memory.closed == 1


def test_a_call_that_ends_after_retirement_is_delivered(
    tmp_path: Path, start: Callable[..., Spool], memory: Memory
) -> None:
    spool = start()
    spool.begin(("c1", 1), record("c1"))
    spool.retire(10)
    assert spool._thread is not None
    spool.record(record("c1"), ("c1", 1))
    gone(spool)
    spool.record(record("c2"))
    gone(spool)
    assert memory.ids() == ["c1", "c2"]
    assert list((tmp_path / "spool").iterdir()) == []


def test_finish_tells_of_calls_that_will_never_end(tmp_path: Path, start: Callable[..., Spool], memory: Memory) -> None:
    spool = start()
    spool.begin(("c1", 1), record("c1"))
    spool.begin(("c2", 1), record("c2"))
    spool.record(record("c2"), ("c2", 1))
    assert spool.finish(10)
    assert (memory.ids(), memory.ids("started")) == (["c2"], ["c1"])
    assert list((tmp_path / "spool").iterdir()) == []
    assert spool.finish(10), "again, and nothing to do"


def test_what_finish_cannot_deliver_another_spool_does(tmp_path: Path, memory: Memory) -> None:
    def refuse(batch: Batch) -> None:
        raise Unavailable("away")

    away = Memory(refuse)
    first = Spool(tmp_path, away, 1 << 20)
    first.start()
    first.begin(("c1", 1), record("c1"))
    first.record(record("c2"))
    assert not first.finish(60), "it does not wait for a destination that is away"
    first._shipper.stop()
    gone(first)
    first._shelf.release()
    second = quiet_spool(tmp_path, memory)
    deliver(second)
    assert (memory.ids(), memory.ids("started")) == (["c2"], ["c1"])
    assert list(tmp_path.iterdir()) == []


def test_an_exception_between_write_and_account_loses_nothing(tmp_path: Path, memory: Memory) -> None:
    """A signal handler may raise anywhere."""
    spool = quiet_spool(tmp_path, memory)
    write = spool._writer.write

    def interrupted(file: int, data: bytes) -> int:
        write(file, data)
        raise KeyboardInterrupt

    spool.record(record("c1"))
    spool._writer.write = interrupted
    with pytest.raises(KeyboardInterrupt):
        spool.record(record("c2"))
    spool._writer.write = write
    spool.record(record("c3"))
    deliver(spool)
    spool._hand_over([])
    deliver(spool)
    assert memory.ids() == ["c1", "c2", "c3"]
    assert list(tmp_path.iterdir()) == []


def test_a_delivery_that_fails_oddly_is_made_again(start: Callable[..., Spool], memory: Memory) -> None:
    odd: list[Exception] = [ZeroDivisionError("odd"), LookupError("odder")]

    def fail(batch: Batch) -> None:
        if odd:
            raise odd.pop()

    memory.behave = fail
    spool = start()
    spool.record(record("c1"))
    assert spool.flush(10)
    assert memory.ids() == ["c1"]


def test_state_counts_what_waits(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory())
    for id in counted(range(10)):
        spool.record(record(id))
    assert (spool.state.records, spool.state.shipped) == (10, 0)
    taken = spool._shelf.take()
    assert taken is not None and [id_of(parcel) for parcel in taken.batch.parcels] == counted(range(10))
    assert spool.state.records == 10, "on its way is not there"
    spool._shelf.acknowledge(taken)
    assert (spool.state.records, spool.state.shipped) == (0, 10)


def test_the_lock_is_not_held_while_something_is_delivered(start: Callable[..., Spool], memory: Memory) -> None:
    entered, let_go = threading.Event(), threading.Event()

    def wait(batch: Batch) -> None:
        entered.set()
        assert let_go.wait(10)

    memory.behave = wait
    spool = start()
    spool.record(record("c1"))
    assert entered.wait(10)
    for id in counted(range(2, 500)):
        spool.record(record(id))
    let_go.set()
    assert spool.flush(10)
    assert len(memory.ids()) == 499
