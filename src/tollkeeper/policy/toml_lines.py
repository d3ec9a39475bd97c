"""In which line of a TOML text each table, key and element stands: `tomllib` does not tell.

It reads a text that `tomllib` has taken, and so looks for structure only: where a value ends, not whether it is right.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping

Place = tuple[str | int, ...]
"""The way to a value from the top, such as `("limit", 2, "amount")`."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL
)  # fmt: skip
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def lines_of(text: str) -> Mapping[Place, int]:
    """The line, from 1, of everything in the text. A table that is spread over several is where it begins."""
    return _Scanner(text).lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._ends = [each.start() for each in re.finditer("\n", text)]
        self._lengths: dict[Place, int] = {}  # of the arrays of tables, so far
        table: Place = ()
        while self._next():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> str:
        """The character that comes next, after blanks and comments; empty at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def _skip(self, character: str) -> bool:
        found = self._next() == character
        self._at += found
        return found

    def _note(self, place: Place) -> None:
        self.lines.setdefault(place, bisect_left(self._ends, self._at) + 1)

    def _header(self) -> Place:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        *parents, last = self._key()
        self._at += 2 if is_array else 1
        end, self._at = self._at, start
        place: Place = ()
        for part in parents:
            place = (*place, part)
            self._note(place)
            if place in self._lengths:
                place = (*place, self._lengths[place] - 1)
        place = (*place, last)
        self._note(place)
        if is_array:
            number = self._lengths.get(place, 0)
            self._lengths[place] = number + 1
            place = (*place, number)
            self._note(place)
        self._at = end
        return place

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            if self._next() in ('"', "'"):
                parts.append(self._quoted())
            else:
                bare = _BARE_KEY.match(self._text, self._at)
                parts.append(bare[0] if bare else "")
                self._at += len(parts[-1])
            if not self._skip("."):
                self._next()
                return parts

    def _quoted(self) -> str:
        string = _STRING.match(self._text, self._at)
        text = string[0] if string else '""'
        self._at += len(text)
        return str(tomllib.loads(f"key = {text}")["key"])

    def _pair(self, table: Place) -> None:
        self._next()
        start = self._at
        parts = self._key()
        end, self._at = self._at, start
        place = table
        for part in parts:
            place = (*place, part)
            self._note(place)
        self._at = end
        self._skip("=")
        self._value(place)

    def _value(self, place: Place) -> None:
        character = self._next()
        if character == "[":
            self._array(place)
        elif character == "{":
            self._at += 1
            while not self._skip("}"):
                self._pair(place)
                self._skip(",")
        else:
            found = (_STRING if character in ('"', "'") else _BARE_VALUE).match(self._text, self._at)
            self._at = found.end() if found else len(self._text)

    def _array(self, place: Place) -> None:
        self._at += 1
        number = 0
        while not self._skip("]"):
            self._note((*place, number))
            self._value((*place, number))
            self._skip(",")
            number += 1
