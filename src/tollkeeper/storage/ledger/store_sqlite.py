"""The statements for SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from tollkeeper.storage.ledger.contract import DIMENSIONS
from tollkeeper.storage.ledger.rows import COLUMNS, Row
from tollkeeper.storage.ledger.store import NAMES, TOTALS, Key, Report, RollupRow, pruned_before, rollup_upsert
from tollkeeper.storage.ledger.tables import DIMENSION_VALUES


class SqliteStore:
    """SQLite has one writer at a time: what was read in a transaction that writes stays true."""

    def prepare(self, rows: Sequence[Row]) -> None:
        pass

    def forget(self) -> None:
        pass

    def begin(self, connection: Connection) -> int:
        return pruned_before(connection)

    def begin_pruning(self, connection: Connection) -> None:
        pass

    def lock_rollups(self, connection: Connection) -> None:
        pass

    def serialise(self, connection: Connection) -> None:
        pass

    def insert(self, connection: Connection, rows: Sequence[Row]) -> Mapping[Key, Report]:
        last = connection.exec_driver_sql("SELECT max(rowid) FROM calls").scalar() or 0
        marks = ", ".join("?" * len(COLUMNS))
        statement = f"INSERT INTO calls ({NAMES}) VALUES ({marks}) ON CONFLICT (id, attempt) DO NOTHING"
        inserted = connection.exec_driver_sql(statement, list(rows)).rowcount
        return _reports(connection, rows, last) if inserted < len(rows) else {}

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


def _reports(connection: Connection, rows: Iterable[Row], last: int) -> dict[Key, Report]:
    """What was there under these keys when `last` was the newest row."""
    found: Iterable[Any] = connection.exec_driver_sql(
        "SELECT id, attempt, digest, emitter FROM calls WHERE id IN (SELECT value FROM json_each(?)) AND rowid <= ?",
        (json.dumps([row[0] for row in rows]), last),
    )
    return {(id, attempt): (digest, emitter) for id, attempt, digest, emitter in found}
