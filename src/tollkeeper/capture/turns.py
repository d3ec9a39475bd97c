"""Whose turn it is among calls that wait for room: one of each tenant after the other, and in order within a tenant."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict, deque

MOST_WAITING = 1000
"""In one queue. Who comes later is denied at once: he would hardly get his turn."""

_Line = OrderedDict[str, deque[str]]


class Turns:
    """A queue for each limit and scope, named by its key. Safe to use from several threads at once."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        turns = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(turns))

    def join(self, queue: str, tenant: str, id: str) -> bool:
        """Stand in line, at its end. False: there are too many already."""
        with self._lock:
            line = self._lines.setdefault(queue, OrderedDict())
            if sum(map(len, line.values())) >= self._most:
                return False
            line.setdefault(tenant, deque()).append(id)
            return True

    def place(self, queue: str, tenant: str, id: str) -> int:
        """How many come before: 0, whose turn it is."""
        with self._lock:
            line: _Line = self._lines.get(queue, OrderedDict())
            ahead = line[tenant].index(id)
            # Of every other tenant come as many as of one's own, and one more of those who stand before it.
            before = list(line).index(tenant)
            return ahead + sum(
                min(len(waiting), ahead + (number < before))
                for number, (other, waiting) in enumerate(line.items())
                if other != tenant
            )

    def leave(self, queue: str, tenant: str, id: str, went: bool) -> None:
        """Stand in line no longer. `went`: it had its turn, and the next tenant has his."""
        with self._lock:
            line = self._lines[queue]
            line[tenant].remove(id)
            if not line[tenant]:
                del line[tenant]
            elif went:
                line.move_to_end(tenant)
            if not line:
                del self._lines[queue]

    def is_waited_for(self, queue: str) -> bool:
        """Whether anybody stands in this line."""
        return queue in self._lines


def _begin_anew(turns: weakref.ref[Turns]) -> None:
    """Nobody waits in a forked child."""
    found = turns()
    if found is not None:
        found._lock = threading.Lock()
        found._lines = {}
