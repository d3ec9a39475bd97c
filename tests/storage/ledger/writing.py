"""A process that writes to a ledger, to be run beside others and to be killed: URL, first, last, batch size, seed."""

from __future__ import annotations

import random
import sys
import time

from storage.ledger.drawn import NOON, call, changed, entry
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, LedgerUnavailable
from tollkeeper.storage.ledger.sql import SqlLedger


def batches(first: int, last: int, size: int, seed: int) -> list[list[Entry]]:
    """Every number from `first` to `last` at least once, some twice, in an order of the seed."""
    dice = random.Random(seed)
    numbers = [*range(first, last), *dice.choices(range(first, last), k=(last - first) // 5)]
    dice.shuffle(numbers)
    made = [entry(call(number, started_at=NOON + number * 40_000_000_000)) for number in numbers]
    return [made[start : start + size] for start in range(0, len(made), size)]


def write(ledger: SqlLedger, batch: list[Entry]) -> None:
    """Until it is in: what is unavailable is tried again, as every caller has to."""
    while True:
        try:
            ledger.record(batch)
            return
        except LedgerUnavailable as error:
            print("again", error, flush=True)
            time.sleep(0.01)


def main(url: str, first: str, last: str, size: str, seed: str) -> None:
    ledger = SqlLedger(Database(url))
    for number, batch in enumerate(batches(int(first), int(last), int(size), int(seed))):
        write(ledger, batch)
        if number % 5 == 0:
            write(ledger, [changed(batch[0], status_code=599)])
        print("acknowledged", *(one.call.id for one in batch), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
