"""All that this process holds of the spool: its own folder, those it has taken over, and how far each is delivered."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tollkeeper.storage.spool.contract import Batch, Parcel, ParcelKind
from tollkeeper.storage.spool.frame import CLOSED, LOST, RECORD, STARTED, Frame, scan
from tollkeeper.storage.spool.home import Home, Segment

log = logging.getLogger("tollkeeper.spool")

MOST_RECORDS = 500
MOST_BYTES = 1024 * 1024
"""Of one batch; a record that is longer goes alone."""

SENT: Mapping[bytes, ParcelKind] = {RECORD: "call", LOST: "lost"}
"""The frames that are delivered as they are. Marks are not: only those of calls that have never ended."""

_KEY = re.compile(rb'\[\d+,("(?:[^"\\]|\\.)*",\d+)[,\]]')


class Taken(NamedTuple):
    """A batch that is on its way, and what to note when it has arrived."""

    home: Home
    batch: Batch
    reads: list[tuple[Segment, int, int]]
    """Segments, how far each was read, and the records up to there."""
    orphans: int


class Limits(NamedTuple):
    """How much may be read: so many frames and bytes, and at least so many frames however long they are."""

    frames: int
    bytes: int
    at_least: int


class Shelf:
    """Whatever is done with segments is done under `lock`, but for the reading of files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start_over()

    def start_over(self) -> None:
        """Hold nothing: this is a new process."""
        self.lock = threading.RLock()
        self.freed = threading.Condition(self.lock)
        """Somebody waits for room."""
        self.own: Home | None = None
        self.current: Segment | None = None
        """The segment that is being written."""
        self.adopted: list[Home] = []
        self.damaged = self.shipped = 0

    def release(self) -> None:
        """Let go of every folder, as it is."""
        with self.lock:
            for home in self.homes():
                home.release()
            self.own, self.current, self.adopted = None, None, []

    def homes(self) -> list[Home]:
        """Everything that is held, oldest first."""
        return [*self.adopted, *([self.own] if self.own is not None else [])]

    def waiting(self) -> tuple[int, int]:
        """The records that are not acknowledged, and the bytes of the segments that are there."""
        with self.lock:
            homes = self.homes()
            return (
                sum(segment.waiting for home in homes for segment in home.segments)
                + sum(len(home.orphans) for home in homes),
                sum(segment.size for home in homes for segment in home.segments),
            )

    def used(self) -> int:
        """The bytes that all processes take in this spool."""
        mine = {home.path for home in self.homes()}
        total = sum(segment.size for home in self.homes() for segment in home.segments)
        for folder in _folders(self.root):
            if folder not in mine:
                with suppress(OSError):
                    total += sum(entry.stat().st_size for entry in os.scandir(folder))
        return total

    def adopt(self) -> None:
        """Take over the folders of processes that are dead."""
        with self.lock:
            mine = {home.path for home in self.homes()}
        for folder in _folders(self.root):
            if folder not in mine:
                # Under the lock, which a fork waits for: no child must inherit a lock of a folder unawares.
                with self.lock:
                    home = Home.adopt(folder)
                    if home is not None:
                        self.adopted.append(home)
                if home is not None:
                    look_over(home)
                    with self.lock:
                        self._finish(home)

    def take(self) -> Taken | None:
        """The next batch, from one folder, oldest first. `None` where all has been read."""
        with self.lock:
            homes = self.homes()
        for home in homes:
            taken = self._take(home)
            if taken is not None:
                return taken
        return None

    def _take(self, home: Home) -> Taken | None:
        parcels: list[Parcel] = []
        reads: list[tuple[Segment, int, int]] = []
        left = MOST_BYTES
        while len(parcels) < MOST_RECORDS and left > 0:
            with self.lock:
                segment = next((each for each in home.segments if each.taken < each.size), None)
                if segment is None:
                    break
                segment.reading, size, is_open = True, segment.size, segment is self.current
            before = segment.taken
            limits = Limits(MOST_RECORDS - len(parcels), left, 0 if reads else 1)
            parcels += self._read(segment, size, is_open, limits)
            if segment.taken == before:
                break
            left -= segment.taken - before
            reads = [each for each in reads if each[0] is not segment]
            reads.append((segment, segment.taken, segment.taken_records))
        orphans = self._orphans(home, MOST_RECORDS - len(parcels))
        if not reads and not orphans:
            return None
        return Taken(home, Batch(home.origin, [*parcels, *orphans]), reads, len(orphans))

    def _read(self, segment: Segment, size: int, is_open: bool, limits: Limits) -> list[Parcel]:
        try:
            frames, consumed = read(segment, size, is_open, limits)
            for frame in frames:
                self._check_ordinal(segment, frame)
            with self.lock:
                segment.taken += consumed
                segment.taken_records += sum(frame.kind == RECORD for frame in frames)
        finally:
            segment.reading = False
        return [Parcel(SENT[frame.kind], text_of(frame.text)) for frame in frames if frame.kind in SENT]

    def _orphans(self, home: Home, most: int) -> list[Parcel]:
        """Those of a folder that was taken over, once all its records have been read."""
        with self.lock:
            if any(segment.taken < segment.size for segment in home.segments):
                return []
            return [Parcel("started", text_of(text)) for text in home.orphans[: max(most, 0)]]

    def _check_ordinal(self, segment: Segment, frame: Frame) -> None:
        if frame.ordinal > segment.expected:
            lost = frame.ordinal - segment.expected
            self.damaged += lost
            log.error("%s is damaged: %d frames before its number %d are lost", segment.path, lost, frame.ordinal)
        segment.expected = frame.ordinal + 1

    def acknowledge(self, taken: Taken) -> None:
        """A batch has arrived: delete the segments that nobody needs any more."""
        with self.lock:
            home = taken.home
            for segment, position, records in taken.reads:
                self.shipped += records - segment.acked_records
                segment.acked, segment.acked_records = position, records
            del home.orphans[: taken.orphans]
            self._sweep(home)
            self.freed.notify_all()

    def hand_over(self, orphans: list[bytes]) -> None:
        """Have our own folder treated like one that was taken over: it goes when all of it is delivered."""
        with self.lock:
            home, self.own, self.current = self.own, None, None
            if home is not None:
                home.orphans = orphans
                self.adopted.append(home)
                self._sweep(home)

    def sweep(self) -> None:
        """Delete what is delivered in whole of our own folder."""
        if self.own is not None:
            self._sweep(self.own)

    def _sweep(self, home: Home) -> None:
        """Delete what is delivered in whole."""
        for segment in [each for each in home.segments if each is not self.current]:
            if segment.acked >= segment.size:
                self.delete(home, segment)
        self._finish(home)

    def _finish(self, home: Home) -> None:
        if home is not self.own and not home.segments and not home.orphans:
            if home in self.adopted:
                self.adopted.remove(home)
            home.remove()

    def delete(self, home: Home, segment: Segment) -> None:
        """Delete a segment. What was in it is no longer counted."""
        with suppress(OSError):
            os.unlink(segment.path)
        home.segments.remove(segment)

    def oldest_victim(self) -> tuple[Home, Segment] | None:
        """The segment to drop first: the oldest that is not on its way just now, nor being written."""
        for home in self.homes():
            for segment in home.segments:
                if not segment.in_flight and segment is not self.current:
                    return home, segment
        return None

    def drop(self, home: Home, segment: Segment) -> int:
        """Delete a segment, delivered or not. Returns how many records were lost by that."""
        lost = segment.waiting
        self.delete(home, segment)
        self._finish(home)
        return lost


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def key(text: bytes) -> bytes:
    """The id and the attempt of a record, of whatever kind."""
    found = _KEY.match(text)
    return found[1] if found else text


