"""What is wrong with a policy: noted while it is read, each with its place, and told all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar, overload

from tollkeeper.policy.toml_lines import Place

_DECIMAL = re.compile(r"Decimal\('([^']*)'\)")
_BARE = re.compile(r"[\w-]+")

T = TypeVar("T")
Read = Callable[[Any], T]
"""Makes something of a value as it is written, or raises `ValueError` with what was expected."""


class PolicyError(ValueError):
    """Everything that is wrong with a policy, a line each: where, what it says, what was expected."""


@dataclass(slots=True)
class Mistakes:
    """What was found to be wrong. `where` is the file's name; `lines` are none where the text has no lines to tell.

    `expected` is what was expected at the places that are wrong.
    """

    where: str
    lines: Mapping[Place, int]
    expected: dict[Place, str] = field(default_factory=dict)
    _found: list[tuple[int, str]] = field(default_factory=list)

    def note(self, place: Place, value: object, expected: str) -> None:
        """Note a mistake. What is missing is told at the line of the table that lacks it."""
        line = self.line(place)
        at = f"{self.where}:{line}" if line else self.where
        named = f"{spelled(place)}: " if place else ""
        self.expected[place] = expected
        self._found.append((line, f"{at}: {named}{shown(value)}; expected {expected}"))

    def line(self, place: Place) -> int:
        """Where the innermost part of a place stands that has a line; 0 if nothing has."""
        return next((self.lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self.lines), 0)

    def finish(self) -> None:
        """Raise what was found, in the order of the lines."""
        if self._found:
            raise PolicyError("\n".join(text for _, text in sorted(self._found, key=lambda found: found[0])))


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a policy, whose fields are read one by one. `null` is as good as missing."""

    content: Mapping[str, Any]
    place: Place
    mistakes: Mistakes

    def __contains__(self, key: str) -> bool:
        return self.content.get(key) is not None

    def note(self, key: str, expected: str) -> None:
        """The value of a field is wrong, or missing."""
        self.mistakes.note((*self.place, key), self.content.get(key), expected)

    def know(self, names: Collection[str], what: str = "field") -> None:
        """Fields, or tables, of other names than these are mistakes."""
        for key in self.content:
            if key not in names:
                self.note(key, f"a known {what}; {nearest(key, names)}")

    @overload
    def read(self, key: str, read: Read[T]) -> T | None: ...
    @overload
    def read(self, key: str, read: Read[T], otherwise: T) -> T: ...
    def read(self, key: str, read: Read[T], otherwise: T | None = None) -> T | None:
        """A field; `otherwise` if it is missing or wrong, which is noted."""
        if key not in self:
            return otherwise
        try:
            return read(self.content[key])
        except ValueError as expected:
            self.note(key, str(expected))
            return otherwise

    def table(self, key: str, such_as: str) -> Table:
        """A table in this one; empty if it is missing or wrong."""
        content = self.content.get(key)
        if content is not None and not isinstance(content, dict):
            self.note(key, such_as)
        return Table(content if isinstance(content, dict) else {}, (*self.place, key), self.mistakes)

    def tables(self, key: str) -> list[Table]:
        """An array of tables; those that are none are noted."""
        rows = self.content.get(key)
        if rows is not None and not isinstance(rows, list):
            self.note(key, f"tables, each headed [[{key}]]")
        made = []
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            place = (*self.place, key, number)
            if isinstance(row, dict):
                made.append(Table(row, place, self.mistakes))
            else:
                self.mistakes.note(place, row, f"a table, headed [[{key}]]")
        return made


def nearest(word: str, known: Collection[str]) -> str:
    """What may have been meant."""
    near = get_close_matches(word, known, n=1)
    if not known:
        return "there is none yet"
    return f"did you mean {near[0]!r}?" if near else "one of " + ", ".join(sorted(known))


def spelled(place: Place) -> str:
    """`("limit", 2, "amount")` as `limit[2].amount`."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if _BARE.fullmatch(part) else f".{part!r}"
        for part in place
    ).removeprefix(".")


def shown(value: object) -> str:
    """A value for a message, not too long."""
    if value is None:
        return "missing"
    try:
        text = str(value) if isinstance(value, Decimal | date) else _DECIMAL.sub(r"\1", repr(value))
    except ValueError:  # a whole number of thousands of digits
        return "a number that is too long to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def text(value: Any) -> str:
    """A text that can be shown on a line."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    raise ValueError("a text that is not empty, on one line")


def choice(*choices: T) -> Read[T]:
    """One of these words."""

    def read(value: Any) -> T:
        if isinstance(value, str) and value in choices:
            return choices[choices.index(value)]
        words = [str(each) for each in choices]
        near = get_close_matches(str(value), words, n=1)
        raise ValueError(f"{near[0]!r}" if near else f"one of {', '.join(words)}")

    return read


def whole(value: Any, least: int, most: int, what: str) -> int:
    """A whole number in bounds."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError(f"{what} from {least:,} to {most:,}")
