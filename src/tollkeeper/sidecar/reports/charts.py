"""Charts as plain shapes: computed once, drawn by each rendering. The origin is the upper left; units are points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from tollkeeper.sidecar.reports.document import Chart, Form, Line
from tollkeeper.sidecar.reports.wording import shown

COLOURS: Final = ("#2f6690", "#e08e45", "#4f9d69", "#b5495b", "#8367c7", "#7d8597")
"""Told apart by people who see no red or green as well; each has 3:1 at least against white, or an edge."""
INK, PALE, GRID = "#1f2933", "#5b6770", "#dfe3e8"
SIZE: Final = 8.0
"""Of letters."""
LETTER: Final = 0.61
"""The width of most letters, of their size; wide ones are as wide as their size."""
ROW: Final = 18.0
"""Of lying bars."""

Anchor = Literal["start", "middle", "end"]


class Box(NamedTuple):
    """A filled rectangle. `says` is what it stands for, in words."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    says: str = ""


class Stroke(NamedTuple):
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    dashed: bool = False


class Dot(NamedTuple):
    """A small disc."""

    x: float
    y: float
    fill: str
    says: str = ""


class Words(NamedTuple):
    """Text on its baseline."""

    x: float
    y: float
    text: str
    colour: str = INK
    anchor: Anchor = "start"


Shape = Box | Stroke | Dot | Words


class Drawing(NamedTuple):
    """What is to be drawn, and how much room it takes."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def draw(chart: Chart, width: float, height: float = 170.0) -> Drawing:
    """The shapes of a chart, so many points wide; lying bars are as high as there are bars."""
    if chart.style == "bars":
        return _bars(chart, width)
    legend = list(_legend(chart.lines, width)) if len(chart.lines) > 1 else []
    top = 8.0 + (max(words.y for words in legend if isinstance(words, Words)) + 6 if legend else 0)
    ticks = ticks_of(_highest(chart), chart.form, _lowest(chart))
    left = 12 + max(text_width(shown(_whole(tick, chart.form), chart.form)) for tick in ticks)
    plot = Box(left, top, width - left - 6, height - top - 18, "")
    shapes: list[Shape] = [*legend, *_axis(chart, plot, ticks)]
    shapes += _columns(chart, plot, ticks) if chart.style == "columns" else _lines(chart, plot, ticks)
    return Drawing(width, height, tuple(shapes))


def ticks_of(highest: float, form: Form, lowest: float = 0.0) -> list[float]:
    """From 0 to no less than the highest, in steps of 1, 2 or 5 times a power of ten; money in whole nano-dollars.

    Below 0 they go no further than to the lowest: credits may make a day's cost negative.
    """
    if highest <= 0 and lowest >= 0:
        return [0.0, 1e9 if form == "money" else 1.0]
    rough = (max(highest, 0.0) - min(lowest, 0.0)) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    if form == "count":
        step = max(step, 1.0)
    below, above = math.floor(min(lowest, 0.0) / step + 1e-9), math.ceil(max(highest, 0.0) / step - 1e-9)
    return [step * number for number in range(below, above + 1)]


def text_width(text: str, size: float = SIZE) -> float:
    """About."""
    return sum(size if ord(letter) > 0x2E80 else size * LETTER for letter in text)


def cut(text: str, width: float, size: float = SIZE) -> str:
    """As much of a text as there is room for."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def _whole(value: float, form: Form) -> float | int:
    return round(value) if form in ("money", "price", "count") else value


def _lowest(chart: Chart) -> float:
    """0, unless something is below it."""
    if chart.style == "columns":
        columns = zip(*(one.values for one in chart.lines), strict=True)
        return float(min((sum(min(value or 0, 0) for value in values) for values in columns), default=0))
    return float(min((value for one in chart.lines for value in one.values if value is not None), default=0))


def _highest(chart: Chart) -> float:
    if chart.style == "columns":
        columns = zip(*(one.values for one in chart.lines), strict=True)
        found = max((sum(max(value or 0, 0) for value in values) for values in columns), default=0)
    else:
        found = max((value for one in chart.lines for value in one.values if value is not None), default=0)
    return float(max(found, chart.mark[0] if chart.mark else 0))


def _legend(lines: Sequence[Line], width: float) -> Iterator[Shape]:
    x, y = 0.0, SIZE
    for number, line in enumerate(lines):
        name = cut(line.name, 150)
        room = 14 + text_width(name) + 14
        if x and x + room > width:
            x, y = 0.0, y + SIZE + 6
        yield Box(x, y - SIZE + 1, SIZE, SIZE, colour(number))
        yield Words(x + 12, y, name)
        x += room


