"""The schedules of reports that people have set by the API: in the database, audited."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sqlalchemy import delete, insert, select, update

from tollkeeper.alerting.schedule import ReportSchedule, document_of, schedule_of
from tollkeeper.storage.alerts.tables import REPORT_SCHEDULES
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart

KIND = "report_schedule"


class ReportScheduleStore:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def all(self) -> list[ReportSchedule]:
        """In the order of their names."""
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(select(REPORT_SCHEDULES).order_by(REPORT_SCHEDULES.c.name)).all()
        return [schedule_of(json.loads(row.document), row.name) for row in rows]

    def set(self, schedule: ReportSchedule, *, author: str, reason: str) -> bool:
        """Put a schedule in place of the one of its name. True: there was none."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            by_name = REPORT_SCHEDULES.c.name == schedule.name
            row = connection.execute(select(REPORT_SCHEDULES).where(by_name)).one_or_none()
            after = document_of(schedule)
            values = {"document": json.dumps(after), "changed_at": self._clock(), "author": author}
            if row is None:
                connection.execute(insert(REPORT_SCHEDULES), {"name": schedule.name, **values})
            else:
                connection.execute(update(REPORT_SCHEDULES).where(by_name).values(values))
            self._audit.record(
                connection, author=author, action="create" if row is None else "change", kind=KIND,
                object_id=schedule.name, before=None if row is None else json.loads(row.document), after=after,
                reason=reason,
            )  # fmt: skip
            return row is None

    def remove(self, name: str, *, author: str, reason: str) -> bool:
        """False: there is none of that name."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            by_name = REPORT_SCHEDULES.c.name == name
            row = connection.execute(select(REPORT_SCHEDULES).where(by_name)).one_or_none()
            if row is None:
                return False
            connection.execute(delete(REPORT_SCHEDULES).where(by_name))
            self._audit.record(
                connection, author=author, action="remove", kind=KIND, object_id=name,
                before=json.loads(row.document), reason=reason,
            )  # fmt: skip
            return True
