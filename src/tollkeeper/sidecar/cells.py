"""What stands in a cell of a CSV file: exact, and never run as a formula by the spreadsheet that opens it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last are as wide as Chinese letters
"""How a text begins that a spreadsheet would run as a formula (OWASP, CSV injection). Tags are the users' own texts."""


def plain(amount: Decimal) -> str:
    """A decimal without exponent and without zeros at its end."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(value: Any) -> Any:
    """A value as it is written. A text that a spreadsheet would run has an apostrophe in front; unknown is empty."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
