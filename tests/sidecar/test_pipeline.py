"""The pipeline: written together, in order, once; what fails alone is told, what waits too long is turned away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tollkeeper import Call, Usage
from tollkeeper.sidecar.foreign import Foreign
from tollkeeper.sidecar.intake import Batch, Busy, Unavailable
from tollkeeper.sidecar.pipeline import Pipeline
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, Entry, LedgerUnavailable, Recorded, Rejection, Started
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer
from tollkeeper.telemetry import record
from tollkeeper.telemetry.dialects import read
from tollkeeper.telemetry.emission import Emission

numbers = count(1)
AT = 1_790_000_000_000


def call(**fields: Any) -> Call:
    """A call of 1000 tokens in and 100 out, with an id of its own."""
    number = next(numbers)
    asked: dict[str, Any] = {
        "id": f"{AT:012x}"[:8] + "-" + f"{AT:012x}"[8:] + f"-7000-8000-{number:012x}",
        "provider": "openai",
        "operation": "chat",
        "started_at": AT * 1_000_000,
        "request_model": "gpt-4o-mini",
        "usage": Usage(input_tokens=1000, output_tokens=100),
        "usage_source": "provider",
    }
    return Call(**{**asked, **fields})


def arrivals(*calls: Call) -> Batch:
    return Batch([Entry(each, record.digest(record.encode(each))) for each in calls])


class Gate:
    """A ledger whose writes can be held up, counted and made to fail."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self.open = threading.Event()
        self.open.set()
        self.writes: list[int] = []
        self.fail: list[Exception] = []
        self.poison = ""
        self.refuse: set[str] = set()

    def record(self, entries: Sequence[Entry], retractions: Any = ()) -> Recorded:
        self.open.wait(30)
        self.writes.append(len(entries))
        if self.fail:
            raise self.fail.pop()
        if self.poison and any(entry.call.request_model == self.poison for entry in entries):
            raise RuntimeError("nobody has foreseen this")
        recorded = self._ledger.record([entry for entry in entries if entry.call.id not in self.refuse], retractions)
        odd = tuple(
            Rejection(id, 1, "it is odd") for id in self.refuse if any(entry.call.id == id for entry in entries)
        )
        return recorded._replace(rejected=recorded.rejected + odd)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class Bench:
    def __init__(self, database: Database) -> None:
        self.ledger = Gate(SqlLedger(database))
        foreign = Foreign(self.ledger, time.monotonic)
        self.pipeline = Pipeline(self.ledger, Pricer(PriceBook(database)), foreign, time.monotonic, most_waiting=100)

    def rows(self) -> list[Any]:
        return list(self.ledger.calls(CallQuery(limit=1000))[0])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.migrate()
    made = Bench(database)
    made.pipeline.start()
    yield made
    made.pipeline.stop()
    database.close()


async def test_priced_and_recorded(bench: Bench) -> None:
    batch = arrivals(call(), call(request_model="nobody-knows-this-one"))
    assert await bench.pipeline.take(batch) == Recorded(2, 0, 0)
    assert await bench.pipeline.take(Batch(batch.calls[:1])) == Recorded(0, 1, 0)
    priced, unpriced = sorted(bench.rows(), key=lambda row: row["price_status"])
    assert (priced["nano_usd"], priced["price_status"]) == (1000 * 150 + 100 * 600, "priced")
    assert (unpriced["nano_usd"], unpriced["price_status"]) == (None, "unpriced")


async def test_what_waits_is_written_together(bench: Bench) -> None:
    bench.ledger.open.clear()
    first = asyncio.create_task(bench.pipeline.take(arrivals(call())))
    while not bench.pipeline.waiting:
        await asyncio.sleep(0)
    others = [asyncio.create_task(bench.pipeline.take(arrivals(call(), call()))) for _ in range(10)]
    while bench.pipeline.waiting < 21:
        await asyncio.sleep(0)
    bench.ledger.open.set()
    await asyncio.gather(first, *others)
    assert sum(bench.ledger.writes) == 21
    assert len(bench.ledger.writes) <= 2
    assert len(bench.rows()) == 21


async def test_too_much_is_turned_away_and_nothing_of_it_kept(bench: Bench) -> None:
    bench.ledger.open.clear()
    held = asyncio.create_task(bench.pipeline.take(arrivals(*(call() for _ in range(100)))))
    while not bench.pipeline.waiting:
        await asyncio.sleep(0)
    with pytest.raises(Busy):
        bench.pipeline.check_room()
    with pytest.raises(Busy) as busy:
        await bench.pipeline.take(arrivals(call()))
    assert busy.value.retry_after >= 1
    bench.ledger.open.set()
    await held
    assert len(bench.rows()) == 100
    # The sender has its answer a moment before the room is free again.
    async with asyncio.timeout(10):
        while bench.pipeline.waiting:
            await asyncio.sleep(0)


