"""A report as a PDF: A4, with charts, tables whose headings come again on each page, and page numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from tollkeeper.sidecar.reports.charts import INK, PALE, draw
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Report, Section, Snippet, Table, Value
from tollkeeper.sidecar.reports.renderings.pdf_fonts import Fonts
from tollkeeper.sidecar.reports.renderings.pdf_page import ACCENT, BAND, INNER, LEADING, MARGIN, RULE, WIDTH, Paper
from tollkeeper.sidecar.reports.wording import NUMBERS, as_of, cell_text, period, shown

A_ROW: Final = 3
"""Figures beside each other."""
FIGURE_HEIGHT: Final = 52.0
GAP: Final = 8.0
CELL: Final = 5.0
"""Between text and the edge of its cell."""
MOST_CELL_LINES: Final = 12
SIZES: Final = (8.5, 8.0, 7.5, 7.0, 6.5, 6.0)
LEAST_TEXT: Final = 90.0
"""The width that a column of text has at least."""
UNKNOWN_COLOUR: Final = "#8a5300"

_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def rendered(report: Report, fonts: Sequence[str] = ()) -> bytes:
    """The file. `fonts`: paths of TrueType files, for letters that ours have not. Raises `ValueError` for those."""
    told = f"{report.title}, {period(report)}"
    head = f"{told}: {clean(report.about)}" if report.about else told
    foot = f"Tollkeeper, {as_of(report)}"
    paper = Paper(Fonts(fonts), head, head, foot)
    _title(paper, report)
    for number, section in enumerate(report.sections):
        _section(paper, section, number)
    for note in report.notes:
        paper.y -= 6
        paper.paragraph(clean(note), 8, PALE)
    return paper.finished()


def clean(text: str) -> str:
    """On one line, without what cannot be seen, and without what turns the order of the letters around."""
    return _INVISIBLE.sub(" ", text)


def _title(paper: Paper, report: Report) -> None:
    paper.y += 12
    paper.paragraph(report.title, 21, INK, bold=True)
    if report.about:
        paper.paragraph(clean(report.about), 11, INK, bold=True)
    paper.paragraph(f"{period(report)} ({report.zone}), {as_of(report)}", 9.5, PALE)
    paper.y -= 8
    paper.rule(paper.y, ACCENT, 2)
    paper.y -= 4


def _section(paper: Paper, section: Section, number: int) -> None:
    follows = section.figures or section.charts or any(table.rows for table in section.tables)
    paper.need(24 + (90 if follows else 64 if section.notes else 24))
    paper.y -= 14
    paper.canvas.bookmarkPage(f"s{number}")
    paper.canvas.addOutlineEntry(clean(section.title), f"s{number}")
    paper.paragraph(clean(section.title), 13, INK, bold=True)
    paper.y -= 3
    if section.intro:
        paper.paragraph(clean(section.intro), 9, PALE)
        paper.y -= 3
    _figures(paper, section.figures)
    for chart in section.charts:
        _chart(paper, chart)
    for table in section.tables:
        _table(paper, table, is_titled=table.title != section.title)
    for note in section.notes:
        paper.y -= 3
        paper.paragraph(clean(note), 8, PALE)
    for snippet in section.snippets:
        _snippet(paper, snippet)


def _snippet(paper: Paper, snippet: Snippet) -> None:
    paper.need(40)
    paper.y -= 5
    paper.paragraph(clean(snippet.label), 8, PALE)
    paper.y -= 2
    size, inside = 7.5, INNER - 16
    for said in snippet.text.rstrip().split("\n"):
        indent = "\u00a0" * (len(said) - len(said.lstrip()))
        for line in paper.wrapped(indent + clean(said.lstrip()), size, inside):
            height = size * LEADING
            paper.need(height)
            paper.y -= height
            paper.band(MARGIN, paper.y, INNER, height + 0.3, BAND)
            paper.text(MARGIN + 8, paper.y + 2.8, line, size)


def _figures(paper: Paper, figures: Sequence[Figure]) -> None:
    beside = min(A_ROW, len(figures)) or 1
    wide = (INNER - GAP * (beside - 1)) / beside
    for first in range(0, len(figures), beside):
        paper.need(FIGURE_HEIGHT + GAP)
        bottom = paper.y - FIGURE_HEIGHT
        for place, figure in enumerate(figures[first : first + beside]):
            x = MARGIN + place * (wide + GAP)
            paper.band(x, bottom, wide, FIGURE_HEIGHT, BAND)
            paper.band(x, bottom, 2.5, FIGURE_HEIGHT, ACCENT)
            room = wide - 18
            paper.text(x + 10, bottom + 38, paper.cut(figure.label, 8, room), 8, PALE)
            value = paper.cut(shown(figure.value, figure.form), 15, room, bold=True)
            paper.text(x + 10, bottom + 19, value, 15, INK if figure.value is not None else UNKNOWN_COLOUR, bold=True)
            paper.text(x + 10, bottom + 7, paper.cut(clean(figure.detail), 7, room), 7, PALE)
        paper.y = bottom - GAP


def _chart(paper: Paper, chart: Chart) -> None:
    drawing = draw(chart._replace(labels=[clean(label) for label in chart.labels]), INNER)
    paper.need(drawing.height + 30)
    paper.y -= 4
    paper.paragraph(clean(chart.title), 9, PALE)
    paper.y -= 4
    paper.drawing(drawing)
    paper.y -= 6


class _Layout(NamedTuple):
    columns: Sequence[Column]
    widths: Sequence[float]
    size: float


def _table(paper: Paper, table: Table, is_titled: bool) -> None:
    if is_titled:
        paper.need(60)
        paper.y -= 6
        paper.paragraph(clean(table.title), 9.5, INK, bold=True)
    if not table.rows:
        paper.paragraph(clean(table.empty), 9, PALE)
        return
    shown_rows = [_cells(table.columns, row) for row in table.rows]
    total = None if table.total is None else _cells(table.columns, table.total, is_total=True)
    layout = _layout(paper, table.columns, shown_rows, total)
    paper.need(layout.size * LEADING * 4)
    _heading(paper, layout)
    for number, (row, cells) in enumerate(zip(table.rows, shown_rows, strict=True)):
        unknown = [value is None and not column.without for value, column in zip(row, table.columns, strict=True)]
        _row(paper, layout, cells, is_banded=number % 2 == 1, unknown=unknown)
    if total is not None:
        _row(paper, layout, total, is_bold=True)
    paper.y -= 8


def _cells(columns: Sequence[Column], row: Sequence[Value], is_total: bool = False) -> list[str]:
    texts = []
    for column, value in zip(columns, row, strict=True):
        is_left_out = is_total and value is None and column.form not in NUMBERS
        texts.append("" if is_left_out else clean(cell_text(value, column)))
    return texts


def _layout(
    paper: Paper, columns: Sequence[Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None
) -> _Layout:
    """The largest letters with which all numbers are on one line, and texts have what is left."""
    for size in SIZES:
        natural = [
            max(
                paper.fonts.width(column.label, size, True),
                paper.fonts.width(total[place], size, True) if total else 0,
                *(paper.fonts.width(row[place], size) for row in rows),
            )
            + 2 * CELL
            for place, column in enumerate(columns)
        ]
        texts = [place for place, column in enumerate(columns) if column.form == "text"]
        left = INNER - sum(width for place, width in enumerate(natural) if place not in texts)
        if size == SIZES[-1] or left >= sum(min(natural[place], LEAST_TEXT) for place in texts):
            return _Layout(columns, _fitted(natural, texts, max(left, 30.0 * len(texts))), size)
    raise AssertionError("there is a smallest size")


def _fitted(natural: list[float], texts: Sequence[int], left: float) -> list[float]:
    """Columns of text have what they need, as far as there is room; the widest ones are cut first."""
    widths = list(natural)
    open_, room = sorted(texts, key=lambda place: natural[place]), left
    while open_:
        place = open_.pop(0)
        widths[place] = min(natural[place], room / (len(open_) + 1))
        room -= widths[place]
    # What is left over: half to the first, so that the numbers stand to the right, and the rest to all.
    spare = max(INNER - sum(widths), 0)
    return [width + spare / 2 * ((place == 0) + 1 / len(widths)) for place, width in enumerate(widths)]


def _heading(paper: Paper, layout: _Layout) -> None:
    size = layout.size
    paper.y -= size * LEADING + 5
    x = MARGIN
    for column, width in zip(layout.columns, layout.widths, strict=True):
        if column.form in NUMBERS:
            paper.text_to(x + width - CELL, paper.y + 4, column.label, size, INK, bold=True)
        else:
            paper.text(x + CELL, paper.y + 4, column.label, size, INK, bold=True)
        x += width
    paper.rule(paper.y, INK, 0.9)


def _row(
    paper: Paper,
    layout: _Layout,
    cells: Sequence[str],
    *,
    is_banded: bool = False,
    is_bold: bool = False,
    unknown: Sequence[bool] = (),
) -> None:
    size, leading = layout.size, layout.size * LEADING
    lines = [
        [text]
        if column.form in NUMBERS
        else paper.wrapped(text, size, width - 2 * CELL, is_bold, MOST_CELL_LINES)
        for text, column, width in zip(cells, layout.columns, layout.widths, strict=True)
    ]  # fmt: skip
    height = leading * max(map(len, lines)) + 3.5
    if not paper.room(height):
        paper.turn()
        _heading(paper, layout)
    bottom = paper.y - height
    if is_banded:
        paper.band(MARGIN, bottom, WIDTH - 2 * MARGIN, height, BAND)
    x = MARGIN
    for place, (column, width) in enumerate(zip(layout.columns, layout.widths, strict=True)):
        y = paper.y - leading
        is_unknown = bool(unknown) and unknown[place]
        colour = UNKNOWN_COLOUR if is_unknown else INK
        for line in lines[place]:
            if column.form in NUMBERS:
                paper.text_to(x + width - CELL, y, line, size, colour, is_bold)
            else:
                paper.text(x + CELL, y, line, size, colour, is_bold)
            y -= leading
        x += width
    paper.rule(paper.y if is_bold else bottom, INK if is_bold else RULE, 0.9 if is_bold else 0.4)
    paper.y = bottom
