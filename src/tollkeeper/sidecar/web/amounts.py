"""Amounts as people type them, in any language: what could be meant in two ways is refused, and never guessed."""

from __future__ import annotations

import re
from decimal import Decimal

MOST_DIGITS = 40
FRACTION_OF_A_DOLLAR = 9

_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_GROUPED = re.compile(r"\d{1,3}(?:(?:,\d{3})+|(?:[ \u00a0\u202f_']\d{3})+)(?:\.\d+)?")
_EITHER = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_THOUSANDS = {"k": 10**3, "K": 10**3, "M": 10**6}


def read_money(text: str, most_digits: int = FRACTION_OF_A_DOLLAR) -> Decimal:
    """US dollars, with so many digits after the point. Raises `ValueError`, which says what is expected."""
    said = text.strip().removeprefix("$").removesuffix("$").removesuffix("USD").strip()
    if re.fullmatch(r"\d{1,3}(,\d{3})+", said):
        plain = said.replace(",", "")
        raise ValueError(
            f"{said!r} can mean {plain} or {said.replace(',', '.')}: write {plain}, or a point before cents"
        )
    if _EITHER.fullmatch(said):
        plain = said.replace(".", "")
        raise ValueError(f"{said!r} can mean {plain} or {as_typed(Decimal(said))}: write one of these")
    if "," in said and not _GROUPED.fullmatch(said):
        raise ValueError(f"{said!r} is not clear: write a point before the cents, such as 1000.50")
    amount = _number(said, "US dollars, such as 100 or 0.50")
    if -_exponent(amount) > most_digits:
        raise ValueError(f"{said!r} is too exact: {most_digits} digits after the point are the most")
    return amount


def as_typed(amount: Decimal) -> str:
    """An amount as `read_money` takes it: 1.125 with one more zero, as it could be meant as 1125 otherwise."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}0" if _EITHER.fullmatch(text) else text


def read_whole(text: str) -> int:
    """A whole number; `90,000`, `90 000`, `90k` and `2M` are understood. Raises `ValueError` as `read_money`."""
    said = text.strip()
    unit = _THOUSANDS.get(said[-1:], 1)
    digits = said[:-1].rstrip() if unit > 1 else said
    if unit == 1 and _EITHER.fullmatch(digits):
        raise ValueError(f"{said!r} can mean {digits.replace('.', '')}: write that, as only whole numbers are counted")
    number = _number(digits, "a whole number, such as 60, 90000 or 2M") * unit
    if number != number.to_integral_value():
        raise ValueError(f"{said!r} is no whole number")
    return int(number)


def _number(said: str, expected: str) -> Decimal:
    if not said:
        raise ValueError(f"how much is missing: write {expected}")
    if len(said) > MOST_DIGITS or not said.isascii() and not _GROUPED.fullmatch(said):
        raise ValueError(f"{said[:MOST_DIGITS]!r} is not understood: write {expected}")
    if _PLAIN.fullmatch(said) or _GROUPED.fullmatch(said):
        return Decimal(re.sub(r"[^\d.]", "", said))
    raise ValueError(f"{said!r} is not understood: write {expected}")


def _exponent(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