async def test_one_batch_larger_than_all_that_may_wait_is_taken(bench: Bench) -> None:
    assert (await bench.pipeline.take(arrivals(*(call() for _ in range(150))))).new == 150


async def test_a_ledger_that_is_away(bench: Bench) -> None:
    """The sender is told to come back, and then its batch is taken."""
    bench.ledger.fail.append(LedgerUnavailable("gone for a moment"))
    batch = arrivals(call())
    with pytest.raises(Unavailable, match="gone for a moment"):
        await bench.pipeline.take(batch)
    assert bench.rows() == []
    assert (await bench.pipeline.take(batch)).new == 1


async def test_one_odd_record_costs_the_others_nothing(bench: Bench) -> None:
    """A record that fails in a way that nobody has foreseen is rejected by name; its neighbours are kept."""
    bench.ledger.poison = "poison"
    odd = call(request_model="poison")
    bench.ledger.open.clear()
    first = asyncio.create_task(bench.pipeline.take(arrivals(call())))
    while not bench.pipeline.waiting:
        await asyncio.sleep(0)
    mixed = asyncio.create_task(bench.pipeline.take(arrivals(call(), odd, call())))
    clean = asyncio.create_task(bench.pipeline.take(arrivals(call())))
    while bench.pipeline.waiting < 5:
        await asyncio.sleep(0)
    bench.ledger.open.set()
    recorded = await mixed
    assert [(each.id, each.reason) for each in recorded.rejected] == [(odd.id, "nobody has foreseen this")]
    assert recorded.new == 2
    assert (await clean).rejected == () == (await first).rejected
    assert len(bench.rows()) == 4


def of_others(response_id: str, **more: Any) -> Batch:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.id": response_id}
    return Batch(emissions=[Emission("span", "chat", "some.scope", attributes, {}, None, "a" * 32, **more)])


async def test_no_sender_is_told_of_what_another_one_sent(bench: Bench) -> None:
    """Of those that share a write. The calls of emitted spans have no id before they are read."""
    bench.ledger.open.clear()
    first = asyncio.create_task(bench.pipeline.take(arrivals(call())))
    while not bench.pipeline.waiting:
        await asyncio.sleep(0)
    bad = call(request_model="m" * 100, attempt=2**40)
    ours = asyncio.create_task(bench.pipeline.take(arrivals(bad)))
    theirs = [asyncio.create_task(bench.pipeline.take(of_others(f"r-{at}", span_id=f"{at:016x}"))) for at in (1, 2)]
    while bench.pipeline.waiting < 4:
        await asyncio.sleep(0)
    refused = read(of_others("r-1", span_id=f"{1:016x}").emissions[0])
    assert refused is not None
    bench.ledger.refuse.add(refused.call.id)
    bench.ledger.open.set()
    assert [each.id for each in (await ours).rejected] == [bad.id]
    assert [[each.id for each in (await task).rejected] for task in theirs] == [[refused.call.id], []]
    assert (await first).rejected == ()
    assert len(bench.ledger.writes) <= 2, "they have shared one"


async def test_what_is_due_is_compared_again_until_nothing_is(bench: Bench) -> None:
    pieces: list[Any] = ["one", "two", RuntimeError("the ledger is away"), "three"]
    left = list(pieces)

    def review(_: object) -> bool:
        piece = left.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return bool(left)

    bench.pipeline._foreign.review = review  # type: ignore[assignment, method-assign]
    bench.pipeline.review()
    while len(left) > 1:
        await asyncio.sleep(0.001)
    bench.pipeline.review()
    while left:
        await asyncio.sleep(0.001)


async def test_marks_of_calls_that_were_never_reported(bench: Bench) -> None:
    lost, late = call(), call()
    await bench.pipeline.take(Batch(started=[Started(lost), Started(late)]))
    await bench.pipeline.take(arrivals(late))
    assert [orphan.call.id for orphan in bench.ledger.orphans()] == [lost.id]


async def test_a_sender_that_has_gone_hears_nothing_and_loses_nothing(bench: Bench) -> None:
    bench.ledger.open.clear()
    gone = asyncio.create_task(bench.pipeline.take(arrivals(call())))
    while not bench.pipeline.waiting:
        await asyncio.sleep(0)
    gone.cancel()
    bench.ledger.open.set()
    await bench.pipeline.take(arrivals(call()))
    assert len(bench.rows()) == 2


async def test_stopping_writes_what_waits(bench: Bench) -> None:
    bench.ledger.open.clear()
    waiting = [asyncio.create_task(bench.pipeline.take(arrivals(call()))) for _ in range(5)]
    while bench.pipeline.waiting < 5:
        await asyncio.sleep(0)
    bench.ledger.open.set()
    await asyncio.to_thread(bench.pipeline.stop)
    await asyncio.gather(*waiting)
    assert len(bench.rows()) == 5
