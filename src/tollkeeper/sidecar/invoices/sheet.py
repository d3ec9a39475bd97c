"""A CSV file, or a list of objects in JSON, row by row: what is wrong is told with its place, all at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

MOST_MISTAKES = 20
MOST_ROWS = 2_000_000
DELIMITERS = ",;\t"
LARGEST = Decimal(10) ** 12


class SheetError(ValueError):
    """Everything that is wrong with a file, a line each: which row and column, what it says, what was expected."""


@dataclass(slots=True)
class Sheet:
    """A file's columns and rows. What is found wrong with cells is noted, and raised by `finish`."""

    name: str
    columns: tuple[str, ...]
    rows: list[Row]
    mistakes: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """Raise what was found to be wrong."""
        if self.mistakes:
            told = self.mistakes[:MOST_MISTAKES]
            more = len(self.mistakes) - len(told)
            raise SheetError("\n".join([*told, *([f"and {more:,} more"] if more else [])]))


@dataclass(frozen=True, slots=True)
class Row:
    """One row. A cell that is wrong counts as one that says nothing, until the sheet is finished."""

    number: int
    cells: Mapping[str, str]
    note: Callable[[str], object]
    unit: str = "line"

    def text(self, column: str) -> str:
        """Without white space around it; empty where there is none."""
        return self.cells.get(column, "").strip()

    def read(self, column: str, kind: Callable[[str], T], expected: str) -> T | None:
        """A cell that says something; `None` for an empty one."""
        said = self.text(column)
        if not said:
            return None
        try:
            return kind(said)
        except (ValueError, ArithmeticError, OverflowError, OSError):
            self.note(f"{self.unit} {self.number}: {column} is {said!r:.60}; expected {expected}")
            return None

    def needed(self, column: str, kind: Callable[[str], T], expected: str) -> T | None:
        """A cell that has to say something."""
        if not self.text(column):
            self.note(f"{self.unit} {self.number}: {column} is empty; expected {expected}")
        return self.read(column, kind, expected)

    def count(self, column: str) -> int | None:
        return self.read(column, whole, "a whole number that is not negative")

    def money(self, column: str, comma: bool = False) -> Decimal | None:
        return self.read(column, lambda said: amount(said, comma), "an amount such as 12.34")

    def day(self, column: str, form: str | None = None, zone: str = "UTC") -> date | None:
        expected = "a day such as 2026-01-31" if form is None else f"a day such as {date(2026, 1, 31).strftime(form)}"
        return self.needed(column, lambda said: day_of(said, form, zone), expected)


def read_sheet(content: str, name: str) -> Sheet:
    """A file with a line of names above its rows; commas, semicolons or tabs between. Or a list of objects, in JSON.

    Raises `SheetError`.
    """
    content = content.removeprefix("﻿")
    if content.lstrip().startswith("["):
        return _read_objects(content, name)
    first = next((line for line in content.splitlines() if line.strip()), "")
    if not first:
        raise SheetError(f"{name} is empty; expected a line of column names, and rows")
    delimiter = max(DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(content), delimiter=delimiter, strict=False)
    sheet = Sheet(name, (), [])
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not sheet.columns:
                sheet.columns = tuple(cell.strip() for cell in cells)
                continue
            if len(cells) > len(sheet.columns):
                sheet.mistakes.append(f"line {rows.line_num}: {len(cells)} cells; expected {len(sheet.columns)}")
                continue
            values = dict(zip(sheet.columns, cells, strict=False))
            sheet.rows.append(Row(rows.line_num, values, sheet.mistakes.append))
            if len(sheet.rows) > MOST_ROWS:
                raise SheetError(f"{name} has more than {MOST_ROWS:,} rows; expected fewer, as of one month")
    except csv.Error as error:
        raise SheetError(f"{name}: line {rows.line_num}: {error}; expected CSV") from None
    return sheet


def _read_objects(content: str, name: str) -> Sheet:
    """The names of a file's columns are those that any of its objects has."""
    try:
        # Numbers stay as they are written.
        found = json.loads(content, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise SheetError(f"{name}: {error}; expected CSV, or a list of objects in JSON") from None
    sheet = Sheet(name, (), [])
    columns: dict[str, None] = {}
    for number, each in enumerate(found, 1):
        if not isinstance(each, dict) or any(isinstance(cell, dict | list | bool) for cell in each.values()):
            sheet.mistakes.append(f"object {number}: {str(each)!r:.60}; expected an object of texts and numbers")
            continue
        columns |= dict.fromkeys(each)
        cells = {column: cell for column, cell in each.items() if cell is not None}
        sheet.rows.append(Row(number, cells, sheet.mistakes.append, "object"))
    sheet.columns = tuple(columns)
    if not found:
        raise SheetError(f"{name} is empty; expected a list of objects")
    return sheet


def whole(said: str) -> int:
    """A count, with or without a point and zeros behind it, and commas between thousands."""
    number = Decimal(said.replace(",", ""))
    if not number.is_finite() or number != number.to_integral_value() or not 0 <= number < LARGEST * 1000:
        raise ValueError(said)
    return int(number)


def amount(said: str, comma: bool = False) -> Decimal:
    """An amount, perhaps with a dollar sign. `comma`: the decimals are behind a comma, as in 1.234,56."""
    plain = said.replace("$", "").replace(" ", "").replace(" ", "")
    plain = plain.replace(".", "").replace(",", ".") if comma else plain.replace(",", "")
    try:
        found = Decimal(plain)
    except InvalidOperation:
        raise ValueError(said) from None
    if not found.is_finite() or abs(found) > LARGEST:
        raise ValueError(said)
    return found


def day_of(said: str, form: str | None = None, zone: str = "UTC") -> date:
    """The day of UTC of a day, of a moment (of `zone`, if it names none), or of seconds since the epoch."""
    if form is not None:
        moment = datetime.strptime(said, form)
        return _in_utc(moment, zone) if any(part in form for part in ("%H", "%I", "%s")) else moment.date()
    if said.isdecimal() and len(said) >= 9:
        return datetime.fromtimestamp(int(said), UTC).date()
    if len(said) <= len("2026-01-31"):
        return date.fromisoformat(said)
    return _in_utc(datetime.fromisoformat(said.removesuffix(" UTC")), zone)


def _in_utc(moment: datetime, zone: str) -> date:
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC).date()


def missing(columns: Iterable[str], needed: Iterable[str]) -> list[str]:
    """The columns that are needed and not there."""
    there = set(columns)
    return [name for name in needed if name not in there]
