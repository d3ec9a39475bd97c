"""The questions about reports, and what is answered. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import Selection, spelled_out

Format = Literal["json", "html", "pdf", "csv", "focus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfReport:
    """One kind of report, and the forms in which it can be had."""

    name: str
    title: str
    meaning: str
    formats: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindsOfReports:
    """All of them."""

    reports: list[KindOfReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """One number worth a large print. `form` says what `value` is: `money` is US dollars, exact; `None` is unknown."""

    label: str
    form: str
    value: Any
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportColumn:
    """A column of a table."""

    name: str
    label: str
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A table; its values are as the forms of its columns say."""

    name: str
    title: str
    columns: list[ReportColumn]
    rows: list[list[Any]]
    total: list[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """Values of a chart, one for each label."""

    name: str
    values: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMark:
    """A level to compare with."""

    value: Any
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChart:
    """What a chart is drawn from: `columns` are stacked, `lines` join values, `bars` lie, one a label."""

    title: str
    form: str
    labels: list[str]
    lines: list[ReportLine]
    style: Literal["columns", "lines", "bars"] = "columns"
    mark: ReportMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSnippet:
    """Lines of a file or of a program."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A part of a report."""

    title: str
    intro: str
    figures: list[ReportFigure]
    charts: list[ReportChart]
    tables: list[ReportTable]
    notes: list[str]
    snippets: list[ReportSnippet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is said about a period, as it was known at `as_of`; `about` says whose calls, where not everybody's."""

    kind: str
    title: str
    about: str
    start: datetime
    end: datetime
    zone: str
    as_of: datetime
    sections: list[ReportSection]
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportScheduleState:
    """A report that is made by the clock; `read_only`: the sidecar's own file has it."""

    name: str
    read_only: bool
    report: str
    every: Literal["day", "week", "month"]
    at: str
    zone: str
    format: Format
    only: dict[str, list[str]]
    to: list[str]
    next_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSchedules:
    """Those of the sidecar's file first."""

    schedules: list[ReportScheduleState]


def reports() -> Ask[KindsOfReports]:
    """The kinds of reports."""
    return Ask("GET", "/reports", reader(KindsOfReports))


@spelled_out
def report(kind: str, *, month: str | None = None, **selection: Unpack[Selection]) -> Ask[Report]:
    """A report of a range (the last 30 days, if none is given) or of a `month` such as `2026-01`."""
    return Ask("GET", f"/reports/{quote(kind, safe='')}", reader(Report), query_of({"month": month, **selection}))


@spelled_out
def report_file(
    kind: str,
    format: Format,
    *,
    table: str | None = None,
    focus_version: Literal["1.4", "1.2"] | None = None,
    month: str | None = None,
    **selection: Unpack[Selection],
) -> Ask[bytes]:
    """A report as a file. Of `csv`, the `table` of that name, else the first; `focus` are the charges behind it."""
    form = {"format": format, "table": table, "focus_version": focus_version}
    return Ask(
        "GET", f"/reports/{quote(kind, safe='')}", bytes, query_of({**form, "month": month, **selection}), is_file=True
    )


def report_schedules() -> Ask[ReportSchedules]:
    """Which reports are made by the clock, and for whom."""
    return Ask("GET", "/report-schedules", reader(ReportSchedules))


def set_report_schedule(
    name: str, document: Mapping[str, Any], *, reason: str | None = None
) -> Ask[ReportScheduleState]:
    """Set one, as a table of a file of channels says it, but for folders. What was due lately is made at once."""
    body = {**document, **body_of({"reason": reason})}
    return Ask("PUT", f"/report-schedules/{quote(name, safe='')}", reader(ReportScheduleState), body=body)


def remove_report_schedule(name: str, *, reason: str | None = None) -> Ask[ReportScheduleState]:
    """Make it no more. Answers with the schedule as it was; `NotFound` if there is none."""
    path = f"/report-schedules/{quote(name, safe='')}"
    return Ask("DELETE", path, reader(ReportScheduleState), query_of({"reason": reason}))
