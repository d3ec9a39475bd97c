"""The few statements that SQLite and PostgreSQL must each be told in their own way, to be quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection, Table

from tollkeeper.storage.ledger.contract import Totals
from tollkeeper.storage.ledger.rows import COLUMNS, Row
from tollkeeper.storage.ledger.tables import STATE

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

    def begin_pruning(self, connection: Connection) -> None:
        """Wait until nobody records who began with another `pruned_before`."""

    def lock_rollups(self, connection: Connection) -> None:
        """Let nobody else add to the rollups until this transaction ends. To be called first in it."""

    def serialise(self, connection: Connection) -> None:
        """Wait for whoever else changes what was recorded, until this transaction ends."""


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
