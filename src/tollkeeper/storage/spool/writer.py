"""Appends to the segments of this process: each record is in its file before the call returns to its caller."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

from tollkeeper.storage.spool.frame import CLOSED, LONGEST, LOST, RECORD, STARTED, pack
from tollkeeper.storage.spool.home import SUFFIX, Home, Segment
from tollkeeper.storage.spool.open_calls import Mark, OpenCalls
from tollkeeper.storage.spool.shelf import Shelf

log = logging.getLogger("tollkeeper.spool")

WhenFull = Literal["drop_oldest", "block"]

SEGMENTS = 8
"""Into so many segments the room on the disk is divided."""
LARGEST_SEGMENT = 4 * 1024 * 1024
WORN = 256 * 1024
"""A segment of this size that is wholly delivered gives way to a new one: the disk is not kept for nothing."""
BLOCK_SECONDS = 0.2
"""How often one who waits looks whether others have made room."""
SHARE_OF_MARKS = 4
"""The marks of open calls take this part of the room at most. Each segment begins with them."""

FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

Piece = tuple[bytes, bytes]
"""What becomes a frame: its kind and its text."""


class Writer:
    """One for each process. Safe to use from several threads, and in forked children after `start_over`."""

    def __init__(
        self, shelf: Shelf, max_bytes: int, when_full: WhenFull, origin: Callable[[], Mapping[str, str]]
    ) -> None:
        self._shelf = shelf
        self._max_bytes = max_bytes
        self._segment_bytes = min(max_bytes // SEGMENTS, LARGEST_SEGMENT)
        self._when_full = when_full
        self._longest = min(max_bytes // 2, LONGEST)
        self._origin = origin
        self.patient = True
        """Whether it may wait for room. When the process ends it may not."""
        self.write: Callable[[int, bytes], int] = os.write
        self.start_over()

    def start_over(self) -> None:
        """Own no segment and know of no call: this is a new process."""
        self._file = -1
        self._number = 0
        self._preamble = 0
        """The bytes with which the segment begins, before anything new is in it."""
        self.marks = OpenCalls(self._max_bytes // SHARE_OF_MARKS)
        self.dropped = 0
        self._losses_due = self._marks_due = False
        """Whether the losses, and the open calls, are to be written again."""

    def forget(self) -> None:
        """In a forked child: close what the parent writes to."""
        if self._file >= 0:
            os.close(self._file)
        self.start_over()

    def start(self, mark: Mark, text: str) -> None:
        """A call is about to be sent."""
        data = text.encode()
        with self._shelf.lock:
            if len(data) >= self._longest or not self._ready() or not self.marks.add(mark, data):
                return
            if not self._tell(STARTED, data):
                self._marks_due = True

    def record(self, text: str, mark: Mark | None) -> None:
        """A call has ended, of which there may be a mark."""
        data = text.encode()
        with self._shelf.lock:
            if len(data) >= self._longest:
                self._lose(1, f"a record has {len(data)} bytes")
            elif not self._ready() or not self._append(data):
                self._lose(1, "the disk takes no more")
            if mark is not None:
                self.marks.remove(mark)

    def end(self, mark: Mark) -> None:
        """A call has ended without a record of the id that its mark has."""
        with self._shelf.lock:
            if self.marks.remove(mark) and self._ready():
                self._tell(CLOSED, json.dumps([1, *mark], separators=(",", ":")).encode())

    def finish(self) -> None:
        """Write no more to the segment that is open: all of it can be delivered and deleted now."""
        with self._shelf.lock:
            self._seal()

    def _ready(self) -> bool:
        """Have a segment to write to. False: there can be none."""
        try:
            while self._shelf.current is None or self._is_worn(self._shelf.current):
                if self._when_full == "block" and self.patient and not self._has_room():
                    self._shelf.freed.wait(BLOCK_SECONDS)
                else:
                    self._rotate()
        except OSError as error:
            if self._shelf.current is None:
                log.error("the spool cannot be written to: %s", error)
                return False
        return True

    def _is_worn(self, segment: Segment) -> bool:
        """Whether enough is in it. What it began with does not count: the next one begins with that as well."""
        new, is_delivered = segment.size - self._preamble, segment.acked >= segment.size
        enough = min(self._segment_bytes, WORN) if is_delivered else self._segment_bytes
        # At least as much as it began with: of all that is written, no more than half is written again.
        return new >= max(enough, self._preamble)

    def _tell(self, kind: bytes, text: bytes) -> bool:
        """Append what is no record, if there is room: no record is given for it, and no caller waits."""
        self._write_what_is_due()
        return self._try((kind, text))

    def _append(self, text: bytes) -> bool:
        """Append a record, at the cost of older ones where the disk is full."""
        self._write_what_is_due()
        return self._try((RECORD, text)) or self._make_do(text)

    def _try(self, *pieces: Piece) -> bool:
        """Append frames, or leave the file as it was."""
        segment = self._shelf.current
        assert segment is not None
        data = b"".join(pack(kind, text, segment.frames + at) for at, (kind, text) in enumerate(pieces))
        self._error = errno.ENOSPC
        try:
            written = self.write(self._file, data)
        except OSError as error:
            written, self._error = 0, error.errno or errno.EIO
        if written == len(data):
            segment.size += written
            segment.frames += len(pieces)
            segment.records += sum(kind == RECORD for kind, _ in pieces)
            return True
        try:
            os.ftruncate(self._file, segment.size)
        except OSError:
            # What is torn stays where it is, and readers pass over it.
            segment.size = max(segment.size, os.fstat(self._file).st_size)
        return False

    def _make_do(self, text: bytes) -> bool:
        """The disk has refused a record: begin another file, wait, or drop the oldest. False: it is not to be had."""
        segment = self._shelf.current
        if segment is not None and segment.size:
            # A file may be too long, or be delivered already and only take room.
            with suppress(OSError):
                self._reopen()
                self._shelf.sweep()
                if self._try((RECORD, text)):
                    return True
        while self._when_full == "block" and self.patient:
            self._shelf.freed.wait(BLOCK_SECONDS)
            if self._try((RECORD, text)):
                return True
        victim = self._shelf.oldest_victim() if self._when_full == "drop_oldest" and self._error in FULL else None
        if victim is None:
            return False
        # One only: if that does not help, then somebody else takes the room, and nothing is gained by losing more.
        self._lose(self._shelf.drop(*victim), "the disk is full")
        return self._try((RECORD, text))

    def _rotate(self) -> None:
        """Begin a new segment, and drop the oldest while there are too many."""
        self._reopen()
        self._shelf.sweep()
        while self._when_full == "drop_oldest" and self._is_over(self._shelf.used()):
            victim = self._shelf.oldest_victim()
            if victim is None:
                break
            home, segment = victim
            lost = segment.waiting
            self._lose(lost, "the spool is full")
            if lost:
                # Told before it is done: whoever finds both does not deliver what is counted as lost.
                self._note(segment.number if home is self._shelf.own else None)
            self._shelf.drop(home, segment)

    def _has_room(self) -> bool:
        """Whether there is room for another segment, should one begin now."""
        worn = self._shelf.current
        goes = worn.size if worn is not None and worn.acked >= worn.size else 0
        return not self._is_over(self._shelf.used() - goes + self.marks.bytes)

    def _is_over(self, used: int) -> bool:
        return used + max(self._segment_bytes, self.marks.bytes) > self._max_bytes

    def _reopen(self) -> None:
        """Open a new segment. It begins with what must outlive the older ones: the losses, and the open calls."""
        if self._shelf.own is None:
            self._shelf.own = Home.create(self._shelf.root, self._origin())
        own = self._shelf.own
        path = own.path / f"{self._number + 1:08}{SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        self._seal()
        self._number += 1
        self._file = file
        self._shelf.current = segment = Segment(path, self._number)
        own.segments.append(segment)
        self._losses_due, self._marks_due = self.dropped > 0, len(self.marks) > 0
        self._write_what_is_due()
        self._preamble = segment.size

    def _write_what_is_due(self) -> None:
        if self._losses_due:
            self._note(None)
        if self._marks_due:
            self._marks_due = not self._try(*((STARTED, text) for text in self.marks.texts))

    def _seal(self) -> None:
        segment, self._shelf.current = self._shelf.current, None
        if segment is not None:
            # An exception out of a signal handler may have come between a write and the counting of it.
            segment.size = os.fstat(self._file).st_size
            os.close(self._file)
            self._file = -1

    def _lose(self, records: int, why: str) -> None:
        if records and not self.dropped:
            log.error(
                "%s: records of finished calls are lost, %d just now; from here on they are counted", why, records
            )
        self.dropped += records
        self._losses_due = self._losses_due or records > 0

    def _note(self, segment: int | None) -> None:
        """Write how many were lost so far. It is a sum, told again and again: read twice, nothing is counted twice."""
        own = self._shelf.own
        assert own is not None
        lost = {"spool": own.path.name, "dropped": self.dropped, "segments": [segment] if segment is not None else []}
        if self._try((LOST, json.dumps(lost).encode())):
            self._losses_due = False


def discard(shelf: Shelf, writer: Writer) -> None:
    """Let go of everything in a forked child: it is the parent's."""
    with suppress(OSError):
        writer.forget()
    shelf.release()
    shelf.start_over()
