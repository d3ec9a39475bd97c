"""Counters in a SQLite file, shared by all processes of a host.

Each question is one transaction that takes the file's one writer first, so nothing is decided on what another process
changes meanwhile; what a killed process had not committed never was. `synchronous=NORMAL`: no process that dies loses
anything, and what a power failure may take, the last moments before it, the ledger still tells.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tollkeeper.model.charge import Charge, Level
from tollkeeper.storage.counters.contract import LATE, REMEMBERED, CountersUnavailable, Held, Hold, Refused
from tollkeeper.storage.counters.counts import COUNTS, Count

VERSION = 2
BUSY_SECONDS = 1.0
"""How long to wait for other writers, threads and processes together."""

SWEEP_NS = 3_600_000_000_000
"""How often, at the most, each process deletes what is long over: an hour."""

MOST_KEYS = 500
"""In one statement."""

_LARGEST = 2**63 - 1
"""Of SQLite's integers. As a moment, the year 2262."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counts (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, until INTEGER NOT NULL, spent INTEGER NOT NULL, held INTEGER NOT NULL,
    assumed INTEGER NOT NULL, tat INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL, charges TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holds_expires_at ON holds (expires_at);
CREATE TABLE IF NOT EXISTS over (
    id TEXT PRIMARY KEY, settled INTEGER NOT NULL, forget_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS over_forget_at ON over (forget_at);
"""

_FROM_1 = "ALTER TABLE counts ADD COLUMN seen INTEGER NOT NULL DEFAULT 0"

_LOAD = "SELECT key, until, spent, held, assumed, tat, seen FROM counts WHERE key IN"
_SAVE = (
    "INSERT INTO counts (key, kind, until, spent, held, assumed, tat, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET spent = excluded.spent, held = excluded.held, assumed = excluded.assumed, "
    "tat = excluded.tat, seen = excluded.seen"
)


class SqliteCounters:
    """`clock` tells nanoseconds since the epoch. The file is opened when it is first needed, by each process anew."""

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._sweep_at = 0
        self._forks = False
        counters = weakref.ref(self)
        os.register_at_fork(
            before=lambda: _shut_for_fork(counters),
            after_in_parent=lambda: _open_after_fork(counters),
            after_in_child=lambda: _open_after_fork(counters),
        )

    def now(self) -> int:
        return self._clock()

    def reserve(self, hold: Hold) -> Held | Refused:
        with self._transaction() as (connection, now):
            _expire(connection, now)
            counts = _load(connection, hold.charges)
            if _is_known(connection, hold.id):
                return Held(_levels(connection, counts, hold.charges, now))
            for place, charge in enumerate(hold.charges):
                count = counts[charge.key]
                if charge.hard and (retry_at := count.full_until(charge, now)) is not None:
                    _save_steps(connection, counts, hold.charges, now)
                    return Refused(place, count.level(charge, now), retry_at or None)
            levels = tuple([counts[charge.key].hold(charge, now) for charge in hold.charges])
            _save(connection, counts, hold.charges)
            row = (hold.id, hold.owner, hold.expires_at, json.dumps(hold.charges))
            connection.execute("INSERT INTO holds (id, owner, expires_at, charges) VALUES (?, ?, ?, ?)", row)
            return Held(levels)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        if len(amounts) != len(hold.charges):
            raise ValueError(f"{len(amounts)} amounts for {len(hold.charges)} charges")
        with self._transaction() as (connection, now):
            _expire(connection, now)
            counts = _load(connection, hold.charges)
            live = connection.execute("DELETE FROM holds WHERE id = ?", (hold.id,)).rowcount == 1
            over = connection.execute("SELECT settled FROM over WHERE id = ?", (hold.id,)).fetchone()
            if over is not None and over[0]:
                return _levels(connection, counts, hold.charges, now)
            booked = zip(hold.charges, amounts, strict=False)
            expired = over is not None
            levels = [counts[charge.key].book(charge, amount, assumed, live, expired, now) for charge, amount in booked]
            _save(connection, counts, hold.charges)
            connection.execute(
                "INSERT OR REPLACE INTO over (id, settled, forget_at) VALUES (?, 1, ?)", (hold.id, now + REMEMBERED)
            )
            return tuple(levels)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        with self._transaction() as (connection, now):
            _expire(connection, now)
            return _levels(connection, _load(connection, charges), charges, now)

    def holds(self) -> Sequence[Hold]:
        with self._transaction() as (connection, now):
            _expire(connection, now)
            rows = connection.execute("SELECT id, owner, expires_at, charges FROM holds ORDER BY expires_at, id")
            return tuple([Hold(id, owner, until, _charges(text)) for id, owner, until, text in rows])

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """The file's one writer, and the moment at which it was got. Whatever SQLite says is `CountersUnavailable`."""
        give_up_at = time.monotonic() + self._busy_seconds
        if not self._lock.acquire(timeout=self._busy_seconds):
            raise CountersUnavailable(f"{self._path}: other threads have used it for {self._busy_seconds} s")
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = _open(self._path, give_up_at)
            _begin(connection, give_up_at)
            now = self._clock()
            if now >= self._sweep_at:
                _sweep(connection, now)
            yield connection, now
            connection.execute("COMMIT")
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_NS
        except (sqlite3.Error, OSError) as error:
            raise CountersUnavailable(f"{self._path}: {error}") from error
        finally:
            self._abandon()
            self._lock.release()

    def _abandon(self) -> None:
        """Undo what was not committed; a connection that cannot even do this is not used again."""
        connection = self._connection
        if connection is None or not connection.in_transaction:
            return
        try:
            connection.rollback()
        except sqlite3.Error:
            self._connection = None


def _shut_for_fork(counters: weakref.ref[SqliteCounters]) -> None:
    """SQLite keeps by file which locks a process has, and a forked child would believe that it has its parent's."""
    found = counters()
    if found is not None:
        found._lock.acquire()
        found._forks = True
        found._disconnect()


def _open_after_fork(counters: weakref.ref[SqliteCounters]) -> None:
    found = counters()
    if found is not None and found._forks:
        found._forks = False
        found._lock.release()


def _open(path: Path, give_up_at: float) -> sqlite3.Connection:
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        _patiently(connection, "PRAGMA journal_mode=WAL", give_up_at)
        connection.execute("PRAGMA synchronous=NORMAL")
        if _version(connection) != VERSION:
            _begin(connection, give_up_at)
            if (version := _version(connection)) not in (0, 1, VERSION):
                raise sqlite3.DatabaseError(f"its counters are of version {version}, and {VERSION} was expected")
            if version == 1:
                connection.execute(_FROM_1)
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _begin(connection: sqlite3.Connection, give_up_at: float) -> None:
    _patiently(connection, "BEGIN IMMEDIATE", give_up_at)


def _patiently(connection: sqlite3.Connection, statement: str, give_up_at: float) -> None:
    """SQLite's own waiting sleeps up to 0.1 s at a time, while a transaction of ours takes a ten-thousandth."""
    pause = 0.0001
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() >= give_up_at:
                raise
        time.sleep(pause * random.random())
        pause = min(pause * 2, 0.002)


def _load(connection: sqlite3.Connection, charges: Sequence[Charge]) -> dict[str, Count]:
    """The counts of all charges; of keys that are not known, empty ones."""
    known: dict[str, tuple[int, ...]] = {}
    keys = [charge.key for charge in charges]
    for at in range(0, len(keys), MOST_KEYS):
        some = keys[at : at + MOST_KEYS]
        rows = connection.execute(f"{_LOAD} ({','.join('?' * len(some))})", some).fetchall()
        known.update((row[0], row[1:]) for row in rows)
    return {charge.key: COUNTS[charge.kind](*known.get(charge.key, (charge.until,))) for charge in charges}


def _save(connection: sqlite3.Connection, counts: dict[str, Count], charges: Sequence[Charge]) -> None:
    rows = []
    for charge in charges:
        count = counts[charge.key]
        tat = max(0, min(count.tat, _LARGEST))
        rows.append((charge.key, charge.kind, count.until, count.spent, count.held, count.assumed, tat, count.seen))
    connection.executemany(_SAVE, rows)


def _save_steps(connection: sqlite3.Connection, counts: dict[str, Count], charges: Sequence[Charge], now: int) -> None:
    """What has only been looked at is saved where the clock was set back: from now on it is refilled by this time."""
    stepped = [charge for charge in charges if counts[charge.key].seen == now]
    if stepped:
        _save(connection, counts, stepped)


def _levels(
    connection: sqlite3.Connection, counts: dict[str, Count], charges: Sequence[Charge], now: int
) -> tuple[Level, ...]:
    levels = tuple([counts[charge.key].level(charge, now) for charge in charges])
    _save_steps(connection, counts, charges, now)
    return levels


def _is_known(connection: sqlite3.Connection, id: str) -> bool:
    found = "SELECT 1 FROM holds WHERE id = ? UNION ALL SELECT 1 FROM over WHERE id = ?"
    return connection.execute(found, (id, id)).fetchone() is not None


def _charges(text: str) -> tuple[Charge, ...]:
    return tuple([Charge(*each) for each in json.loads(text)])


def _expire(connection: sqlite3.Connection, now: int) -> None:
    """Charge what was not settled in time."""
    rows = connection.execute("SELECT id, charges FROM holds WHERE expires_at <= ?", (now,)).fetchall()
    if not rows:
        return
    lapsed = [charge for _, text in rows for charge in _charges(text)]
    counts = _load(connection, lapsed)
    for charge in lapsed:
        counts[charge.key].lapse(charge)
    _save(connection, counts, list({charge.key: charge for charge in lapsed}.values()))
    connection.executemany("DELETE FROM holds WHERE id = ?", [(id,) for id, _ in rows])
    over = [(id, now + LATE) for id, _ in rows]
    connection.executemany("INSERT INTO over (id, settled, forget_at) VALUES (?, 0, ?)", over)


def _sweep(connection: sqlite3.Connection, now: int) -> None:
    """Delete what is long over: as `Count.is_wanted` and `LATE` say."""
    connection.execute("DELETE FROM over WHERE forget_at <= ?", (now,))
    connection.execute(
        "DELETE FROM counts WHERE held = 0 AND NOT (spent AND NOT until) AND max(until, tat) + ? <= ?",
        (LATE, now),
    )
