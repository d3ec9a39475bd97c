"""What people booked beside calls: usage that was set back, and when somebody was told of a quota.

A reset takes nothing out of the ledger. It books a negative amount in the counters, and is kept here, so that ledger
and counters can still be compared. Moments are nanoseconds since the epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, func, insert, select, update

from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger.failures import told_apart

USAGE_RESETS = Table(
    "usage_resets",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("limit_name", Text, nullable=False),
    Column("scope", Text, nullable=False),  # JSON
    Column("period_start", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in ("amount", "calls", "failed", "tokens")),
    Column("recorded_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_usage_resets_period_start", "period_start"),
)

QUOTA_ALERTS = Table(
    "quota_alerts",
    METADATA,
    Column("config", Text, primary_key=True),
    Column("sent_at", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
)


class Reset(NamedTuple):
    """So much of a limit's usage, in one period and scope, does not count any more.

    `amount` is what the counters had; calls and tokens are what the ledger had.
    """

    limit_name: str
    scope: Mapping[str, str]
    period_start: int
    amount: int
    calls: int
    failed: int
    tokens: int


class Resets:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def add(self, reset: Reset, book: Callable[[str], object], *, author: str, reason: str) -> None:
        """Keep and audit a reset. `book` is given an id to book it in the counters by; if it fails, nothing is kept."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            last = connection.execute(select(func.max(USAGE_RESETS.c.id))).scalar() or 0
            now = self._clock()
            row = {**reset._asdict(), "scope": _written(reset.scope), "id": last + 1, "recorded_at": now}
            connection.execute(insert(USAGE_RESETS), {**row, "author": author, "reason": reason})
            self._audit.record(
                connection,
                author=author,
                action="reset",
                kind="usage",
                object_id=reset.limit_name,
                before={**reset._asdict(), "scope": dict(reset.scope)},
                after=None,
                reason=reason,
            )
            book(f"reset {last + 1} {now}")

    def since(self, period_start: int) -> list[Reset]:
        """Those of periods that began then or later."""
        rows = select(*(USAGE_RESETS.c[name] for name in Reset._fields))
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.where(USAGE_RESETS.c.period_start >= period_start)).all()
        return [_reset(row._asdict()) for row in found]

    def alerts(self) -> dict[str, int]:
        """When somebody was last told of each configuration's quota."""
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(select(QUOTA_ALERTS.c.config, QUOTA_ALERTS.c.sent_at)).all()
        return {row.config: row.sent_at for row in rows}

    def claim_alert(self, config: str, sender: str, interval: int) -> bool:
        """Whether to tell now: nobody was told for `interval` nanoseconds. Of several who ask, one is to."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            now = self._clock()
            of_it = QUOTA_ALERTS.c.config == config
            last = connection.execute(select(QUOTA_ALERTS.c.sent_at).where(of_it)).scalar()
            if last is not None and now - last < interval:
                return False
            values = {"sent_at": now, "sender": sender}
            if last is None:
                connection.execute(insert(QUOTA_ALERTS), {"config": config, **values})
            else:
                connection.execute(update(QUOTA_ALERTS).where(of_it).values(values))
            return True


def _written(scope: Mapping[str, str]) -> str:
    return json.dumps(dict(scope), sort_keys=True)


def _reset(row: dict[str, Any]) -> Reset:
    return Reset(**{**row, "scope": json.loads(row["scope"])})
