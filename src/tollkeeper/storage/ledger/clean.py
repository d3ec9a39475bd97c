"""What a database can hold: texts without what it would refuse, and numbers that can be true.

Whatever is changed here is kept as it came in the row's `details`, so that nothing is lost.
"""

from __future__ import annotations

import hashlib

LONGEST_TEXT = 500
"""Characters of a column. PostgreSQL refuses index entries of more than 2704 bytes."""
LARGEST_COUNT = 10**12
"""Tokens of one call. More cannot be true, and some millions of such calls can be summed in 63 bits."""
LARGEST_NANO_USD = 10**14
"""A hundred thousand dollars for one call."""
LONGEST_SECONDS = 1e6
HASHED = "sha256:"

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_clean(value: str) -> bool:
    """Whether both databases hold this text as it is: no NUL, no lone surrogates, not too long to be indexed."""
    if len(value) > LONGEST_TEXT or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def clean(value: str) -> str:
    """The nearest text that both databases hold."""
    if is_clean(value):
        return value
    valid = value[:LONGEST_TEXT].replace("\0", _REPLACEMENT)
    return "".join(_REPLACEMENT if "\ud800" <= character <= "\udfff" else character for character in valid)


def key_of(id: str) -> str:
    """An id as a key. Ids that cannot be held as they are get their hash instead, so that they stay distinct."""
    if is_clean(id) and not id.startswith(HASHED):
        return id
    return HASHED + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


def count(value: int | None) -> int | None:
    """A count that can be true; anything else is unknown. Raises `TypeError` for what is no count."""
    if value is None:
        return None
    if type(value) is not int:
        raise TypeError(f"a count must be a whole number, not {value!r}")
    return value if 0 <= value <= LARGEST_COUNT else None


def seconds(value: float | None) -> float | None:
    """A length of time that can be true; anything else is unknown. Raises `TypeError` for what is no number."""
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"a length of time must be a number, not {value!r}")
    return float(value) if 0 <= value <= LONGEST_SECONDS else None
