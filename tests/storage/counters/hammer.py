"""Many calls at once against few limits: the load of the race tests. Run as a program, it is one process of several.

    python hammer.py URL DIARY SEED THREADS

Each step is written to the diary, before and after: it is the truth that survives a killed process.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from tollkeeper.storage.counters import Charge, Counters, Held, Hold, Refused
from tollkeeper.storage.counters.opening import open_counters

CAP, TENANT_CAP, SLOTS, TENANTS = 3000, 1400, 5, 3
MOST = 20
"""Of one call. The cap is used to within this."""
ENOUGH = 30
"""After so many refusals in a row, for the cap that all share, a thread ends."""
HELD_NS = 400_000_000
FOREVER = 4_000_000_000 * 1_000_000_000


def everybody(amount: int = 0) -> Charge:
    return Charge("everybody", amount, CAP, until=FOREVER)


def debt(amount: int = 0) -> Charge:
    """Only counted: what is used of it is more than what was held."""
    return Charge("debt", amount, 0, hard=False, until=FOREVER)


def tenant(number: int, amount: int = 0) -> Charge:
    return Charge(f"tenant-{number}", amount, TENANT_CAP, until=FOREVER)


def slots() -> Charge:
    return Charge("slots", 1, SLOTS, kind="slots")


def charges(chance: random.Random) -> tuple[Charge, ...]:
    """In no order that all calls would share."""
    amount = chance.randint(1, MOST)
    bucket = Charge("rate", amount, 10**9, kind="rate", window=60 * 10**9, burst=10**9)
    of_tenant = tenant(chance.randrange(TENANTS), chance.randint(1, MOST) // 4)
    drawn = [everybody(amount), debt(amount), of_tenant, slots(), bucket]
    chance.shuffle(drawn)
    return tuple(drawn)


class Hammer:
    """One thread. `diary` is a file that it may write to."""

    def __init__(self, counters: Counters, name: str, seed: str, diary: int) -> None:
        self._counters = counters
        self._name = name
        self._chance = random.Random(seed)
        self._diary = diary

    def run(self) -> None:
        """Call until there is no room left for anybody."""
        refused, number = 0, 0
        while refused < ENOUGH:
            number += 1
            now = self._counters.now()
            hold = Hold(f"{self._name}-{number}", self._name, now + HELD_NS, charges(self._chance))
            self._say("asks", hold, [charge.amount for charge in hold.charges])
            answer = self._counters.reserve(hold)
            if isinstance(answer, Refused):
                self._say("refused", hold, [])
                refused += hold.charges[answer.place].key == "everybody"
                continue
            refused = 0
            self._say("held", hold, [])
            self._watch(hold, answer)
            self._end(hold)

    def _end(self, hold: Hold) -> None:
        end = self._chance.random()
        if end < 0.03:
            return  # a call that nobody ever hears of again
        used = [0 if end < 0.1 else self._used(charge) for charge in hold.charges]
        self._say("settles", hold, used)
        self._counters.settle(hold, used)
        self._say("settled", hold, [])
        if end > 0.9:
            self._counters.settle(hold, [10 * amount for amount in used])
            self._counters.reserve(hold)

    def _used(self, charge: Charge) -> int:
        most = charge.amount * (3 if charge.key == "debt" else 1)
        return self._chance.randint(most // 2, most)

    def _watch(self, hold: Hold, answer: Held) -> None:
        for charge, level in zip(hold.charges, answer.levels, strict=True):
            if charge.hard and charge.kind != "rate" and level.spent + level.held > charge.cap:
                self._say("over", hold, [level.spent, level.held])

    def _say(self, word: str, hold: Hold, amounts: list[int]) -> None:
        line = f"{word} {hold.id} {','.join(map(str, amounts))} {','.join(charge.key for charge in hold.charges)}\n"
        os.write(self._diary, line.encode())


def hammer(counters: Counters, diary: Path, seed: str, threads: int) -> None:
    """So many threads, until none of them finds room."""
    out = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    workers = [
        threading.Thread(target=Hammer(counters, f"{seed}-{number}", f"{seed}/{number}", out).run)
        for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    os.close(out)


def spent(diaries: Iterable[Path], key: str) -> tuple[int, int]:
    """The least and the most that can have been spent of a key, by the diaries, when no hold is left."""
    found: dict[str, tuple[int, int]] = {}
    settling: dict[str, int] = {}
    for line in (line for diary in diaries for line in diary.read_text().splitlines()):
        word, id, amounts, keys = line.split(" ")
        amount = dict(zip(keys.split(","), map(int, amounts.split(",")), strict=True)).get(key, 0) if amounts else 0
        least, most = found.get(id, (0, 0))
        match word:
            case "asks":
                found[id] = 0, amount
            case "held":
                found[id] = most, most
            case "refused":
                found[id] = 0, 0
            case "settles":
                found[id], settling[id] = (min(least, amount), max(most, amount)), amount
            case "settled":
                found[id] = settling[id], settling[id]
            case _:
                raise AssertionError(f"over the cap: {line}")
    return sum(least for least, _ in found.values()), sum(most for _, most in found.values())


if __name__ == "__main__":
    url, path, its_seed, number = sys.argv[1:]
    hammer(open_counters(url), Path(path), its_seed, int(number))
