"""Recording a batch: sorted, in one transaction, each entry once, and the bad ones apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import rollups
from tollkeeper.storage.ledger.changes import retract
from tollkeeper.storage.ledger.contract import OWN, Entry, Recorded, Rejection, Retraction
from tollkeeper.storage.ledger.dimensions import Dimensions
from tollkeeper.storage.ledger.failures import PartitionGone, Refused, told_apart
from tollkeeper.storage.ledger.rows import COLUMNS, PLACE, Row, Unrecordable, row_of
from tollkeeper.storage.ledger.store import Key, Report, Store
from tollkeeper.storage.ledger.tables import CONFLICTS
from tollkeeper.telemetry.record import encode

TOO_LATE = "it started before the calls that are kept, so that nobody knows whether it was recorded"

_STARTED, _DIGEST, _EMITTER = PLACE["started_at"], PLACE["digest"], PLACE["emitter"]
_NEW_CONFLICT = text(
    f"INSERT INTO {CONFLICTS.name} (id, attempt, digest, started_at, recorded_at, emitter, record) "
    "VALUES (:id, :attempt, :digest, :started_at, :recorded_at, :emitter, :record) ON CONFLICT DO NOTHING"
)


class Batch(NamedTuple):
    """Entries as rows: each key once, sorted; repeats of a key within the batch; and what fits in no row."""

    rows: list[Row]
    firsts: dict[Key, Entry]
    repeats: list[tuple[Row, Entry]]
    rejected: list[Rejection]


class Writer:
    """Writes to one database. Safe to use from several threads at once."""

    def __init__(self, database: Database, store: Store, dimensions: Dimensions) -> None:
        self._database = database
        self._store = store
        self._dimensions = dimensions

    def record(self, entries: Sequence[Entry], retractions: Sequence[Retraction], now: int) -> Recorded:
        """Keep a batch; where the database refuses a value that we let pass, all but the entry that has it."""
        try:
            return self._record(entries, retractions, now)
        except Refused as error:
            if not entries:
                raise
            if len(entries) == 1:
                call = entries[0].call
                alone = self._record((), retractions, now)
                return alone._replace(rejected=(Rejection(call.id, call.attempt, str(error)),))
        # Halves, until the bad entry is alone: what is recorded by then is not recorded twice.
        middle = len(entries) // 2
        first = self.record(entries[:middle], (), now)
        rest = self.record(entries[middle:], retractions, now)
        return Recorded(*(a + b for a, b in zip(first, rest, strict=True)))  # type: ignore[operator]

    def _record(self, entries: Sequence[Entry], retractions: Sequence[Retraction], now: int) -> Recorded:
        batch = sort_out(entries, now)
        try:
            return self._write(batch, retractions, now)
        except PartitionGone:
            self._store.forget()
            return self._write(batch, retractions, now)

    def _write(self, batch: Batch, retractions: Sequence[Retraction], now: int) -> Recorded:
        with told_apart(self._database):
            self._store.prepare(batch.rows)
            return self._transact(batch, retractions, now)

    def _transact(self, batch: Batch, retractions: Sequence[Retraction], now: int) -> Recorded:
        with self._database.write() as connection:
            horizon = self._store.begin(connection)
            rows = [row for row in batch.rows if row[_STARTED] >= horizon] if horizon else batch.rows
            known = self._store.insert(connection, rows) if rows else {}
            fresh = [row for row in rows if (row[0], row[1]) not in known] if known else rows
            hours = rollups.fold(fresh)
            if retractions:
                retract(connection, self._store, retractions, now, hours)
            ids = rollups.add(connection, self._store, self._dimensions, hours) if hours else {}
            again = _again(batch, rows, known) if known or batch.repeats else []
            conflicts = _keep_conflicts(connection, again, batch.firsts, known)
        self._dimensions.remember(ids)
        rejected = tuple(batch.rejected)
        if len(rows) < len(batch.rows):
            rejected += tuple(Rejection(row[0], row[1], TOO_LATE) for row in batch.rows if row[_STARTED] < horizon)
        return Recorded(len(fresh), len(again) - conflicts, conflicts, rejected)


def sort_out(entries: Sequence[Entry], recorded_at: int) -> Batch:
    """The rows of a batch."""
    batch = Batch([], {}, [], [])
    rows, firsts = batch.rows, batch.firsts
    for entry in entries:
        try:
            row = row_of(entry, recorded_at)
        except Unrecordable as error:
            batch.rejected.append(_rejection(entry, error))
            continue
        key = (row[0], row[1])
        if key in firsts:
            batch.repeats.append((row, entry))
        else:
            firsts[key] = entry
            rows.append(row)
    rows.sort()
    return batch


def _rejection(entry: Entry, error: Unrecordable) -> Rejection:
    id, attempt = entry.call.id, entry.call.attempt
    return Rejection(id if isinstance(id, str) else repr(id), attempt if isinstance(attempt, int) else 0, str(error))


def _again(batch: Batch, rows: Sequence[Row], known: Mapping[Key, Report]) -> list[tuple[Row, Entry]]:
    """What was reported under a key that is there already, in an order that all writers share."""
    again = [(row, batch.firsts[key]) for row in rows if (key := (row[0], row[1])) in known]
    written = {(row[0], row[1]) for row in rows}
    again += [(row, entry) for row, entry in batch.repeats if (row[0], row[1]) in written]
    return sorted(again, key=lambda pair: (pair[0][0], pair[0][1], pair[0][_DIGEST]))


def _keep_conflicts(
    connection: Connection, again: Sequence[tuple[Row, Entry]], firsts: Mapping[Key, Entry], known: Mapping[Key, Report]
) -> int:
    """Keep what contradicts an earlier report of ours, each contradiction once. Returns how many are new."""
    conflicts = 0
    for row, entry in again:
        key = (row[0], row[1])
        digest, emitter = known.get(key) or (firsts[key].digest, firsts[key].emitter)
        if row[_DIGEST] != digest and row[_EMITTER] == emitter == OWN:
            conflicts += connection.execute(_NEW_CONFLICT, _conflict(row, entry)).rowcount
    return conflicts


def _conflict(row: Row, entry: Entry) -> dict[str, object]:
    held = dict(zip(COLUMNS, row, strict=True))
    names = ("id", "attempt", "digest", "started_at", "recorded_at", "emitter")
    return {**{name: held[name] for name in names}, "record": encode(entry.call)}
