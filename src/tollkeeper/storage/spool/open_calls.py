"""The calls that have begun and not ended, as many as there is room for: every new segment tells of them again."""

from __future__ import annotations

import logging
from collections.abc import Collection

from tollkeeper.storage.spool.frame import HEADER

log = logging.getLogger("tollkeeper.spool")

Mark = tuple[str, int]
"""The id and the attempt of a call."""


class OpenCalls:
    """Their marks, by call. Together they take `most` bytes at most: what is written again and again must not be all.

    A call that finds no room is recorded like any other; only if its process dies before that nobody is told of it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._texts: dict[Mark, bytes] = {}
        self.bytes = 0
        """What their frames take."""
        self._told = False

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> Collection[bytes]:
        """What is marked, in the order in which the calls began."""
        return self._texts.values()

    def add(self, mark: Mark, text: bytes) -> bool:
        """A call has begun. False: there is no room for its mark."""
        self.remove(mark)
        size = _size(text)
        if self.bytes + size > self._most:
            if not self._told:
                self._told = True
                log.warning("%d calls are open: the spool has no room for the marks of more", len(self))
            return False
        self._texts[mark] = text
        self.bytes += size
        return True

    def remove(self, mark: Mark) -> bool:
        """A call has ended. False: there was no mark of it."""
        text = self._texts.pop(mark, None)
        if text is not None:
            self.bytes -= _size(text)
        return text is not None

    def clear(self) -> None:
        """Know of none."""
        self._texts.clear()
        self.bytes = 0


def _size(text: bytes) -> int:
    return HEADER.size + 1 + len(text)
