"""Apps and sidecar are killed at random points under load; the ledger equals what the provider served all the same.

`make crash` runs a hundred rounds, each with a seed of its own.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from capture.processes import environment
from crash_rounds import rounds
from sidecar.running import Sidecar
from tollkeeper.cli.demo.books import Books, Tokens, keep_books
from tollkeeper.simulator import Simulator
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

ROUND_SECONDS = 4.0
LAST_SECONDS = 60.0
FOR_EVER = (0, 2**63 - 1)
AN_HOUR = 3600 * 10**9
JUMPING = Path(__file__).with_name("jumping")
"""A clock that jumps, in every other round."""

APP = """
import os, threading, time, openai, tollkeeper
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
taken = handle.flush(50)
while handle.spool.records and handle.flush(10):
    time.sleep(0.05)
print("all was taken" if taken and not handle.spool.records else "something is left")
"""
"""Calls from three threads. Writes down each answer that its caller has got."""


class App:
    """An app that is killed and started anew."""

    def __init__(self, simulator: Simulator, folder: Path, clock: Path | None, name: str, **options: str) -> None:
        self.answered = folder / f"answered {name}"
        self.answered.touch()
        self._env = environment(
            simulator.url + "/v1",
            clock,
            TOLLKEEPER_SPOOL=str(folder / "spool"),
            ANSWERED=str(self.answered),
            **options,
        )
        self._process: subprocess.Popen[str] | None = None
        self._before = 0

    def start(self, calls: int = 10_000) -> None:
        self._before = self.answered.stat().st_size
        self._process = subprocess.Popen(
            [sys.executable, "-c", APP], env={**self._env, "CALLS": str(calls)}, stdout=subprocess.PIPE, text=True
        )

    def wait(self) -> None:
        """Until it has had an answer, however busy the machine is."""
        process, until = self._process, time.monotonic() + LAST_SECONDS
        assert process is not None
        while self.answered.stat().st_size == self._before:
            assert process.poll() is None and time.monotonic() < until, "the app does not work"
            time.sleep(0.02)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def settle(self) -> None:
        """A last one, which takes over what the dead ones have left."""
        self.start(1)
        assert self._process is not None
        told, _ = self._process.communicate(timeout=LAST_SECONDS)
        self._process = None
        assert told.strip() == "all was taken"


def play_with_sidecar(chance: random.Random, app: App, sidecar: Sidecar) -> None:
    """Kill either of the two, again and again, and start it anew a little later."""
    sidecar.start()
    app.start()
    app.wait()
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.3, 1.5))
        if chance.random() < 0.5:
            sidecar.kill()
            time.sleep(chance.uniform(0.0, 0.8))
            sidecar.start(wait=False)
        else:
            app.kill()
            app.start()
    app.kill()
    sidecar.wait()
    app.settle()


def play_embedded(chance: random.Random, apps: list[App]) -> None:
    """Two processes of one app, which write to one ledger: kill either, again and again, and start it anew."""
    for app in apps:
        app.start()
    for app in apps:
        app.wait()
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.3, 1.5))
        app = chance.choice(apps)
        if chance.random() < 0.7:
            app.wait()
        app.kill()
        time.sleep(chance.uniform(0.0, 0.4))
        app.start()
    for app in apps:
        app.kill()
    apps[0].settle()


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


def audit_database(url: str, books: Books, apps: list[App], jumping: bool) -> None:
    assert threading.active_count() < 100
    database = Database(url)
    answered = {id for app in apps for id in app.answered.read_text().split()}
    audit(SqlLedger(database), books, answered, jumping)
    database.close()


@pytest.mark.parametrize("seed", range(1, rounds(2) + 1))
def test_killed_at_random_points(seed: int, empty_database_url: str, tmp_path: Path) -> None:
    clock = JUMPING if seed % 2 else None
    with Simulator(seed=seed, latency=0.01) as simulator:
        books = keep_books(simulator)
        sidecar = Sidecar(empty_database_url, tmp_path / "sidecar.log", path=clock)
        app = App(simulator, tmp_path, clock, "a", TOLLKEEPER_SIDECAR=sidecar.url)
        try:
            play_with_sidecar(random.Random(seed), app, sidecar)
        finally:
            sidecar.kill()
            app.kill()
        audit_database(empty_database_url, books, [app], clock is not None)


@pytest.mark.parametrize("seed", range(1, rounds(1) + 1))
def test_without_a_sidecar_killed_at_random_points(seed: int, empty_database_url: str, tmp_path: Path) -> None:
    clock = JUMPING if seed % 2 else None
    with Simulator(seed=seed, latency=0.01) as simulator:
        books = keep_books(simulator)
        apps = [App(simulator, tmp_path, clock, name, TOLLKEEPER_EMBEDDED_LEDGER=empty_database_url) for name in "ab"]
        try:
            play_embedded(random.Random(seed), apps)
        finally:
            for app in apps:
                app.kill()
        audit_database(empty_database_url, books, apps, clock is not None)
        assert list((tmp_path / "spool").rglob("*.segment")) == []
