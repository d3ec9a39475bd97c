"""A report, before it is rendered: figures, tables, charts and notes, with exact values in them.

A value is what its `form` says: money is whole nano-dollars (`int`), and so is a price, which is shown
to more digits, a percentage is 0 to 100, milliseconds are a
number, a day is a `date`, a moment a `datetime` with a zone. What is not known is `None`; no form shows it as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

Form = Literal["text", "money", "price", "count", "percent", "milliseconds", "day", "moment", "number"]
Value = str | int | float | Decimal | date | datetime | None
Style = Literal["columns", "lines", "bars"]


class Figure(NamedTuple):
    """One number worth a large print. `detail` puts it into perspective, in a few words."""

    label: str
    value: Value
    form: Form
    detail: str = ""


class Column(NamedTuple):
    """`name` is what programs call it; `label` is its heading. `without`: what people read where there is no value."""

    name: str
    label: str
    form: Form
    without: str | None = None


class Table(NamedTuple):
    """`name` is what programs call it. `total`, where there is one, is a row of sums of exact values."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    total: Sequence[Value] | None = None
    empty: str = "Nothing."


class Line(NamedTuple):
    """Values of a chart that belong together, one for each label; `None` where nothing is known."""

    name: str
    values: Sequence[float | int | None]


class Chart(NamedTuple):
    """`columns` are stacked, one stack a label; `lines` join values; `bars` lie, one a label. `form` is the values'.

    `mark` is a level to compare with, such as 100 %.
    """

    title: str
    style: Style
    form: Form
    labels: Sequence[str]
    lines: Sequence[Line]
    mark: tuple[float, str] | None = None


class Snippet(NamedTuple):
    """Lines of a file or of a program, as they are."""

    label: str
    text: str


class Section(NamedTuple):
    """A part of a report. Its parts are shown in this order."""

    title: str
    intro: str = ""
    figures: Sequence[Figure] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    snippets: Sequence[Snippet] = ()


class Report(NamedTuple):
    """What is said about a period, `start` included and `end` not, as it was known at `as_of`.

    `about` says whose calls these are, where not everybody's.
    """

    kind: str
    title: str
    about: str
    start: datetime
    end: datetime
    zone: str
    as_of: datetime
    sections: Sequence[Section]
    notes: Sequence[str] = ()

    @property
    def tables(self) -> list[Table]:
        """All of them, in order."""
        return [table for section in self.sections for table in section.tables]
