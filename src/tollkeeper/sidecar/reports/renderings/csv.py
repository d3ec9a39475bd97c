"""A table of a report as CSV: exact, money in dollars, and no text that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from tollkeeper.sidecar.cells import cell
from tollkeeper.sidecar.reports.document import Column, Report, Table
from tollkeeper.sidecar.reports.renderings.json import exact


def rendered(table: Table) -> bytes:
    """The table, with a line of names; sums are left to whoever reads it."""
    return "".join(lines(table)).encode(errors="replace")


def lines(table: Table) -> Iterator[str]:
    """Line by line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow([cell(exact(value, column.form)) for value, column in zip(row, table.columns, strict=True)])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _notes(report: Report) -> Table:
    """Of a report that has nothing but words."""
    rows = [(note,) for section in report.sections for note in section.notes]
    return Table("notes", "Notes", (Column("note", "Note", "text"),), rows)


def table_named(report: Report, name: str | None) -> Table:
    """The one of a name; without one, the first with rows, else the first. Raises `ValueError` with the names."""
    tables = report.tables
    if name is None:
        return next((table for table in tables if table.rows), tables[0] if tables else _notes(report))
    for table in tables:
        if table.name == name:
            return table
    raise ValueError(", ".join(table.name for table in tables))
