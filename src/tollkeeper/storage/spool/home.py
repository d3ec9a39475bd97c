"""The folder of one process in the spool: its segment files, and the lock that says that it lives.

A lock of `flock` ends with its process, whatever kills that: a folder whose lock is free belongs to nobody any more.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".segment"
LOCK = "owner.json"


@dataclass(slots=True, eq=False)
class Segment:
    """One append-only file, and how far it has been read and acknowledged, in bytes and in records."""

    path: Path
    number: int
    size: int = 0
    records: int = 0
    frames: int = 0
    """The ordinal of the next frame to be written."""
    taken: int = 0
    taken_records: int = 0
    expected: int = 0
    """The ordinal of the next frame to be read."""
    acked: int = 0
    acked_records: int = 0
    reading: bool = False

    @property
    def in_flight(self) -> bool:
        """Whether something was read, or is being read, that nobody has acknowledged yet."""
        return self.reading or self.taken > self.acked

    @property
    def waiting(self) -> int:
        """The records that are not acknowledged."""
        return self.records - self.acked_records


class Home:
    """A folder whose lock this process holds."""

    def __init__(self, path: Path, lock: int, origin: Mapping[str, str]) -> None:
        self.path = path
        self.origin = origin
        self.segments: list[Segment] = []
        self.orphans: list[bytes] = []
        """The marks of calls that were begun and never ended, in a folder that was taken over."""
        self._lock = lock

    @classmethod
    def create(cls, root: Path, origin: Mapping[str, str]) -> Home:
        """A new folder under `root`. Raises `OSError` where there can be none."""
        while True:
            path = root / uuid.uuid4().hex
            path.mkdir(mode=0o700, parents=True)
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if _is_mine(lock, path):
                with suppress(OSError):
                    os.write(lock, json.dumps(dict(origin)).encode())
                return cls(path, lock, origin)
            # Somebody has taken it for the folder of a dead process, in the moment before it was locked.
            os.close(lock)

    @classmethod
    def adopt(cls, path: Path) -> Home | None:
        """The folder of a process that is dead, or `None` where it lives."""
        try:
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None
        try:
            if _is_mine(lock, path):
                home = cls(path, lock, _origin(lock))
                home.segments = list_segments(path)
                return home
        except OSError:
            pass
        os.close(lock)
        return None

    def release(self) -> None:
        """Let go of the folder, as it is. Somebody will take it over."""
        os.close(self._lock)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        for name in os.listdir(self.path):
            if name != LOCK:
                with suppress(OSError):
                    os.unlink(self.path / name)
        # The lock goes last: whoever waits for it must find the folder empty.
        with suppress(OSError):
            os.unlink(self.path / LOCK)
        with suppress(OSError):
            os.rmdir(self.path)
        os.close(self._lock)


def list_segments(path: Path) -> list[Segment]:
    """The segment files of a folder, oldest first."""
    found = []
    for entry in os.scandir(path):
        number = entry.name.removesuffix(SUFFIX)
        if entry.name.endswith(SUFFIX) and number.isdecimal():
            found.append(Segment(Path(entry.path), int(number), entry.stat().st_size))
    return sorted(found, key=lambda segment: segment.number)


def _is_mine(lock: int, path: Path) -> bool:
    """Lock it, if nobody else has, and if it is still there."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), os.stat(path / LOCK))
    except OSError:
        return False


def _origin(lock: int) -> dict[str, str]:
    try:
        found = json.loads(os.pread(lock, 64 * 1024, 0))
    except ValueError:
        return {}
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}
