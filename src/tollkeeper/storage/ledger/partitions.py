"""PostgreSQL's table of calls is partitioned by the month of the id: old months are dropped in no time."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.months import OTHERS, next_month

LOCK = 7_611_040_122
"""The advisory lock of those who make or drop partitions."""


def ensure(database: Database, months: Iterable[int]) -> frozenset[int]:
    """Make the partitions that are missing, and the one after them; return all that there are."""
    wanted = set(months)
    if wanted - {OTHERS}:
        wanted.add(next_month(max(wanted)))
    with database.write() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        there = existing(connection)
        for month in sorted(wanted - there):
            # Attaching a table, unlike making it as a partition, waits for no reader or writer of the others.
            connection.exec_driver_sql(f"CREATE TABLE {name(month)} (LIKE calls INCLUDING ALL)")
            connection.exec_driver_sql(f"ALTER TABLE calls ATTACH PARTITION {name(month)} FOR VALUES IN ({month})")
        return there | wanted


def existing(connection: Connection) -> frozenset[int]:
    """The months that have a partition; 0 is the one of the ids that have no month."""
    found = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'calls'::regclass"
    )
    return frozenset(_month(row[0]) for row in found)


def name(month: int) -> str:
    """The table of a month."""
    return f"calls_{month}" if month else "calls_others"


def _month(table: str) -> int:
    numbered = re.fullmatch(r"calls_(\d{6})", table)
    return int(numbered[1]) if numbered else 0
