"""When which reports are made: as the file of channels says, and as people have set."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.alerting.schedule import ReportSchedule
from tollkeeper.storage.alerts.report_schedules import ReportScheduleStore


class ReportSchedules:
    """Those of the file, and those that people have set; where both have a name, the file's is meant."""

    def __init__(self, of_file: Sequence[ReportSchedule], store: ReportScheduleStore) -> None:
        self.of_file = tuple(of_file)
        self.store = store

    def all(self) -> list[ReportSchedule]:
        """In the order in which they are shown. Raises `LedgerUnavailable`."""
        names = {schedule.name for schedule in self.of_file}
        return [*self.of_file, *(schedule for schedule in self.store.all() if schedule.name not in names)]

    def is_of_file(self, name: str) -> bool:
        """Whether it is the file's, and changed there only."""
        return any(schedule.name == name for schedule in self.of_file)

    def one(self, name: str) -> ReportSchedule | None:
        """The one of a name."""
        return next((schedule for schedule in self.all() if schedule.name == name), None)
