"""Values of reports as the page shows them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tollkeeper.sidecar.web.formats import UNKNOWN, Formats

NUMBERS = frozenset(("money", "price", "count", "percent", "milliseconds", "number"))


def cell(value: Any, form: str, formats: Formats) -> str:
    """A value of this form. A text that stands where a number would, such as the word Total, is shown as it is."""
    if value is None:
        return UNKNOWN
    if form in ("day", "moment"):
        return _when(str(value), form, formats)
    if isinstance(value, str):
        return value
    if form in ("money", "price"):
        return formats.usd(Decimal(value))
    if form == "percent":
        return formats.percent(Decimal(value) / 100)
    if form == "milliseconds":
        return formats.milliseconds(value)
    return formats.count(value) if form == "count" else formats.decimal(value)


def _when(text: str, form: str, formats: Formats) -> str:
    try:
        return formats.day(date.fromisoformat(text)) if form == "day" else formats.minute(datetime.fromisoformat(text))
    except ValueError:
        return text
