"""Where the page is, the tabs it has, and what their forms are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

PATH = "/analyze"
TABS = (
    ("breakdown", "Breakdown"), ("providers", "Providers"), ("forecast", "Forecast"), ("anomalies", "Anomalies"),
    ("recommendations", "Recommendations"),
)  # fmt: skip

T = TypeVar("T", bound=str)


def one_of(allowed: tuple[T, ...], wanted: str | None, otherwise: T) -> T:
    """What the URL asks for, if there is such a thing."""
    return next((each for each in allowed if each == wanted), otherwise)


class Choice(NamedTuple):
    """A field of the tab's form: its name in the URL, what it is called, pairs of value and words, what is chosen."""

    name: str
    words: str
    options: Sequence[tuple[str, str]]
    chosen: str
