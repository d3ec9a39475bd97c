"""A guess at what an unknown model's name may stand for: the listed one that is most like it."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHARED = 4
"""Letters and digits that two names must begin with in common, to be alike at all."""
LEAST_ALIKE = 0.5
"""How much of the longer name must be shared."""

_NO_NAME = re.compile(r"[^a-z0-9]")


def near_model(provider: str, model: str, listed: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The listed (provider, model) whose name shares the longest beginning, one of the same provider if it is as long.

    Names are compared without what routes them (`openai/`), case and punctuation. `None`: nothing is alike.
    """
    wanted = _letters(model)
    best: tuple[tuple[float, bool, int], tuple[str, str]] | None = None
    for whose, which in listed:
        name = _letters(which)
        shared = _shared(wanted, name)
        alike = shared / max(len(wanted), len(name), 1)
        if shared >= SHARED and alike >= LEAST_ALIKE:
            rank = (alike, whose == provider, -len(which))
            if best is None or rank > best[0]:
                best = rank, (whose, which)
    return None if best is None else best[1]


def _letters(model: str) -> str:
    return _NO_NAME.sub("", model.lower().rpartition("/")[2])


def _shared(one: str, other: str) -> int:
    """How many letters they begin with in common."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
