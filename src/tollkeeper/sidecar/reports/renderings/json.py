"""A report as JSON: exact, with money in dollars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from tollkeeper.sidecar.reports.document import Chart, Column, Form, Report, Section, Table, Value

NANO: Final = Decimal("1e-9")
ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def rendered(report: Report) -> bytes:
    """One object, in UTF-8."""
    return ENCODER.encode(as_object(report))


def as_object(report: Report) -> dict[str, Any]:
    """What JSON can say, but for `Decimal`, which is to be written as a number."""
    return {
        "kind": report.kind,
        "title": report.title,
        "about": report.about,
        "start": _said(report.start, "moment"),
        "end": _said(report.end, "moment"),
        "zone": report.zone,
        "as_of": _said(report.as_of, "moment"),
        "sections": [_section(section) for section in report.sections],
        "notes": list(report.notes),
    }


def exact(value: Value, form: Form) -> Any:
    """A value without loss: money as dollars, times as ISO 8601 has them when they are written."""
    return Decimal(value).scaleb(-9) if form in ("money", "price") and isinstance(value, int) else value


def _said(value: Value, form: Form) -> Any:
    found = exact(value, form)
    if isinstance(found, datetime):
        return found.isoformat().replace("+00:00", "Z")
    if isinstance(found, date):
        return found.isoformat()
    return found if not isinstance(found, Decimal) else _plain(found)


def _plain(amount: Decimal) -> Decimal | int:
    """Without zeros at its end; a whole number has no point, and no exponent."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "intro": section.intro,
        "figures": [
            {"label": one.label, "form": one.form, "value": _said(one.value, one.form), "detail": one.detail}
            for one in section.figures
        ],
        "charts": [_chart(chart) for chart in section.charts],
        "tables": [_table(table) for table in section.tables],
        "notes": list(section.notes),
        "snippets": [snippet._asdict() for snippet in section.snippets],
    }


def _chart(chart: Chart) -> dict[str, Any]:
    lines = [{"name": one.name, "values": [_said(value, chart.form) for value in one.values]} for one in chart.lines]
    mark = None if chart.mark is None else {"value": _said(chart.mark[0], chart.form), "label": chart.mark[1]}
    return {
        "title": chart.title, "style": chart.style, "form": chart.form, "labels": list(chart.labels), "lines": lines,
        "mark": mark,
    }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": [{"name": one.name, "label": one.label, "form": one.form} for one in table.columns],
        "rows": [_row(table.columns, row) for row in table.rows],
        "total": None if table.total is None else _row(table.columns, table.total),
    }


def _row(columns: Sequence[Column], row: Sequence[Value]) -> list[Any]:
    return [_said(value, column.form) for value, column in zip(row, columns, strict=True)]
