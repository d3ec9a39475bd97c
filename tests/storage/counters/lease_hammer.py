"""Calls through leases: the load of the tests with a sidecar. A program of its own, one process of several.

    python lease_hammer.py URL SEED THREADS CAP

`URL` is a sidecar's, or of counters that processes share. It calls until nobody finds room, and prints as JSON what was
used of each key, what is unsure, and how often the counters did not answer.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter

from tollkeeper.storage.counters import Charge, Counters, CountersUnavailable, Hold, Refused
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.counters.remote import RemoteCounters

TENANTS, SLOTS, MOST = 3, 5000, 9
ENOUGH = 20
"""After so many refusals in a row, for the cap that all share, a thread ends."""
FOREVER = 4_000_000_000 * 1_000_000_000
SECONDS = 0.5
"""For an answer: a busy machine is no outage."""


def charges(cap: int, tenant: int, amount: int = 0) -> tuple[Charge, ...]:
    return (
        Charge("everybody", amount, cap, until=FOREVER),
        Charge(f"tenant-{tenant}", amount, cap * 2 // 5, until=FOREVER),
        Charge("counted", amount, 1, hard=False, until=FOREVER),
        Charge("slots", 1, SLOTS, kind="slots"),
    )


class Caller:
    """One thread."""

    def __init__(self, counters: Counters, name: str, cap: int) -> None:
        self._counters = counters
        self._chance = random.Random(name)
        self._name = name
        self._cap = cap
        self.used: Counter[str] = Counter()
        self.calls = self.unanswered = self.over = 0

    def run(self) -> None:
        refused, number = 0, 0
        while refused < ENOUGH:
            number += 1
            amount = self._chance.randint(1, MOST)
            asked = charges(self._cap, self._chance.randrange(TENANTS), amount)
            hold = Hold(f"{self._name}-{number}", self._name, self._counters.now() + 900 * 10**9, asked)
            try:
                answer = self._counters.reserve(hold)
            except CountersUnavailable:
                self.unanswered += 1
                time.sleep(0.005)
                continue
            if isinstance(answer, Refused):
                refused += answer.place == 0
                continue
            refused = 0
            self.calls += 1
            self.over += any(
                level.spent + level.held > c.cap for c, level in zip(asked[:2], answer.levels, strict=False)
            )
            used = self._chance.randint(0, amount)
            for charge in asked[:3]:
                self.used[charge.key] += used
            self._counters.settle(hold, [used, used, used, 1])
            if self._chance.random() < 0.05:
                self._counters.settle(hold, [MOST, MOST, MOST, 1])


def main(url: str, seed: str, threads: int, cap: int) -> None:
    is_sidecar = url.startswith(("http", "unix"))
    inner = RemoteCounters(url, seconds=SECONDS) if is_sidecar else open_counters(url)
    guarded = GuardedCounters(inner)
    counters = LeasedCounters(guarded)
    callers = [Caller(counters, f"{seed}-{number}", cap) for number in range(threads)]
    workers = [threading.Thread(target=caller.run) for caller in callers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while guarded.figures.kept:
        time.sleep(0.05)
    counters.close()
    used: Counter[str] = sum((caller.used for caller in callers), Counter())
    figures = guarded.figures
    told = {"used": used, "calls": sum(c.calls for c in callers), "unanswered": sum(c.unanswered for c in callers),
            "over": sum(c.over for c in callers), "outages": figures.outages, "dropped": figures.dropped}  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
