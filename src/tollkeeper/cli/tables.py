"""How amounts, counts and times look in a terminal. What is unknown is said to be so, and never shown as zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

SMALL = Decimal("0.01")
ID_WIDTH = 36


def table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], right: Iterable[str] = ()) -> Table:
    """A table; the columns in `right` hold numbers. An id is never cut."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = set(right)
    for name in columns:
        is_id = name == "Id"
        made.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=name in numbers or is_id,
            min_width=ID_WIDTH if is_id else None,
        )
    for row in rows:
        made.add_row(*row)
    return made


def dollars(amount: Decimal | None, missing: int = 0) -> Text:
    """US dollars, rounded for reading. `missing`: of so many calls it is not known, so that the sum is too low."""
    if amount is None:
        return Text("unknown", "yellow")
    places = 4 if amount == 0 or abs(amount) >= SMALL else 6
    sign = "-" if amount < 0 else ""
    text = Text(f"{sign}${abs(amount):,.{places}f}", "green")
    return text.append(" +?", "yellow") if missing else text


def count(number: Decimal | int | None) -> RenderableType:
    """A count."""
    return Text("unknown", "yellow") if number is None else f"{number:,}"


def failures(number: int) -> Text:
    """A count of what should be none."""
    return Text(f"{number:,}", "red") if number else Text("")


def when(moment: datetime | None) -> str:
    """A moment, to the second."""
    if moment is None:
        return ""
    text = moment.isoformat(sep=" ", timespec="seconds")
    return text.replace("+00:00", "Z")


def milliseconds(length: float | None) -> str:
    """A length of time."""
    if length is None:
        return ""
    return f"{length:,.0f} ms" if length < 10_000 else f"{length / 1000:,.1f} s"
