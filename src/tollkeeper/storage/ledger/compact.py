"""JSON without spaces, in ASCII, as a row holds it."""

from __future__ import annotations

import json.encoder
from typing import Any

_slow = json.JSONEncoder(separators=(",", ":"), default=str, check_circular=False)
# `JSONEncoder.encode` builds this anew for each value, which takes longer than writing most of ours.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_quick: Any = _make and _make(None, str, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)


def write(value: Any) -> str:
    """The text of a value; what JSON does not know becomes a string. Raises `ValueError` or `RecursionError`."""
    return "".join(_quick(value, 0)) if _quick else _slow.encode(value)
