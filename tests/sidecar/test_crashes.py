"""App and sidecar are killed at random points under load; the ledger equals what the provider served all the same.

`TOLLKEEPER_CRASH_ROUNDS=100` runs that many rounds, each with a seed of its own.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from capture.processes import environment
from sidecar.running import Sidecar
from tollkeeper.cli.demo.books import Books, Tokens, keep_books
from tollkeeper.simulator import Simulator
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

ROUNDS = int(os.environ.get("TOLLKEEPER_CRASH_ROUNDS", "2"))
ROUND_SECONDS = 4.0
LAST_SECONDS = 60.0
FOR_EVER = (0, 2**63 - 1)
AN_HOUR = 3600 * 10**9
JUMPING = Path(__file__).with_name("jumping")
"""A clock that jumps, in every other round."""

APP = """
import os, threading, openai, tollkeeper
handle = tollkeeper.instrument(providers=["openai"])
log = os.open(os.environ["ANSWERED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any", max_retries=0)
def work():
    for number in range(int(os.environ["CALLS"])):
        asked = dict(model="gpt-4o-mini", messages=[{"role": "user", "content": f"Hello {number}"}])
        if number % 3:
            id = client.chat.completions.create(**asked).id
        else:
            id = [chunk.id for chunk in client.chat.completions.create(**asked, stream=True)][-1]
        os.write(log, (id + "\\n").encode())
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("all was taken" if handle.flush(50) else "something is left")
"""
"""Calls from three threads. Writes down each answer that its caller has got."""


class Round:
    """One app and one sidecar, and what befalls them."""

    def __init__(self, seed: int, ledger: str, simulator: Simulator, folder: Path) -> None:
        self.chance = random.Random(seed)
        clock = JUMPING if seed % 2 else None
        self.sidecar = Sidecar(ledger, folder / "sidecar.log", path=clock)
        self.answered = folder / "answered"
        self.env = environment(
            simulator.url + "/v1",
            clock,
            TOLLKEEPER_SIDECAR=self.sidecar.url,
            TOLLKEEPER_SPOOL=str(folder / "spool"),
            ANSWERED=str(self.answered),
        )
        self.app: subprocess.Popen[str] | None = None

    def start_app(self, calls: int) -> None:
        self.app = subprocess.Popen(
            [sys.executable, "-c", APP], env={**self.env, "CALLS": str(calls)}, stdout=subprocess.PIPE, text=True
        )

    def play(self) -> None:
        """Kill either of the two, again and again, and start it anew a little later."""
        self.sidecar.start()
        self.start_app(10_000)
        until = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(0.3, 1.5))
            if self.chance.random() < 0.5:
                self.sidecar.kill()
                time.sleep(self.chance.uniform(0.0, 0.8))
                self.sidecar.start(wait=False)
            else:
                self.kill_app()
                self.start_app(10_000)

    def kill_app(self) -> None:
        assert self.app is not None
        self.app.kill()
        self.app.communicate()

    def settle(self) -> None:
        """A last app, which takes over what the dead ones have left."""
        self.kill_app()
        self.sidecar.wait()
        self.start_app(1)
        assert self.app is not None
        told, _ = self.app.communicate(timeout=LAST_SECONDS)
        assert told.strip() == "all was taken"


def rows_of(ledger: SqlLedger) -> list[Any]:
    rows: list[Any] = []
    after: str | None = None
    while True:
        page, after = ledger.calls(CallQuery(limit=500, after=after))
        rows += page
        if after is None:
            return rows


def audit(ledger: SqlLedger, books: Books, answered: set[str], jumping: bool) -> None:
    """The ledger against the provider's books: each answer once, each token, each nano-dollar."""
    rows = rows_of(ledger)
    ids = [row["response_id"] for row in rows if row["response_id"]]
    assert len(ids) == len(set(ids)), "an answer is there twice"
    assert answered <= set(ids), "an answer that its caller has got is not there"
    for row in rows:
        cached = row["cache_read_tokens"] or 0
        if row["usage_source"] == "provider":
            books.record(row["response_id"], Tokens(row["input_tokens"], row["output_tokens"]))
            due = (row["input_tokens"] - cached) * 150 + cached * 75 + row["output_tokens"] * 600
            assert row["nano_usd"] == due, row
    assert not books.unequal
    moments = [row["started_at"] for row in rows]
    assert (max(moments) - min(moments) > AN_HOUR) is jumping
    (totals,) = (row.totals for row in ledger.usage(UsageQuery(*FOR_EVER)))
    assert totals.calls == len(rows)
    assert totals.nano_usd == sum(row["nano_usd"] or 0 for row in rows)
    assert not ledger.check_rollups(*FOR_EVER)
    # What the provider has served, and no caller has got, was in flight when its app was killed: it is an orphan.
    orphans = ledger.orphans(100_000)
    recorded = {row["id"] for row in rows}
    assert not recorded & {orphan.call.id for orphan in orphans}
    assert books.unpaired <= len(orphans)


@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_killed_at_random_points(seed: int, database_url: str, tmp_path: Path) -> None:
    with Simulator(seed=seed, latency=0.01) as simulator:
        books = keep_books(simulator)
        played = Round(seed, database_url, simulator, tmp_path)
        try:
            played.play()
            played.settle()
        finally:
            played.sidecar.kill()
            played.kill_app()
        assert threading.active_count() < 100
        database = Database(database_url)
        audit(SqlLedger(database), books, set(played.answered.read_text().split()), bool(seed % 2))
        database.close()
