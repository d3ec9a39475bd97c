"""How values look in a report that people read. Here money is rounded: to the cent, or to four digits below one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from tollkeeper.sidecar.reports.document import Column, Form, Report, Value

UNKNOWN: Final = "unknown"
NANO: Final = 1_000_000_000
NUMBERS: Final[tuple[Form, ...]] = ("money", "price", "count", "percent", "milliseconds", "number")

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)
_CENT = Decimal("0.01")


def shown(value: Value, form: Form) -> str:
    """A value for people; a text that stands where a number would, such as the word Total, is shown as it is."""
    if value is None:
        return UNKNOWN if form in NUMBERS else ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return f"{value.isoformat()} {value:%a}"
    if form in ("money", "price"):
        return dollars(int(value), 4 if form == "price" else 2)
    if form == "percent":
        return f"{value:,.1f} %"
    if form == "milliseconds":
        return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"
    return f"{value:,}" if form == "count" else f"{value:,.4g}"


def cell_text(value: Value, column: Column) -> str:
    """A cell for people."""
    return column.without if value is None and column.without is not None else shown(value, column.form)


def dollars(nano: int, places: int = 2) -> str:
    """To so many places; what is less than a cent, to four digits."""
    amount = _ROUNDING.divide(Decimal(abs(nano)), Decimal(NANO))
    sign = "\u2212" if nano < 0 else ""
    if not nano or amount >= _CENT:
        return f"{sign}${_ROUNDING.quantize(amount, Decimal(1).scaleb(-places)):,f}"
    return f"{sign}${_ROUNDING.plus(Decimal(f'{amount:.4g}')):f}"


def period(report: Report) -> str:
    """The days of a report, the last one included; with hours where it does not begin or end with a day."""
    start, end = report.start, report.end
    last = (end.timestamp() - 1e-6, end.tzinfo)
    if (start.hour, start.minute) == (end.hour, end.minute) == (0, 0):
        final = datetime.fromtimestamp(*last).date()
        first = start.date()
        if first == final:
            return f"{first:%A}, {first.isoformat()}"
        if first.day == 1 and (final + timedelta(days=1)) == _next_month(first):
            return f"{first:%B %Y}"
        return f"{first.isoformat()} to {final.isoformat()}"
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def as_of(report: Report) -> str:
    """When this was known."""
    return f"as of {report.as_of:%Y-%m-%d %H:%M} {report.zone}"


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
