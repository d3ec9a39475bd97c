"""JSON without spaces, as a row holds it."""

from __future__ import annotations

import json
from typing import Any

from msgspec.json import Encoder

_quick = Encoder(enc_hook=str).encode
write_exactly = json.JSONEncoder(separators=(",", ":"), default=str, check_circular=False).encode
"""The same for what is no number, or half a surrogate pair, in ASCII: it takes longer."""


def write(value: Any) -> str:
    """The text of a value; what JSON does not know becomes a string. Raises `ValueError` or `RecursionError`."""
    try:
        return _quick(value).decode()
    except (UnicodeEncodeError, OverflowError, TypeError):
        return write_exactly(value)