def colour(number: int) -> str:
    """Of the line of that number."""
    return COLOURS[number % len(COLOURS)]


def _height(value: float, plot: Box, ticks: Sequence[float]) -> float:
    """Where a value is, from above."""
    return plot.y + plot.height * (ticks[-1] - value) / (ticks[-1] - ticks[0])


def _axis(chart: Chart, plot: Box, ticks: Sequence[float]) -> Iterator[Shape]:
    for tick in ticks:
        y = _height(tick, plot, ticks)
        right = plot.x + plot.width
        yield Stroke(((plot.x, y), (right, y)), INK if not tick else GRID, 0.8 if not tick else 0.5)
        yield Words(plot.x - 5, y + SIZE * 0.35, shown(_whole(tick, chart.form), chart.form), PALE, "end")
    if chart.mark is not None:
        y = _height(chart.mark[0], plot, ticks)
        yield Stroke(((plot.x, y), (plot.x + plot.width, y)), COLOURS[3], 1.0, dashed=True)
        yield Words(plot.x + plot.width, y - 3, chart.mark[1], COLOURS[3], "end")
    slot = plot.width / max(len(chart.labels), 1)
    widest = max((text_width(label) for label in chart.labels), default=0) + 8
    every = max(1, math.ceil(widest / slot))
    for place in range(0, len(chart.labels), every):
        x = plot.x + slot * (place + 0.5)
        yield Words(x, plot.y + plot.height + SIZE + 5, chart.labels[place], PALE, "middle")


def _columns(chart: Chart, plot: Box, ticks: Sequence[float]) -> Iterator[Shape]:
    slot = plot.width / max(len(chart.labels), 1)
    wide = min(slot * 0.72, 42)
    for place, label in enumerate(chart.labels):
        x, above, below = plot.x + slot * (place + 0.5) - wide / 2, 0.0, 0.0
        for number, line in enumerate(chart.lines):
            value = line.values[place]
            if value:
                begins = above if value > 0 else below
                ends = begins + float(value)
                above, below = max(above, ends), min(below, ends)
                top, bottom = _height(max(begins, ends), plot, ticks), _height(min(begins, ends), plot, ticks)
                says = f"{label}, {line.name}: {shown(value, chart.form)}"
                yield Box(x, top, wide, bottom - top, colour(number), says)


def _lines(chart: Chart, plot: Box, ticks: Sequence[float]) -> Iterator[Shape]:
    slot = plot.width / max(len(chart.labels), 1)
    for number, line in enumerate(chart.lines):
        run: list[tuple[float, float]] = []
        for place, value in enumerate((*line.values, None)):
            if value is not None:
                run.append((plot.x + slot * (place + 0.5), _height(float(value), plot, ticks)))
                continue
            if len(run) > 1:
                yield Stroke(tuple(run), colour(number), 1.6)
            elif run:
                yield Dot(*run[0], colour(number), line.name)
            run = []


def _bars(chart: Chart, width: float) -> Drawing:
    """Lying bars of one line, each with its label before it and its value after it."""
    (line,) = chart.lines
    values = [shown(value, chart.form) for value in line.values]
    left = min(max((text_width(label) for label in chart.labels), default=0) + 10, width * 0.55)
    right = max((text_width(value) for value in values), default=0) + 8
    room = width - left - right
    highest = max(_highest(chart), 1e-12)
    shapes: list[Shape] = []
    for place, (label, value) in enumerate(zip(chart.labels, line.values, strict=True)):
        y = 4 + ROW * place
        long = max(room * float(value or 0) / highest, 0.0)
        shapes.append(Words(left - 6, y + ROW / 2 + 1, cut(label, left - 8), INK, "end"))
        is_over = chart.mark is not None and value is not None and value > chart.mark[0]
        says = f"{label}: {values[place]}"
        shapes.append(Box(left, y, max(long, 0.5), ROW - 6, COLOURS[3] if is_over else COLOURS[0], says))
        shapes.append(Words(left + long + 5, y + ROW / 2 + 1, values[place], PALE))
    height = 8 + ROW * len(chart.labels)
    if chart.mark is not None:
        x = left + room * chart.mark[0] / highest
        shapes.append(Stroke(((x, 0), (x, height - 4)), COLOURS[3], 1.0, dashed=True))
        is_far = x + 3 + text_width(chart.mark[1]) > width
        shapes.append(Words(x, height + 4, chart.mark[1], COLOURS[3], "end" if is_far else "start"))
        height += SIZE + 2
    return Drawing(width, height, tuple(shapes))
