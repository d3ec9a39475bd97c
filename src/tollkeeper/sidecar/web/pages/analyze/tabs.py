"""Where the page is, and the tabs it has."""

from __future__ import annotations

from typing import TypeVar

PATH = "/analyze"
TABS = (
    ("breakdown", "Breakdown"), ("providers", "Providers"), ("forecast", "Forecast"), ("anomalies", "Anomalies"),
    ("recommendations", "Recommendations"),
)  # fmt: skip

T = TypeVar("T", bound=str)


def one_of(allowed: tuple[T, ...], wanted: str | None, otherwise: T) -> T:
    """What the URL asks for, if there is such a thing."""
    return next((each for each in allowed if each == wanted), otherwise)