def read(segment: Segment, size: int, is_open: bool, limits: Limits) -> tuple[list[Frame], int]:
    """The next frames of a segment of which `size` bytes are written, and the bytes that are done with.

    The end of an open segment may still become a frame; that of any other is torn if it is none.
    """
    wanted = limits.bytes + 4096
    left = size - segment.taken
    try:
        file = os.open(segment.path, os.O_RDONLY)
    except FileNotFoundError:
        return [], left
    try:
        while True:
            data = os.pread(file, min(wanted, left), segment.taken)
            is_short = len(data) < min(wanted, left)
            is_all = is_short or len(data) == left
            frames, consumed = scan(data, is_all and not is_open, *limits)
            if is_short and consumed == len(data):
                consumed = left
            if consumed or is_all or not limits.at_least:
                return frames, consumed
            wanted *= 4
    finally:
        os.close(file)


def look_over(home: Home) -> None:
    """Count the records of a folder that was taken over, and find the calls that were begun and never ended."""
    marks: dict[bytes, bytes] = {}
    dropped: set[int] = set()
    for segment in home.segments:
        probe = Segment(segment.path, segment.number, segment.size)
        while probe.taken < probe.size:
            frames, consumed = read(probe, probe.size, False, Limits(MOST_RECORDS, MOST_BYTES, 1))
            probe.taken += consumed
            for frame in frames:
                if frame.kind == STARTED:
                    marks[key(frame.text)] = frame.text
                elif frame.kind in (RECORD, CLOSED):
                    marks.pop(key(frame.text), None)
                    segment.records += frame.kind == RECORD
                elif frame.kind == LOST:
                    dropped |= _numbers(frame.text)
    home.orphans = list(marks.values())
    for segment in [each for each in home.segments if each.number in dropped or not each.size]:
        with suppress(OSError):
            os.unlink(segment.path)
        home.segments.remove(segment)


def _numbers(text: bytes) -> set[int]:
    """The segments that were about to be dropped when this was written: their records are counted as lost already."""
    try:
        found = json.loads(text)["segments"]
    except (ValueError, LookupError, TypeError):
        return set()
    return {number for number in found if isinstance(number, int)} if isinstance(found, list) else set()


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
