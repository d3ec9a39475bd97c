"""The statements for PostgreSQL: COPY into a staging table, and a partition for each month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import partitions
from tollkeeper.storage.ledger.contract import DIMENSIONS
from tollkeeper.storage.ledger.rows import PLACE, Row
from tollkeeper.storage.ledger.store import NAMES, TOTALS, Key, Report, RollupRow, pruned_before, rollup_upsert
from tollkeeper.storage.ledger.tables import DIMENSION_VALUES, HOURLY

CHANGES = 7_611_040_120
"""The advisory lock of those who change what was recorded; those who only add to it share another one."""
HORIZON = 7_611_040_121

_MONTH = PLACE["month"]


class PostgresStore:
    """Several writers at once: each locks rows in the same order, so that none waits for another in a circle."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months: frozenset[int] = frozenset((0,))

    def prepare(self, rows: Sequence[Row]) -> None:
        months = {row[_MONTH] for row in rows}
        if not months <= self._months:
            self._months = partitions.ensure(self._database, months)

    def forget(self) -> None:
        self._months = frozenset((0,))

    def begin(self, connection: Connection) -> int:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(%s)", (HORIZON,))
        return pruned_before(connection)

    def begin_pruning(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (HORIZON,))

    def lock_rollups(self, connection: Connection) -> None:
        # The first of the rollups that everyone writes to: who waits for it holds none of the others.
        connection.exec_driver_sql(f"LOCK TABLE {HOURLY.name} IN SHARE ROW EXCLUSIVE MODE")

    def serialise(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (CHANGES,))

    def insert(self, connection: Connection, rows: Sequence[Row]) -> Mapping[Key, Report]:
        cursor: Any = connection.connection.cursor()
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS calls_staging (LIKE calls) ON COMMIT DELETE ROWS")
        with cursor.copy(f"COPY calls_staging ({NAMES}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO calls ({NAMES}) SELECT {NAMES} FROM calls_staging "
            "ORDER BY month, id, attempt ON CONFLICT (id, attempt, month) DO NOTHING RETURNING id, attempt"
        )
        if cursor.rowcount == len(rows):
            cursor.close()
            return {}
        fresh = set(cursor.fetchall())
        cursor.execute(
            "SELECT c.id, c.attempt, c.digest, c.emitter FROM calls c JOIN calls_staging s "
            "ON c.month = s.month AND c.id = s.id AND c.attempt = s.attempt"
        )
        known = {(id, attempt): (bytes(digest), emitter) for id, attempt, digest, emitter in cursor.fetchall()}
        cursor.close()
        return {key: report for key, report in known.items() if key not in fresh}

    def keep_dimensions(
        self, connection: Connection, asked: Sequence[tuple[int, tuple[str, ...]]]
    ) -> Mapping[int, tuple[str, ...]]:
        columns = [[id for id, _ in asked], *map(list, zip(*(values for _, values in asked), strict=True))]
        types = ", ".join(("%s::bigint[]", *("%s::text[]" for _ in DIMENSIONS)))
        table = DIMENSION_VALUES.name
        connection.exec_driver_sql(
            f"INSERT INTO {table} SELECT * FROM unnest({types}) ON CONFLICT (id) DO NOTHING", tuple(columns)
        )
        found = connection.exec_driver_sql(f"SELECT * FROM {table} WHERE id = ANY(%s)", (columns[0],))
        return {row[0]: tuple(row[1:]) for row in found}

    def add(self, connection: Connection, table: Table, rows: Sequence[RollupRow]) -> None:
        if rows:
            arrays = ", ".join(("%s::integer[]", *("%s::bigint[]" for _ in range(len(TOTALS) + 1))))
            source = f"SELECT * FROM unnest({arrays})"
            connection.exec_driver_sql(
                rollup_upsert(table, source), tuple(list(column) for column in zip(*rows, strict=True))
            )
