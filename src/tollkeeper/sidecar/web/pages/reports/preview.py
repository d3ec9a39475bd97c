"""A report as it would be sent, on the page: which kind, of which time and whose calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from starlette.responses import Response

from tollkeeper.client.reporting import KindOfReport, KindsOfReports, Report, ReportTable
from tollkeeper.sidecar.web.pages.reports.drawing import drawn
from tollkeeper.sidecar.web.pages.reports.files import asked_of
from tollkeeper.sidecar.web.pages.reports.tabs import TABS
from tollkeeper.sidecar.web.pages.reports.values import cell
from tollkeeper.sidecar.web.view import Missing, View

FIRST = "daily"
OF_CALLS = frozenset(("performance",))
"""Read from calls and not from sums, which may take half a minute: the page is shown first."""


class Preset(NamedTuple):
    """A report that is often wanted, and what its address says."""

    title: str
    meaning: str
    query: Mapping[str, str]


PRESETS: Sequence[Preset] = (
    Preset("Last month by tenant", "What each has to pay.", {"report": "statement", "range": "last-month"}),
    Preset("This month by tenant", "The same, so far.", {"report": "statement", "range": "month"}),
    Preset(
        "Tenants and models", "What each tenant used, last month.",
        {"report": "statement", "range": "last-month", "table": "by_tenant_and_model"},
    ),
    Preset("Model mix", "What each model cost, in 90 days.", {"report": "daily", "range": "90d", "table": "by_model"}),
)  # fmt: skip


class Offer(NamedTuple):
    """Something to choose."""

    title: str
    meaning: str
    link: str
    is_chosen: bool


async def reports(view: View) -> Response:
    """What can be had, and the one that is asked for."""
    query = view.request.query_params
    kind, wanted = query.get("report", FIRST), query.get("table")
    later = kind in OF_CALLS and "shown" not in query and "hx-request" not in view.request.headers
    asked = {} if later else {"report": view.api.report(kind, **asked_of(view))}
    found = await view.together(kinds=view.api.reports(), **asked)
    kinds, report = found["kinds"], found.get("report", Missing("It is not made yet."))
    formats: Sequence[str] = ()
    if isinstance(kinds, KindsOfReports):
        formats = next((each.formats for each in kinds.reports if each.name == kind), ())
    return view.page(
        "reports/reports.html", title="Reports", tabs=TABS, report=_only(report, wanted), wanted=wanted, kind=kind,
        formats=formats, offers=[] if isinstance(kinds, Missing) else _offers(view, kinds.reports, kind),
        drawn=drawn, cell=cell, later=later,
    )  # fmt: skip


def _offers(view: View, kinds: Sequence[KindOfReport], kind: str) -> list[Offer]:
    presets = [_preset(view, each) for each in PRESETS]
    is_preset = any(each.is_chosen for each in presets)
    plain = [
        Offer(
            each.title, each.meaning,
            view.filters.link("/reports", report=None if each.name == FIRST else each.name, table=None, shown=None),
            each.name == kind and not is_preset,
        )
        for each in kinds
    ]  # fmt: skip
    return [*plain, *presets]


def _preset(view: View, preset: Preset) -> Offer:
    query: dict[str, Any] = {"start": None, "end": None, "table": None, "shown": None, **preset.query}
    now = view.request.query_params
    is_chosen = all(now.get(name) == value for name, value in {"table": None, **preset.query}.items())
    return Offer(preset.title, preset.meaning, view.filters.link("/reports", **query), is_chosen)


def _only(report: Report | Missing, table: str | None) -> Report | Missing:
    """Of a report, the one table that is asked for."""
    if isinstance(report, Missing) or not table:
        return report
    sections = []
    for section in report.sections:
        kept: list[ReportTable] = [each for each in section.tables if each.name == table]
        if kept:
            sections.append(replace(section, tables=kept, charts=[], figures=[]))
    return replace(report, sections=sections) if sections else Missing(f"this report has no table {table!r}")
