"""Which traces are to be looked at again, and when."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable

AT_ONCE = 1_000
"""Traces that one statement compares."""
MOST = 100_000
"""Traces that wait in one queue: some 20 MB."""

log = logging.getLogger("tollkeeper")


class Reviews:
    """A queue for each of `delays`, which are in seconds. A trace is in each of them once. Used by one thread."""

    def __init__(self, delays: Iterable[float], clock: Callable[[], float], most: int = MOST) -> None:
        self.forgotten = 0
        self._clock = clock
        self._most = most
        self._queues = [_Queue(delay) for delay in delays]

    def __len__(self) -> int:
        return sum(len(queue.due_at) for queue in self._queues)

    def add(self, trace_id: str) -> None:
        """Something was recorded of a trace. With too many of them, the oldest is never looked at again."""
        now = self._clock()
        for queue in self._queues:
            queue.add(trace_id, now)
            if len(queue.due_at) > self._most:
                queue.forget_oldest()
                self.forgotten += 1
                if self.forgotten == 1:
                    log.warning("more than %d traces wait to be compared again: the oldest are not", self._most)

    def due(self) -> list[str]:
        """Some of the traces whose time has come. They stay, until they are `done`."""
        now = self._clock()
        found: dict[str, None] = {}
        for queue in self._queues:
            for trace_id, due_at in queue.due_at.items():
                if due_at > now or len(found) >= AT_ONCE:
                    break
                found[trace_id] = None
        return list(found)

    def done(self, trace_ids: Iterable[str]) -> None:
        """They were looked at."""
        now = self._clock()
        for trace_id in trace_ids:
            for queue in self._queues:
                queue.done(trace_id, now)

    def put_off(self, trace_ids: Iterable[str]) -> None:
        """They could not be looked at: later, so that those that have failed do not stop those behind them."""
        now = self._clock()
        for trace_id in trace_ids:
            for queue in self._queues:
                queue.put_off(trace_id, now, now + self._queues[0].delay)


class _Queue:
    """Oldest first."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.due_at: OrderedDict[str, float] = OrderedDict()
        self._again: set[str] = set()
        """Those of which more was recorded while they waited: once they are done, they wait again."""

    def add(self, trace_id: str, now: float) -> None:
        if trace_id in self.due_at:
            self._again.add(trace_id)
        else:
            self.due_at[trace_id] = now + self.delay

    def forget_oldest(self) -> None:
        trace_id, _ = self.due_at.popitem(last=False)
        self._again.discard(trace_id)

    def done(self, trace_id: str, now: float) -> None:
        if self.due_at.get(trace_id, now + 1) > now:
            return
        del self.due_at[trace_id]
        if trace_id in self._again:
            self._again.remove(trace_id)
            self.due_at[trace_id] = now + self.delay

    def put_off(self, trace_id: str, now: float, until: float) -> None:
        if self.due_at.get(trace_id, now + 1) <= now:
            self.due_at[trace_id] = until
            self.due_at.move_to_end(trace_id)
