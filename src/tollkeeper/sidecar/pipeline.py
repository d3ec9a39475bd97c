"""What happens to everything that comes in, in order. One thread writes; batches that wait share the next write."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from tollkeeper.model import Call
from tollkeeper.sidecar.intake import Batch, Busy, Unavailable
from tollkeeper.storage.ledger import Entry, Ledger, LedgerUnavailable, Recorded, Rejection, Retraction
from tollkeeper.telemetry.emission import Emission

log = logging.getLogger("tollkeeper")

MOST_AT_ONCE = 5_000
"""Records that one transaction takes, where more than one batch is waiting."""
RECORDS_A_SECOND = 10_000
"""What a ledger writes at the least; it only shapes how long senders are asked to stay away."""


class Pricing(Protocol):
    """Fills in what calls cost."""

    def price(self, calls: Sequence[Call]) -> Sequence[Call]:
        """The calls with `cost` and `price_status`, at the prices in force when they were made."""


class Foreign(Protocol):
    """Reads what others have emitted. Used on the writing thread only."""

    def settle(self, emissions: Sequence[Emission], calls: Sequence[Call] = ()) -> tuple[list[Entry], list[Retraction]]:
        """The calls among them that are to be recorded, and the recorded ones that turn out to be the same calls.

        `calls` are our own of the same batch.
        """

    def ids_of(self, emissions: Sequence[Emission]) -> set[str]:
        """The ids of the calls among them."""

    def review(self, retract: Callable[[Sequence[Retraction]], object]) -> bool:
        """Have retracted what turns out, by now, to be the same as another call. Whether there may be more to do."""


@dataclass(slots=True)
class Work:
    """What the stages pass on."""

    batch: Batch
    entries: list[Entry] = field(default_factory=list)
    retractions: list[Retraction] = field(default_factory=list)
    recorded: Recorded = Recorded(0, 0, 0)


@dataclass(slots=True)
class PipelineCounts:
    """Totals since the start."""

    new: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    started: int = 0
    writes: int = 0
    failed_writes: int = 0
    write_seconds: float = 0.0


class _Ticket(NamedTuple):
    batch: Batch
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Recorded]


_Errand = Literal["review", "end"]
"""What else the writing thread does, between two writes."""


class Pipeline:
    """The intake of one process. Batches that wait are written together, in one transaction."""

    STAGES = ("read", "price", "record", "note_started")
    """In this order. When one fails, nothing of the batch is kept, or all of it is, and it can be sent again."""

    def __init__(
        self,
        ledger: Ledger,
        pricing: Pricing,
        foreign: Foreign,
        clock: Callable[[], float],
        most_waiting: int,
    ) -> None:
        self.counts = PipelineCounts()
        self.waiting = 0
        self._ledger = ledger
        self._pricing = pricing
        self._foreign = foreign
        self._clock = clock
        self._most_waiting = most_waiting
        self._stages = [getattr(self, stage) for stage in self.STAGES]
        self._queue: queue.SimpleQueue[_Ticket | _Errand] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write_for_ever, name="tollkeeper-ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end."""
        self._queue.put("end")
        if self._thread.is_alive():
            self._thread.join()

    def check_room(self) -> None:
        # Not whether a batch still fits: one that has been decoded is better kept than thrown away and sent again.
        if self.waiting >= self._most_waiting:
            raise Busy(1 + self.waiting // RECORDS_A_SECOND)

    async def take(self, batch: Batch) -> Recorded:
        """Record a batch. What is returned is of the whole write; `rejected` is of this batch only."""
        self.check_room()
        with self._lock:
            self.waiting += len(batch)
        loop = asyncio.get_running_loop()
        ticket = _Ticket(batch, loop, loop.create_future())
        self._queue.put(ticket)
        return await ticket.answer

    def read(self, work: Work) -> None:
        """Our own records, as they are, and what others have emitted, as calls."""
        work.entries = list(work.batch.calls)
        found, work.retractions = self._foreign.settle(work.batch.emissions, [entry.call for entry in work.entries])
        work.entries += found

    def price(self, work: Work) -> None:
        if work.entries:
            priced = self._pricing.price([entry.call for entry in work.entries])
            work.entries = [
                entry if entry.call is call else entry._replace(call=call)
                for entry, call in zip(work.entries, priced, strict=True)
            ]

    def record(self, work: Work) -> None:
        if work.entries or work.retractions:
            work.recorded = self._ledger.record(work.entries, work.retractions)

    def note_started(self, work: Work) -> None:
        if work.batch.started:
            self._ledger.mark_started(work.batch.started)

    def review(self) -> None:
        """Look again, soon, at traces of others whose spans came apart."""
        self._queue.put("review")

    def _write_for_ever(self) -> None:
        while (first := self._queue.get()) != "end":
            if first == "review":
                self._review()
                continue
            tickets, errand = self._gather(first)
            self._write(tickets)
            with self._lock:
                self.waiting -= sum(len(ticket.batch) for ticket in tickets)
            if errand is not None:
                self._queue.put(errand)

    def _gather(self, first: _Ticket) -> tuple[list[_Ticket], _Errand | None]:
        """What is waiting behind the first ticket, up to what one transaction takes, or to an errand."""
        tickets, size = [first], len(first.batch)
        while size < MOST_AT_ONCE:
            try:
                another = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(another, _Ticket):
                return tickets, another
            tickets.append(another)
            size += len(another.batch)
        return tickets, None

    def _review(self) -> None:
        try:
            if self._foreign.review(self._ledger.retract):
                # The rest, after what has come in meanwhile.
                self._queue.put("review")
        except Exception:  # noqa: BLE001  the guard of this thread: it is looked at again at the next turn
            log.exception("traces of others cannot be looked at again just now")

    def _write(self, tickets: list[_Ticket]) -> None:
        """Write all of them at once. What fails in a way that nobody has foreseen is written alone."""
        batch = tickets[0].batch if len(tickets) == 1 else _together(tickets)
        began = self._clock()
        try:
            recorded = self._run(batch)
        except LedgerUnavailable as away:
            self.counts.failed_writes += 1
            log.warning("the ledger cannot be written to; senders are asked to come back: %s", away)
            for ticket in tickets:
                _answer(ticket, Unavailable(str(away)))
        except Exception as fault:  # noqa: BLE001  the guard of this thread: one odd record must not stop the others
            self.counts.failed_writes += 1
            if len(tickets) > 1:
                for ticket in tickets:
                    self._write([ticket])
            else:
                log.error("a batch of %d records cannot be written as a whole", len(batch), exc_info=fault)
                _answer(tickets[0], self._one_by_one(batch))
        else:
            self.counts.writes += 1
            self.counts.write_seconds += self._clock() - began
            for ticket in tickets:
                _answer(ticket, self._for_one(recorded, ticket.batch) if recorded.rejected else recorded)

    def _for_one(self, recorded: Recorded, batch: Batch) -> Recorded:
        """With the rejections of a write that are of this batch: no sender is told of what another one sent."""
        ids = {entry.call.id for entry in batch.calls} | self._foreign.ids_of(batch.emissions)
        return recorded._replace(rejected=tuple(each for each in recorded.rejected if each.id in ids))

    def _run(self, batch: Batch) -> Recorded:
        work = Work(batch)
        for stage in self._stages:
            stage(work)
        self.counts.new += work.recorded.new
        self.counts.duplicates += work.recorded.duplicates
        self.counts.conflicts += work.recorded.conflicts
        self.counts.rejected += len(work.recorded.rejected)
        self.counts.started += len(batch.started)
        return work.recorded

    def _one_by_one(self, batch: Batch) -> Recorded | Unavailable:
        """Keep all of a batch but the records that fail by themselves; those are told to the sender."""
        total = Recorded(0, 0, 0)
        singles = [
            *(Batch(calls=[entry]) for entry in batch.calls),
            *(Batch(started=[started]) for started in batch.started),
            *(Batch(emissions=[emission]) for emission in batch.emissions),
        ]
        for single in singles:
            try:
                one = self._run(single)
            except LedgerUnavailable as away:
                return Unavailable(str(away))
            except Exception as fault:  # noqa: BLE001  the guard, for one record
                log.error("a record cannot be kept: %s", single, exc_info=fault)
                self.counts.rejected += 1
                one = Recorded(0, 0, 0, (_rejection(single, fault),))
            total = Recorded(
                total.new + one.new,
                total.duplicates + one.duplicates,
                total.conflicts + one.conflicts,
                total.rejected + one.rejected,
            )
        return total


def _together(tickets: list[_Ticket]) -> Batch:
    return Batch(
        [entry for ticket in tickets for entry in ticket.batch.calls],
        [started for ticket in tickets for started in ticket.batch.started],
        [emission for ticket in tickets for emission in ticket.batch.emissions],
    )


def _rejection(single: Batch, fault: Exception) -> Rejection:
    if single.emissions:
        emission = single.emissions[0]
        return Rejection(f"{emission.trace_id}/{emission.span_id}", 1, str(fault))
    call = single.calls[0].call if single.calls else single.started[0].call
    return Rejection(call.id, call.attempt, str(fault))


def _answer(ticket: _Ticket, what: Recorded | Exception) -> None:
    """Resolve a ticket on its own event loop. A sender that has gone away hears nothing."""

    def resolve() -> None:
        if ticket.answer.done():
            return
        if isinstance(what, Exception):
            ticket.answer.set_exception(what)
        else:
            ticket.answer.set_result(what)

    try:
        ticket.loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        log.debug("a sender's event loop is closed already")
