"""Scheduled reports: due once among all sidecars of a database, made when they are delivered, and tried again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tollkeeper.alerting.schedule import ReportSchedule
from tollkeeper.model.alert import Alert, Notification
from tollkeeper.model.calendar import zone_named
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.notify.contract import Attachment, Delivery, Message
from tollkeeper.sidecar.notify.names import clean
from tollkeeper.sidecar.reports.document import Report
from tollkeeper.sidecar.reports.focus.export import exported, left_out
from tollkeeper.sidecar.reports.formats import MEDIA_TYPES, Format, NotInstalled, file_name, rendered
from tollkeeper.sidecar.reports.kinds import kind_named, made
from tollkeeper.sidecar.reports.material import Asked, Sources
from tollkeeper.sidecar.reports.wording import period, shown
from tollkeeper.storage.alerts.store import AlertStore

LARGEST: Final = 20 * 1024 * 1024
"""Bytes that go to a channel; a folder takes any."""
MOST_FIGURES: Final = 6
NANO: Final = 1_000_000_000
FACT: Final = "report"
"""Under which the facts of a notification say what is to be made."""


class ScheduledReports:
    """Of one sidecar. `clock` tells nanoseconds since the epoch; `tick` is run by the clock, on a thread, and asks for
    the `schedules` each time.
    """

    def __init__(
        self,
        schedules: Callable[[], Sequence[ReportSchedule]],
        store: AlertStore,
        sources: Sources,
        public_url: str | None,
        clock: Callable[[], int],
    ) -> None:
        self._schedules = schedules
        self._store = store
        self._sources = sources
        self._public_url = public_url
        self._clock = clock
        self._done: set[tuple[str, str, int]] = set()

    def tick(self) -> None:
        """Put what is due into the outbox. Raises `LedgerUnavailable`."""
        now = self._clock()
        for schedule in self._schedules():
            due = schedule.due(now)
            for target in schedule.to if due else ():
                assert due is not None
                done = (schedule.name, target, due[0])
                if done in self._done:
                    continue
                alert = _alert(schedule, due, now, self._public_url)
                if not self._store.was_told(alert.id, target):
                    self._store.tell_once(alert, target)
                self._done.add(done)

    def is_one(self, notification: Notification) -> bool:
        """Whether it is of a report."""
        return FACT in notification.alert.finding.facts

    def message(self, notification: Notification) -> Message | Delivery:
        """What a channel is told, with the report; or why it cannot be made."""
        try:
            return self._message(notification)
        except NotInstalled as missing:
            return Delivery("failed", str(missing))
        except ValueError as wrong:
            return Delivery("refused", str(wrong))

    def _message(self, notification: Notification) -> Message:
        finding = notification.alert.finding
        format, asked, report = self._report(notification)
        pieces, size = [], 0
        for piece in self._pieces(report, format, asked):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                raise ValueError(f"the report is larger than {LARGEST:,} bytes; a folder takes any")
        name = _file_name(finding.subject, report, format)
        attachment = Attachment(name, MEDIA_TYPES[format].partition(";")[0], b"".join(pieces))
        title = f"{report.title}, {period(report)}"
        if report.about:
            title += f": {clean(report.about)}"
        body = "\n".join(_text(report, left_out(self._sources, asked) if format == "focus" else ""))
        return Message(title, body, "info", finding.facts.get("link"), attachment, notification.id)

    def put(self, notification: Notification) -> Delivery:
        """Write the report into the folder that the notification is for, whole or not at all."""
        folder = Path(notification.channel)
        try:
            format, asked, report = self._report(notification)
            path = folder / _file_name(notification.alert.finding.subject, report, format)
            _write(path, self._pieces(report, format, asked))
        except NotInstalled as missing:
            return Delivery("failed", str(missing))
        except ValueError as wrong:
            return Delivery("refused", str(wrong))
        except OSError as error:
            return Delivery("failed", f"the folder cannot be written to: {error.strerror or type(error).__name__}")
        return Delivery("sent", f"written: {path.name}")

    def _report(self, notification: Notification) -> tuple[Format, Asked, Report]:
        finding = notification.alert.finding
        said: Mapping[str, Any] = finding.facts[FACT]
        kind = kind_named(said["kind"])
        if kind is None:
            raise ValueError(f"there is no report {said['kind']!r}")
        filters = {name: tuple(values) for name, values in said["only"].items()}
        asked = Asked(finding.period_start, finding.period_end, self._clock(), said["zone"], filters)
        return said["format"], asked, made(kind, self._sources, asked)

    def _pieces(self, report: Report, format: Format, asked: Asked) -> Iterator[bytes]:
        if format == "focus":
            return exported(self._sources, asked, "1.4")
        return iter([rendered(report, format, paper=self._sources.paper)])


def _alert(schedule: ReportSchedule, due: tuple[int, int], now: int, link: str | None) -> Alert:
    start = datetime.fromtimestamp(due[0] // NANO, UTC)
    facts = {
        "title": f"Report {schedule.name}",
        "body": "",
        "link": None if link is None else f"{link}{_page_of(schedule, due)}",
        FACT: {
            "kind": schedule.report,
            "format": schedule.format,
            "zone": schedule.zone,
            "only": {name: list(values) for name, values in schedule.only.items()},
        },
    }
    finding = Finding("digest", schedule.name, {}, "info", period_start=due[0], period_end=due[1], facts=facts)
    return Alert(f"report-{schedule.name}-{start:%Y-%m-%dT%H%M}", finding, due[0], now, now)


def _file_name(schedule: str, report: Report, format: Format) -> str:
    """The same for the same period: what is made again takes the place of what was."""
    return f"{schedule}-{file_name(report, format)}".replace("tollkeeper-", "")


def _text(report: Report, left_out: str) -> Iterator[str]:
    """For those who read no attachment: the figures that the report begins with."""
    for figure in report.sections[0].figures[:MOST_FIGURES]:
        detail = f" ({clean(figure.detail)})" if figure.detail else ""
        yield f"{figure.label}: {shown(figure.value, figure.form)}{detail}"
    yield from (clean(note) for note in report.sections[0].notes)
    if left_out:
        yield left_out


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).chmod(0o640)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _page_of(schedule: ReportSchedule, due: tuple[int, int]) -> str:
    """Where the same report is on the page. Its bar takes one value of each kind; with several, it is of all."""
    zone = zone_named(schedule.zone)
    first, last = (datetime.fromtimestamp(moment // NANO, zone).date() for moment in (due[0], due[1] - 1))
    only = {name: values[0] for name, values in schedule.only.items() if len(values) == 1}
    asked = {"report": schedule.report, "start": first, "end": last, "zone": schedule.zone, **only}
    return f"/reports?{urlencode(asked)}"
