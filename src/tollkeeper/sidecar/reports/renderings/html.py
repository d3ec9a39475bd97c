"""A report as one page of HTML that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tollkeeper.sidecar.reports.charts import Box, Dot, Drawing, Shape, Stroke, draw
from tollkeeper.sidecar.reports.document import Chart, Report
from tollkeeper.sidecar.reports.wording import NUMBERS, as_of, cell_text, period, shown

WIDTH: Final = 560.0
HEIGHT: Final = 180.0


def rendered(report: Report) -> bytes:
    """The page, in UTF-8."""
    page = _environment().get_template("report.html.j2")
    text = page.render(report=report, period=period(report), as_of=as_of(report))
    return text.encode(errors="replace")


@cache
def _environment() -> Environment:
    loader = PackageLoader("tollkeeper.sidecar.reports", "page")
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    style, _, _ = loader.get_source(made, "report.css")
    made.globals.update(shown=shown, cell_text=cell_text, numbers=NUMBERS, svg=_svg, style=Markup(style))  # noqa: S704  our own file
    return made


def _svg(chart: Chart) -> Markup:
    drawing = draw(chart, WIDTH, HEIGHT)
    inner = Markup("").join(map(_shape, drawing.shapes))
    # The numbers of every chart are in a table of the report too: to whom it is read, its title is enough.
    return Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        drawing.width, drawing.height, _described(chart, drawing), inner
    )


def _described(chart: Chart, drawing: Drawing) -> str:
    says = [shape.says for shape in drawing.shapes if isinstance(shape, Box) and shape.says]
    told = f"{chart.title}. " + "; ".join(says[:12])
    return f"{told}; and {len(says) - 12} more" if len(says) > 12 else told


def _shape(shape: Shape) -> Markup:
    if isinstance(shape, Box):
        title = Markup("<title>{}</title>").format(shape.says) if shape.says else ""
        return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}">{}</rect>').format(
            shape.x, shape.y, shape.width, shape.height, shape.fill, title
        )
    if isinstance(shape, Dot):
        return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2" fill="{}"/>').format(shape.x, shape.y, shape.fill)
    if isinstance(shape, Stroke):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        dashes = Markup(' stroke-dasharray="4 3"') if shape.dashed else ""
        return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{:g}"{}/>').format(
            points, shape.colour, shape.width, dashes
        )
    return Markup('<text x="{:.1f}" y="{:.1f}" fill="{}" text-anchor="{}">{}</text>').format(
        shape.x, shape.y, shape.colour, shape.anchor, escape(shape.text)
    )
