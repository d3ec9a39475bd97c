"""The channels that people have set by the API: in the database, audited, their secrets never shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sqlalchemy import delete, insert, select, update

from tollkeeper.alerting.channel import Channel, channel_of, document_of, table_of
from tollkeeper.storage.alerts.tables import CHANNELS
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart

KIND = "channel"


class ChannelStore:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def all(self) -> list[Channel]:
        """In the order of their names."""
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(select(CHANNELS).order_by(CHANNELS.c.name)).all()
        return [channel_of(json.loads(row.document), row.name, trusted=True) for row in rows]

    def set(self, channel: Channel, *, author: str, reason: str) -> bool:
        """Put a channel in place of the one of its name. True: there was none."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            by_name = CHANNELS.c.name == channel.name
            row = connection.execute(select(CHANNELS).where(by_name)).one_or_none()
            values = {"document": json.dumps(document_of(channel)), "changed_at": self._clock(), "author": author}
            if row is None:
                connection.execute(insert(CHANNELS), {"name": channel.name, **values})
            else:
                connection.execute(update(CHANNELS).where(by_name).values(values))
            before = None if row is None else table_of(channel_of(json.loads(row.document), row.name, trusted=True))
            self._audit.record(
                connection, author=author, action="create" if row is None else "change", kind=KIND,
                object_id=channel.name, before=before, after=table_of(channel), reason=reason,
            )  # fmt: skip
            return row is None

    def remove(self, name: str, *, author: str, reason: str) -> bool:
        """False: there is none of that name."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            row = connection.execute(select(CHANNELS).where(CHANNELS.c.name == name)).one_or_none()
            if row is None:
                return False
            connection.execute(delete(CHANNELS).where(CHANNELS.c.name == name))
            before = table_of(channel_of(json.loads(row.document), name, trusted=True))
            self._audit.record(
                connection, author=author, action="remove", kind=KIND, object_id=name, before=before, reason=reason
            )
            return True
