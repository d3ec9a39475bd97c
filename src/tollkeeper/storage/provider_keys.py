"""Which providers' keys are set where apps run, as they have said: never a key, nor more than its last four characters.

Several processes of a service may have different keys, as while one is exchanged: each that was told of is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Boolean, Column, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from tollkeeper.model.providers import KeyFound
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.failures import told_apart

KEPT_FOR_NS = 30 * 86_400 * 1_000_000_000
"""What nobody has said any more for so long is forgotten."""

PROVIDER_KEYS = Table(
    "provider_keys",
    METADATA,
    Column("service", Text, primary_key=True),
    Column("variable", Text, primary_key=True),
    Column("is_set", Boolean, primary_key=True),
    Column("last_four", Text, primary_key=True),  # empty: none is set, or it is too short to be shown
    Column("told_at", BigInteger, nullable=False),  # when it was said last
)


class KeyTold(NamedTuple):
    """What a service has said of a key, and when last, in nanoseconds since the epoch."""

    service: str
    key: KeyFound
    told_at: int


class ProviderKeys:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock

    def tell(self, service: str, keys: Sequence[KeyFound]) -> None:
        """A process of that service has just found these."""
        now = self._clock()
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        # In one order, as two that write the same rows at once would wait for each other.
        found = sorted({(each.variable, each.is_set, each.last_four or "") for each in keys})
        rows = [
            {"service": service, "variable": variable, "is_set": is_set, "last_four": last, "told_at": now}
            for variable, is_set, last in found
        ]
        with told_apart(self._database), self._database.write() as connection:
            connection.execute(delete(PROVIDER_KEYS).where(PROVIDER_KEYS.c.told_at < now - KEPT_FOR_NS))
            if rows:
                told = insert(PROVIDER_KEYS).values(rows)
                connection.execute(
                    told.on_conflict_do_update(
                        index_elements=list(PROVIDER_KEYS.primary_key), set_={"told_at": told.excluded.told_at}
                    )
                )

    def all(self) -> list[KeyTold]:
        """By variable and service, the newest first."""
        newest = select(PROVIDER_KEYS).order_by(
            PROVIDER_KEYS.c.variable, PROVIDER_KEYS.c.service, PROVIDER_KEYS.c.told_at.desc(), PROVIDER_KEYS.c.last_four
        )
        with told_apart(self._database), self._database.read() as connection:
            return [
                KeyTold(row.service, KeyFound(row.variable, row.is_set, row.last_four or None), row.told_at)
                for row in connection.execute(newest)
            ]
