"""Text in a PDF, whatever script it is in: which font has its letters, in which order and shape they are drawn.

DejaVu Sans comes along (Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic, symbols), and is embedded. Chinese,
Japanese and Korean are drawn with the fonts that every PDF viewer is to bring, unless a font of the user's has them.
What no font has is an empty box. Text that is copied or searched for is right in any case.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import arabic_reshaper
from bidi import get_display
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import SUBSETN, TTFError, TTFont

FOLDER: Final = files("tollkeeper.sidecar.reports") / "fonts"
REGULAR, BOLD = "TollkeeperSans", "TollkeeperSans-Bold"
CHINESE, JAPANESE, KOREAN = "STSong-Light", "HeiseiKakuGo-W5", "HYGothic-Medium"
EAST_ASIAN: Final = (
    (0x1100, 0x11FF), (0x2E80, 0x30FF), (0x3100, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F), (0xFF00, 0xFFEF),
)  # fmt: skip
ARABIC_FORMS: Final = ((0xFB50, 0xFDFF), (0xFE70, 0xFEFC))
"""Letters as they are joined; what is meant by them is their base letters."""
RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
ZERO_WIDTH: Final = frozenset(range(0x200B, 0x2010)) | frozenset(range(0xFE00, 0xFE10)) | {0x2060, 0xFEFF}

_SHAPER: Final = arabic_reshaper.ArabicReshaper({"delete_harakat": False})


class Run(NamedTuple):
    """Letters that are drawn with one font, in the order in which they stand."""

    font: str
    text: str


class EmbeddedFont(TTFont):  # type: ignore[misc]
    """A TrueType font of which a PDF gets the letters that it uses, and what they mean."""

    def addObjects(self, doc: Any) -> None:  # noqa: N802  the library's name
        subsets = [list(subset) for subset in self.state[doc].subsets]
        super().addObjects(doc)
        for number, subset in enumerate(subsets):
            # The library writes letters beyond the first 65,536 in a way that readers do not understand.
            name = b"".join((SUBSETN(number), b"+", self.face.name, self.face.subfontNameX)).decode("pdfdoc")
            doc.idToObject[f"toUnicodeCMap:{name}"].content = _meanings(subset)


class Fonts:
    """DejaVu Sans, and behind it the fonts of the user's: paths of TrueType files.

    Raises `ValueError` for one that cannot be used.
    """

    def __init__(self, paths: Sequence[str] = ()) -> None:
        _register()
        self._others = [_registered(path) for path in paths]
        self._runs = lru_cache(maxsize=50_000)(self._found)

    def width(self, text: str, size: float, bold: bool = False) -> float:
        """In points."""
        return float(self._runs(text, bold)[1] * size)

    def runs(self, text: str, bold: bool = False) -> tuple[Run, ...]:
        """A line of text, from left to right."""
        return self._runs(text, bold)[0]

    def _found(self, text: str, bold: bool) -> tuple[tuple[Run, ...], float]:
        runs = tuple(self._split(_in_order(text), BOLD if bold else REGULAR))
        return runs, sum(pdfmetrics.stringWidth(run.text, run.font, 1.0) for run in runs)

    def _split(self, text: str, main: str) -> Iterator[Run]:
        east_asian = _east_asian_font(text)
        font, begun = main, 0
        for place, letter in enumerate(text):
            needed = self._font_of(ord(letter), main, east_asian)
            if needed != font:
                if place > begun:
                    yield Run(font, text[begun:place])
                font, begun = needed, place
        if begun < len(text):
            yield Run(font, text[begun:])

    def _font_of(self, code: int, main: str, east_asian: str) -> str:
        for name in (main, *self._others):
            if pdfmetrics.getFont(name).face.charToGlyph.get(code):
                return name
        if _is_in(code, EAST_ASIAN):
            return east_asian
        _stand_in(pdfmetrics.getFont(main).face, code)
        return main


def _in_order(text: str) -> str:
    """From left to right, with Arabic letters joined; a text without such letters is as it was."""
    if not any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text):
        return text
    return str(get_display(_SHAPER.reshape(text)))


def _east_asian_font(text: str) -> str:
    codes = [ord(letter) for letter in text]
    if any(0xAC00 <= code <= 0xD7FF or 0x1100 <= code <= 0x11FF for code in codes):
        return KOREAN
    return JAPANESE if any(0x3040 <= code <= 0x30FF for code in codes) else CHINESE


def _is_in(code: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _stand_in(face: Any, code: int) -> None:
    """Have the box for missing letters stand for this one, so that it is copied as what it is; or nothing at all."""
    if code not in face.charToGlyph:
        face.charToGlyph[code] = 0
        face.charWidths[code] = 0 if code in ZERO_WIDTH else face.charWidths.get(0x25A1, face.defaultWidth)


@cache
def _register() -> None:
    for name, file in ((REGULAR, "DejaVuSans.ttf"), (BOLD, "DejaVuSans-Bold.ttf")):
        with (FOLDER / file).open("rb") as content:
            pdfmetrics.registerFont(EmbeddedFont(name, content, shapable=False))
    for name in (CHINESE, JAPANESE, KOREAN):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


@cache
def _registered(path: str) -> str:
    try:
        pdfmetrics.registerFont(EmbeddedFont(path, path, shapable=False))
    except (TTFError, OSError) as error:
        raise ValueError(f"the font {path!r} cannot be used; expected a TrueType file: {error}") from None
    return path


def _meanings(subset: Sequence[int]) -> str:
    """Which text each letter of an embedded font stands for (PDF 32000-1, 9.10.3)."""
    rows = [f"<{place:02X}> <{_meaning(code)}>" for place, code in enumerate(subset)]
    lines = [
        "/CIDInit /ProcSet findresource begin",
        "12 dict begin",
        "begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        "/CMapName /Adobe-Identity-UCS def",
        "/CMapType 2 def",
        "1 begincodespacerange",
        "<00> <FF>",
        "endcodespacerange",
    ]
    for first in range(0, len(rows), 100):
        some = rows[first : first + 100]
        lines += [f"{len(some)} beginbfchar", *some, "endbfchar"]
    return "\n".join([*lines, "endcmap", "CMapName currentdict /CMap defineresource pop", "end", "end"])


def _meaning(code: int) -> str:
    letter = chr(code)
    meant = unicodedata.normalize("NFKC", letter) if _is_in(code, ARABIC_FORMS) else letter
    return meant.encode("utf-16-be", "replace").hex().upper()
