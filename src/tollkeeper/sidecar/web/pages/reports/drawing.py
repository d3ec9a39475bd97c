"""Charts of reports, drawn as the reports themselves draw them; colours are the page's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tollkeeper.client.reporting import ReportChart
from tollkeeper.sidecar.reports.charts import COLOURS, GRID, INK, PALE, Box, Dot, Drawing, Stroke, Words, draw
from tollkeeper.sidecar.reports.document import Chart, Form, Line

WIDTH, HEIGHT = 640.0, 190.0
TONES: Mapping[str, str] = {
    **{colour: f"tone-{number}" for number, colour in enumerate(COLOURS, 1)}, INK: "ink", PALE: "pale", GRID: "grid",
}  # fmt: skip
"""The class of each colour that a drawing has."""


def drawn(chart: ReportChart) -> Mapping[str, Any]:
    """The shapes of a chart, by their kinds, in the order in which they lie over each other."""
    drawing: Drawing = draw(_chart(chart), WIDTH, HEIGHT)
    shapes = [(_KINDS[type(shape)], shape) for shape in drawing.shapes]
    return {"width": drawing.width, "height": drawing.height, "shapes": shapes, "tones": TONES}


_KINDS: Mapping[type, str] = {Box: "box", Dot: "dot", Stroke: "stroke", Words: "words"}


def _chart(chart: ReportChart) -> Chart:
    form: Form = chart.form  # type: ignore[assignment]
    lines = [Line(line.name, [_value(value, form) for value in line.values]) for line in chart.lines]
    mark = None if chart.mark is None else (float(_value(chart.mark.value, form) or 0), chart.mark.label)
    return Chart(chart.title, chart.style, form, chart.labels, lines, mark)


def _value(value: Any, form: Form) -> int | float | None:
    """As documents have it: money in nano-dollars."""
    if value is None:
        return None
    return int(Decimal(value).scaleb(9)) if form in ("money", "price") else float(value)
