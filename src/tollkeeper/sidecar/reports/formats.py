"""The forms in which a report is handed out, by their names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, Literal, get_args

from tollkeeper.sidecar.reports.document import Report
from tollkeeper.sidecar.reports.material import Paper
from tollkeeper.sidecar.reports.renderings import csv, html, json

Format = Literal["json", "html", "pdf", "csv", "focus"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "focus": "text/csv; charset=utf-8",
}
NEEDED: Final = ("reportlab", "arabic_reshaper", "bidi")
NOT_INSTALLED: Final = "PDF needs reportlab, which is not installed here: pip install 'tollkeeper[reports]'"


class NotInstalled(Exception):
    """What makes PDFs is an extra."""


def file_name(report: Report, format: Format) -> str:
    """What the file is called when it is saved: plain letters only."""
    days = f"{report.start:%Y-%m-%d}"
    return f"tollkeeper-{report.kind}-{days}.{'csv' if format == 'focus' else format}"


def rendered(report: Report, format: Format, *, table: str | None = None, paper: Paper | None = None) -> bytes:
    """A report in this form; of CSV, the table of that name. `focus` is made of charges, not of a report.

    Raises `ValueError` for a table that there is not, and `NotInstalled`.
    """
    if format == "json":
        return json.rendered(report)
    if format == "html":
        return html.rendered(report)
    if format == "csv":
        return csv.rendered(csv.table_named(report, table))
    if any(find_spec(name) is None for name in NEEDED):
        raise NotInstalled(NOT_INSTALLED)
    # An extra.
    from tollkeeper.sidecar.reports.renderings import pdf  # noqa: PLC0415

    return pdf.rendered(report, paper.fonts if paper else ())
