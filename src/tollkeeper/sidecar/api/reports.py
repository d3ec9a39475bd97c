"""`/reports`: what people read: each kind as JSON, a page, a PDF or a table, of the same figures as `/usage`."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.filters import FilterParams, RangeParams
from tollkeeper.sidecar.api.problems import Refusal, wrong
from tollkeeper.sidecar.api.services import Given, Services
from tollkeeper.sidecar.api.zones import MOST_DAYS, Range, midnight, read_zone
from tollkeeper.sidecar.reports.focus.columns import Version
from tollkeeper.sidecar.reports.focus.export import exported, left_out
from tollkeeper.sidecar.reports.formats import FORMATS, MEDIA_TYPES, Format, NotInstalled, file_name, rendered
from tollkeeper.sidecar.reports.kinds import REPORTS, Kind, kind_named, made
from tollkeeper.sidecar.reports.material import Asked

router = APIRouter(tags=["reports"])

LEFT_OUT = "X-Tollkeeper-Left-Out"
"""What is not among the charges."""
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
Form = Literal["text", "money", "price", "count", "percent", "milliseconds", "day", "moment", "number"]


class ReportParams(RangeParams, FilterParams):
    """Which time, which calls, and in which form."""

    month: str | None = Field(
        default=None, max_length=7, description="A whole month, in place of `start` and `end`.", examples=["2026-01"]
    )
    format: Format = Field(
        default="json",
        description="`csv` is one table of it; `focus` are the charges behind it, as the FOCUS specification has them.",
    )
    table: str | None = Field(
        default=None, max_length=100, description="Of `csv`: which table, by its name; else the first."
    )

    focus_version: Version = Field(default="1.4", description="Of `focus`: by which version of the specification.")

    def asked(self, now: datetime) -> Range:
        """Raises `Refused`."""
        if self.month is None:
            return self.range(now)
        if (self.start, self.end, self.days) != (None, None, None):
            raise wrong("month", self.month, "either a month, or some of start, end and days")
        month = MONTH.fullmatch(self.month)
        if month is None or not 1971 <= int(month[1]) <= 2199:
            raise wrong("month", self.month, "a month such as 2026-01")
        zone = read_zone(self.zone)
        first = date(int(month[1]), int(month[2]), 1)
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return Range(midnight(first, zone), midnight(following, zone), zone)


class KindOfReport(BaseModel):
    """One kind of report."""

    name: str = Field(examples=["daily"])
    title: str = Field(examples=["Cost summary"])
    meaning: str
    formats: list[Format]


class KindsOfReports(BaseModel):
    """All of them."""

    reports: list[KindOfReport]


class ReportFigure(BaseModel):
    """One number worth a large print."""

    label: str
    form: Form = Field(description="What `value` is: `money` and `price` are US dollars, exact.")
    value: Any = Field(description="Null: not known.")
    detail: str


class ReportColumn(BaseModel):
    """A column of a table."""

    name: str
    label: str
    form: Form


class ReportTable(BaseModel):
    """A table; its values are as the forms of its columns say."""

    name: str
    title: str
    columns: list[ReportColumn]
    rows: list[list[Any]]
    total: list[Any] | None


class ReportLine(BaseModel):
    """Values of a chart, one for each label."""

    name: str
    values: list[Any]


class ReportMark(BaseModel):
    """A level to compare with."""

    value: Any
    label: str


class ReportChart(BaseModel):
    """What a chart is drawn from."""

    title: str
    style: Literal["columns", "lines", "bars"] = Field(description="Stacked, joined, or lying, one a label.")
    form: Form
    labels: list[str]
    lines: list[ReportLine]
    mark: ReportMark | None


class ReportSnippet(BaseModel):
    """Lines of a file or of a program."""

    label: str
    text: str


class ReportSection(BaseModel):
    """A part of a report."""

    title: str
    intro: str
    figures: list[ReportFigure]
    charts: list[ReportChart]
    tables: list[ReportTable]
    notes: list[str]
    snippets: list[ReportSnippet]


class ReportBody(BaseModel):
    """A report as JSON."""

    kind: str
    title: str
    about: str = Field(description="Whose calls it is about; empty: everybody's.")
    start: datetime = Field(description="Included.")
    end: datetime = Field(description="Not included.")
    zone: str
    as_of: datetime = Field(description="When this was known.")
    sections: list[ReportSection]
    notes: list[str]


@router.get("/reports", response_model=KindsOfReports, summary="The kinds of reports")
def kinds(given: Given) -> Answer:
    """Which reports there are, and in which forms."""
    found = [
        KindOfReport(name=kind.name, title=kind.title, meaning=kind.meaning, formats=list(_formats(kind)))
        for kind in REPORTS
    ]
    return Answer(KindsOfReports(reports=found))


@router.get(
    "/reports/{kind}",
    response_model=ReportBody,
    summary="A report",
    responses={
        200: {
            "content": {
                "text/html": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            },
            "headers": {LEFT_OUT: {"description": "Of `focus`: what is in no charge.", "schema": {"type": "string"}}},
        },
        404: {"model": Refusal, "description": "There is no such kind of report."},
        501: {"model": Refusal, "description": "What makes PDFs is not installed."},
    },
)
def report(
    given: Given,
    kind: Annotated[str, Path(max_length=100, description="Its name.", examples=["daily"])],
    params: Annotated[ReportParams, Query()],
) -> Response:
    """Made now, of the figures that the other routes answer with: the same to the nano-dollar.

    Amounts in JSON and CSV are exact; on pages and in PDFs they are rounded where they are shown.
    """
    known = kind_named(kind)
    if known is None:
        raise wrong("kind", kind, f"one of {', '.join(each.name for each in REPORTS)}", 404)
    if params.format not in _formats(known):
        raise wrong("format", params.format, f"one of {', '.join(_formats(known))}: {kind} is not about charges")
    when = params.asked(given.now())
    if (when.end - when.start).days > MOST_DAYS:
        raise wrong("start", when.start.isoformat(), f"a range of at most {MOST_DAYS:,} days")
    asked = Asked(when.start_ns, when.end_ns, given.now_nanoseconds(), when.zone.key, params.filters())
    return _answer(given, known, asked, params)


def _formats(kind: Kind) -> tuple[Format, ...]:
    return FORMATS if kind.has_charges else tuple(each for each in FORMATS if each != "focus")


def _answer(given: Services, kind: Kind, asked: Asked, params: ReportParams) -> Response:
    if params.format == "focus":
        return _charges(given, asked, params.focus_version)
    found = made(kind, given.reports, asked)
    try:
        content = rendered(found, params.format, table=params.table, paper=given.reports.paper)
    except NotInstalled as missing:
        raise wrong("format", params.format, str(missing), 501) from None
    except ValueError as names:
        raise wrong("table", params.table, f"one of {names}") from None
    headers = {"Content-Disposition": f'{_shown_as(params.format)}; filename="{file_name(found, params.format)}"'}
    return Response(content, media_type=MEDIA_TYPES[params.format], headers=headers)


def _charges(given: Services, asked: Asked, version: Version) -> Response:
    """In pieces, as there may be many."""
    headers = {
        "Content-Disposition": f'attachment; filename="tollkeeper-focus-{asked.shown(asked.start):%Y-%m-%d}.csv"'
    }
    if told := left_out(given.reports, asked):
        headers[LEFT_OUT] = told
    return StreamingResponse(exported(given.reports, asked, version), media_type=MEDIA_TYPES["focus"], headers=headers)


def _shown_as(format: Format) -> str:
    return "inline" if format in ("json", "html") else "attachment"
