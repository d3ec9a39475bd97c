"""The paper of a PDF: pages with a head and a foot, text that is wrapped, and shapes of charts."""

from __future__ import annotations

import io
from functools import cache
from typing import Final

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tollkeeper.sidecar.reports.charts import INK, PALE, SIZE, Box, Dot, Drawing, Shape, Stroke
from tollkeeper.sidecar.reports.renderings.pdf_fonts import Fonts

WIDTH, HEIGHT = A4
MARGIN: Final = 46.0
INNER: Final = WIDTH - 2 * MARGIN
TOP: Final = HEIGHT - 58.0
BOTTOM: Final = 56.0
LEADING: Final = 1.32
"""From line to line, of the size of the letters."""
ACCENT, RULE, BAND = "#2f6690", "#dfe3e8", "#f5f7f9"
ELLIPSIS: Final = "…"

_colour = cache(HexColor)


class Paper:
    """Pages, filled from the top; `y` is where the next thing begins, from the lower edge, in points."""

    def __init__(self, fonts: Fonts, title: str, head: str, foot: str) -> None:
        self.fonts = fonts
        self._to = io.BytesIO()
        self.canvas = Canvas(self._to, pagesize=A4, pageCompression=1, lang="en")
        self.canvas.setTitle(title)
        self.canvas.setAuthor("Tollkeeper")
        self.canvas.setCreator("Tollkeeper")
        self._head, self._foot = head, foot
        self._number = 0
        self.y = TOP
        self._begin()

    def room(self, height: float) -> bool:
        """Whether there is room for so much on this page."""
        return bool(self.y - height >= BOTTOM)

    def need(self, height: float) -> None:
        """Begin another page where there is no room for so much."""
        if not self.room(height):
            self.turn()

    def turn(self) -> None:
        """Begin another page."""
        self.canvas.showPage()
        self._begin()

    def finished(self) -> bytes:
        """The file."""
        # Each page refers to this drawing, which can be made only once their number is known.
        self.canvas.beginForm("pages", 0, 0, 60, 12)
        self.text(0, 2, f"of {self._number}", 7.5, PALE)
        self.canvas.endForm()
        self.canvas.showPage()
        self.canvas.save()
        return self._to.getvalue()

    def text(self, x: float, y: float, text: str, size: float, colour: str = INK, bold: bool = False) -> None:
        """One line from here on."""
        self.canvas.setFillColor(_colour(colour))
        for run in self.fonts.runs(text, bold):
            self.canvas.setFont(run.font, size)
            self.canvas.drawString(x, y, run.text)
            x += self.canvas.stringWidth(run.text, run.font, size)

    def text_to(self, x: float, y: float, text: str, size: float, colour: str = INK, bold: bool = False) -> None:
        """One line that ends here."""
        self.text(x - self.fonts.width(text, size, bold), y, text, size, colour, bold)

    def paragraph(self, text: str, size: float, colour: str = INK, bold: bool = False, width: float = INNER) -> None:
        """As many lines as it takes."""
        for line in self.wrapped(text, size, width, bold):
            self.need(size * LEADING)
            self.y -= size * LEADING
            self.text(MARGIN, self.y + size * 0.3, line, size, colour, bold)

    def wrapped(self, text: str, size: float, width: float, bold: bool = False, most: int = 100) -> list[str]:
        """The lines of a text that is to be so wide at the most; of more than `most` lines the rest is left out."""
        if self.fonts.width(text, size, bold) <= width:
            return [text]
        lines, line = [], ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if self.fonts.width(longer, size, bold) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            *full, line = self._broken(word, size, width, bold)
            lines += full
        lines.append(line)
        if len(lines) > most:
            lines = [*lines[: most - 1], self.cut(f"{lines[most - 1]}{ELLIPSIS}", size, width, bold)]
        return lines

    def cut(self, text: str, size: float, width: float, bold: bool = False) -> str:
        """As much of a text as there is room for on one line."""
        if self.fonts.width(text, size, bold) <= width:
            return text
        shown = text.rstrip(ELLIPSIS)
        while shown and self.fonts.width(f"{shown}{ELLIPSIS}", size, bold) > width:
            shown = shown[:-1]
        return f"{shown}{ELLIPSIS}"

    def _broken(self, word: str, size: float, width: float, bold: bool) -> list[str]:
        """A word that is too long for a line, in pieces."""
        pieces, piece = [], ""
        for letter in word:
            if piece and self.fonts.width(piece + letter, size, bold) > width:
                pieces.append(piece)
                piece = ""
            piece += letter
        return [*pieces, piece]

    def rule(self, y: float, colour: str, thick: float) -> None:
        """A line across the page."""
        self.canvas.setStrokeColor(_colour(colour))
        self.canvas.setLineWidth(thick)
        self.canvas.line(MARGIN, y, WIDTH - MARGIN, y)

    def band(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle; `y` is its lower edge."""
        self.canvas.setFillColor(_colour(colour))
        self.canvas.rect(x, y, width, height, stroke=0, fill=1)

    def drawing(self, drawing: Drawing) -> None:
        """A chart, below what there is."""
        self.need(drawing.height)
        top = self.y
        for shape in drawing.shapes:
            self._shape(shape, MARGIN, top)
        self.y -= drawing.height

    def _shape(self, shape: Shape, left: float, top: float) -> None:
        if isinstance(shape, Box):
            self.band(left + shape.x, top - shape.y - shape.height, shape.width, shape.height, shape.fill)
        elif isinstance(shape, Dot):
            self.canvas.setFillColor(_colour(shape.fill))
            self.canvas.circle(left + shape.x, top - shape.y, 2, stroke=0, fill=1)
        elif isinstance(shape, Stroke):
            self.canvas.setStrokeColor(_colour(shape.colour))
            self.canvas.setLineWidth(shape.width)
            self.canvas.setDash(*((4, 3) if shape.dashed else ()))
            path = self.canvas.beginPath()
            path.moveTo(left + shape.points[0][0], top - shape.points[0][1])
            for x, y in shape.points[1:]:
                path.lineTo(left + x, top - y)
            self.canvas.drawPath(path)
            self.canvas.setDash()
        else:
            wide = self.fonts.width(shape.text, SIZE)
            x = left + shape.x - {"start": 0.0, "middle": wide / 2, "end": wide}[shape.anchor]
            self.text(x, top - shape.y, shape.text, SIZE, shape.colour)

    def _begin(self) -> None:
        self._number += 1
        self.y = TOP
        foot = f"Page {self._number}"
        right = WIDTH - MARGIN - 26
        self.text(MARGIN, 30, self._foot, 7.5, PALE)
        self.text_to(right - 2, 30, foot, 7.5, PALE)
        self.canvas.saveState()
        self.canvas.translate(right, 28)
        self.canvas.doForm("pages")
        self.canvas.restoreState()
        self.rule(42, RULE, 0.6)
        if self._number > 1:
            self.text(MARGIN, HEIGHT - 40, self.cut(self._head, 7.5, INNER), 7.5, PALE)
            self.rule(HEIGHT - 46, RULE, 0.6)
