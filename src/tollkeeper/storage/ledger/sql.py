"""The ledger in a SQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import calls, marks, rebuild, rollups
from tollkeeper.storage.ledger.adjusted import adjusted
from tollkeeper.storage.ledger.changes import adjust, retract
from tollkeeper.storage.ledger.clean import clean
from tollkeeper.storage.ledger.contract import (
    Adjusted,
    Adjustment,
    CallQuery,
    Difference,
    Dimension,
    Entry,
    Kept,
    Recorded,
    Retraction,
    Started,
    Traced,
    UsageQuery,
    UsageRow,
)
from tollkeeper.storage.ledger.dimensions import Dimensions
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.label_sets import LabelSet, label_sets
from tollkeeper.storage.ledger.newest import newest
from tollkeeper.storage.ledger.prune import prune
from tollkeeper.storage.ledger.rollups import Hours
from tollkeeper.storage.ledger.store import Store, pruned_before
from tollkeeper.storage.ledger.store_sqlite import SqliteStore
from tollkeeper.storage.ledger.usage import usage
from tollkeeper.storage.ledger.write import Writer


class SqlLedger:
    """A ledger in a database whose schema is up to date (`Database.migrate`). `clock` gives nanoseconds."""

    def __init__(
        self, database: Database, clock: Callable[[], int] = time.time_ns, dimensions: Dimensions | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._store = _store(database)
        self._dimensions = dimensions or Dimensions()
        self._writer = Writer(database, self._store, self._dimensions)

    def record(self, entries: Sequence[Entry], retractions: Sequence[Retraction] = ()) -> Recorded:
        """Keep a batch and its rollups, in one transaction. Raises `LedgerUnavailable`."""
        return self._writer.record(entries, retractions, self._clock())

    def mark_started(self, started: Sequence[Started]) -> None:
        """Note calls that were begun and never reported."""
        with told_apart(self._database), self._database.write() as connection:
            marks.keep(connection, started, self._clock())

    def orphans(self, limit: int = 100) -> list[Started]:
        """The calls that were begun and never reported, newest first."""
        with told_apart(self._database), self._database.read() as connection:
            return marks.orphans(connection, limit)

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        """Sums, sorted by interval, then by group. Raises `ValueError` for an unknown zone or dimension."""
        with told_apart(self._database), self._database.read() as connection:
            return usage(connection, query, self._database.is_sqlite)

    def newest(self, before: int) -> Mapping[str, int]:
        """When the newest call of each provider began, without days that begin at `before` or later."""
        with told_apart(self._database), self._database.read() as connection:
            return newest(connection, before)

    def calls(self, query: CallQuery) -> tuple[list[Mapping[str, Any]], str | None]:
        """A page of calls, and the cursor of the next page, if there is one."""
        with told_apart(self._database), self._database.read() as connection:
            rows, cursor = calls.page(connection, query, self._clock())
            return list(rows), cursor

    def call(self, id: str) -> list[Mapping[str, Any]]:
        """Every attempt of a call, with line items, conflicts and adjustments."""
        with told_apart(self._database), self._database.read() as connection:
            return list(calls.whole(connection, id))

    def find_in_trace(self, trace_ids: Sequence[str]) -> list[Traced]:
        """The calls of these traces that were recorded in the last three days, retracted ones too, oldest first."""
        with told_apart(self._database), self._database.read() as connection:
            return calls.in_traces(connection, trace_ids, self._clock())

    def select_calls(
        self, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]] | None = None
    ) -> Iterator[Kept]:
        """Every call of a period that counts, oldest first. No transaction is open between two of them."""
        after: tuple[Any, ...] | None = (start, "", -1)
        while after is not None:
            with told_apart(self._database), self._database.read() as connection:
                found, after = calls.kept(connection, start, end, filters or {}, after)
            yield from found

    def select_adjustments(
        self, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]] | None = None
    ) -> Iterator[Adjusted]:
        """Every correction of the calls of a period that count, by when the calls began."""
        after: tuple[Any, ...] | None = (start, "", -1, "")
        while after is not None:
            with told_apart(self._database), self._database.read() as connection:
                found, after = adjusted(connection, start, end, filters or {}, after)
            yield from found

    def kept_since(self) -> int:
        """Calls that started earlier were deleted; their sums are kept."""
        with told_apart(self._database), self._database.read() as connection:
            return pruned_before(connection)

    def retract(self, retractions: Sequence[Retraction]) -> int:
        """Take calls out of the totals. Returns how many were counted until now."""
        now = self._clock()
        return self._change(lambda connection, hours: retract(connection, self._store, retractions, now, hours))

    def adjust(self, repricing_id: str, adjustments: Sequence[Adjustment], author: str, reason: str) -> int:
        """Correct what calls cost, each once for each `repricing_id`. Returns how many were adjusted."""
        now = self._clock()
        signed = {
            "repricing_id": clean(repricing_id),
            "author": clean(author),
            "reason": clean(reason),
            "recorded_at": now,
        }
        return self._change(lambda connection, hours: adjust(connection, self._store, adjustments, signed, hours))

    def _change(self, change: Callable[[Any, Hours], int]) -> int:
        hours: Hours = {}
        with told_apart(self._database), self._database.write() as connection:
            changed = change(connection, hours)
            ids = rollups.add(connection, self._store, self._dimensions, hours) if hours else {}
        self._dimensions.remember(ids)
        return changed

    def label_sets(self, found: Sequence[LabelSet], most: int) -> set[LabelSet]:
        """The first `most` label sets that there were. New ones are noted, in their order, while there is room."""
        with told_apart(self._database):
            return label_sets(self._database, self._store, found, most)

    def check_rollups(self, start: int, end: int) -> list[Difference]:
        """Where the rollups of a period are not the sums of its calls."""
        with told_apart(self._database), self._database.read() as connection:
            found = []
            for day in rebuild.days(connection, start, end):
                found += rebuild.differences(connection, day, self._database.is_sqlite)
            return found

    def rebuild_rollups(self, start: int, end: int) -> None:
        """Make the rollups of a period from its calls again, day by day of UTC."""
        with told_apart(self._database):
            with self._database.read() as connection:
                days = list(rebuild.days(connection, start, end))
            for day in days:
                with self._database.write() as connection:
                    places = rebuild.rebuild(connection, self._store, self._dimensions, day, self._database.is_sqlite)
                self._dimensions.remember(places)

    def prune(self, before: int, rollups_before: int = 0) -> int:
        """Delete the calls that started earlier, and return how many. Older ones are rejected from then on."""
        with told_apart(self._database):
            return prune(self._database, self._store, before, rollups_before)

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()


def _store(database: Database) -> Store:
    if database.is_sqlite:
        return SqliteStore()
    # PostgreSQL's driver is an extra.
    from tollkeeper.storage.ledger.store_postgres import PostgresStore  # noqa: PLC0415

    return PostgresStore(database)
