"""Lengths of time as people write them: `30m`, `4h`, `1d`."""

from __future__ import annotations

import re
from typing import Final

PATTERN: Final = r"^[0-9]{1,7} ?[smhd]$"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> int:
    """Raises `ValueError`, without repeating the text."""
    if not re.fullmatch(PATTERN, text, re.ASCII):
        raise ValueError('a time such as "30m", "4h" or "1d"')
    return int(text[:-1]) * _SECONDS[text[-1]]
