"""The few statements that SQLite and PostgreSQL must each be told in their own way, to be quick."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Table

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.contract import DIMENSIONS, Totals
from tollkeeper.storage.ledger.rows import COLUMNS, Row
from tollkeeper.storage.ledger.tables import DIMENSION_VALUES, STATE

Key = tuple[str, int]
"""Id and attempt of a call."""
Report = tuple[bytes, str]
"""Digest and emitter of what was reported."""
RollupRow = tuple[int, ...]
"""Bucket, dimension, and the totals."""

NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
TOTALS = Totals._fields


class Store(Protocol):
    """One kind of database."""

    def prepare(self, rows: Sequence[Row]) -> None:
        """What must be there before the rows are inserted, in transactions of its own."""

    def forget(self) -> None:
        """What was prepared is there no longer."""

    def begin(self, connection: Connection) -> int:
        """Begin to record: `pruned_before`, which stays as it is until this transaction ends."""

    def insert(self, connection: Connection, rows: Sequence[Row]) -> Mapping[Key, Report]:
        """Insert sorted rows, and return what is there already under the keys of the others."""

    def keep_dimensions(
        self, connection: Connection, asked: Sequence[tuple[int, tuple[str, ...]]]
    ) -> Mapping[int, tuple[str, ...]]:
        """Insert those whose id is new; what is there under each id."""

    def add(self, connection: Connection, table: Table, rows: Sequence[RollupRow]) -> None:
        """Add to the rows of a rollup, in their order."""

    def serialise(self, connection: Connection) -> None:
        """Wait for whoever else changes what was recorded, until this transaction ends."""


def store_of(database: Database) -> Store:
    """The one for this database."""
    if database.is_sqlite:
        return SqliteStore()
    # psycopg is an extra.
    from tollkeeper.storage.ledger.store_postgres import PostgresStore  # noqa: PLC0415

    return PostgresStore(database)


def pruned_before(connection: Connection) -> int:
    """Calls that started earlier than this moment were deleted."""
    row = connection.exec_driver_sql(f"SELECT value FROM {STATE.name} WHERE name = 'pruned_before'").first()
    return 0 if row is None else int(row[0])


def rollup_upsert(table: Table, source: str) -> str:
    """The statement that adds to a rollup what `source` gives."""
    names = ", ".join(TOTALS)
    sums = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in TOTALS)
    return (
        f"INSERT INTO {table.name} (bucket, dimension, {names}) {source} "
        f"ON CONFLICT (bucket, dimension) DO UPDATE SET {sums}"
    )


class SqliteStore:
    """SQLite has one writer at a time: what was read in a transaction that writes stays true."""

    def prepare(self, rows: Sequence[Row]) -> None:
        pass

    def forget(self) -> None:
        pass

    def begin(self, connection: Connection) -> int:
        return pruned_before(connection)

    def serialise(self, connection: Connection) -> None:
        pass

    def insert(self, connection: Connection, rows: Sequence[Row]) -> Mapping[Key, Report]:
        known = _reports(connection, rows)
        fresh = [row for row in rows if (row[0], row[1]) not in known] if known else rows
        if fresh:
            marks = ", ".join("?" * len(COLUMNS))
            connection.exec_driver_sql(f"INSERT INTO calls ({NAMES}) VALUES ({marks})", list(fresh))
        return known

    def keep_dimensions(
        self, connection: Connection, asked: Sequence[tuple[int, tuple[str, ...]]]
    ) -> Mapping[int, tuple[str, ...]]:
        marks = ", ".join("?" * (len(DIMENSIONS) + 1))
        statement = f"INSERT OR IGNORE INTO {DIMENSION_VALUES.name} VALUES ({marks})"
        connection.exec_driver_sql(statement, [(id, *values) for id, values in asked])
        found = connection.exec_driver_sql(
            f"SELECT * FROM {DIMENSION_VALUES.name} WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([id for id, _ in asked]),),
        )
        return {row[0]: tuple(row[1:]) for row in found}

    def add(self, connection: Connection, table: Table, rows: Sequence[RollupRow]) -> None:
        if rows:
            marks = ", ".join("?" * (len(TOTALS) + 2))
            connection.exec_driver_sql(rollup_upsert(table, f"VALUES ({marks})"), list(rows))


def _reports(connection: Connection, rows: Iterable[Row]) -> dict[Key, Report]:
    found: Iterable[Any] = connection.exec_driver_sql(
        "SELECT id, attempt, digest, emitter FROM calls WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps([row[0] for row in rows]),),
    )
    return {(id, attempt): (digest, emitter) for id, attempt, digest, emitter in found}
