"""What the tests of the spool build on: records, a destination in memory, and a clock that does not tick by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tollkeeper import Call
from tollkeeper.storage.spool import Batch, Parcel, Spool
from tollkeeper.storage.spool.shipper import PACE, Pace
from tollkeeper.telemetry.record import encode


def record(id: str, **fields: Any) -> str:
    """The text of a call's record."""
    return encode(Call(id, "openai", "chat", 1, **fields))


def id_of(parcel: Parcel) -> str:
    return parcel.text.split('"')[1]


class Memory:
    """A destination that keeps what it is sent. `behave` may raise instead."""

    name = "memory"

    def __init__(self, behave: Callable[[Batch], object] = lambda batch: None) -> None:
        self.behave = behave
        self.batches: list[Batch] = []
        self.attempts = 0
        self.closed = 0

    def ship(self, batch: Batch) -> None:
        self.attempts += 1
        self.behave(batch)
        self.batches.append(batch)

    def parcels(self, kind: str) -> list[Parcel]:
        return [parcel for batch in self.batches for parcel in batch.parcels if parcel.kind == kind]

    def ids(self, kind: str = "call") -> list[str]:
        return [id_of(parcel) for parcel in self.parcels(kind)]

    def forget(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


class Naps:
    """The waits of a shipper that does not really wait."""

    def __init__(self, most: int = 1000) -> None:
        self.seconds: list[float] = []
        self._most = most

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        assert len(self.seconds) < self._most, "it waits for ever"
        return event.is_set()

    @property
    def pace(self) -> Pace:
        return Pace(wait=self.wait, monotonic=lambda: 0.0, now=lambda: 1_000, jitter=lambda: 1.0)


def deliver(spool: Spool) -> None:
    """All that is there, on this thread, until there is nothing left."""
    while spool._shipper.step():
        pass


def quiet_spool(root: Path, destination: Any, max_bytes: int = 1 << 20, pace: Pace | None = None, **more: Any) -> Spool:
    """A spool without a thread: `deliver` does its work."""
    spool = Spool(root, destination, max_bytes, pace=pace or PACE, **more)
    spool.start = lambda: None  # type: ignore[method-assign]
    return spool


def die(spool: Spool) -> None:
    """What `kill -9` leaves: files, and locks that are free."""
    spool._writer.forget()
    spool._shelf.release()


def segments(root: Path) -> list[Path]:
    return sorted(root.rglob("*.segment"))


def counted(numbers: Iterable[int]) -> list[str]:
    return [f"c{number}" for number in numbers]
