"""Where the page is, the tabs it has, and what their forms are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from starlette.responses import RedirectResponse

from tollkeeper.sidecar.web.filters import Filters

PATH = "/analyze"
TABS = (
    ("breakdown", "Breakdown"), ("providers", "Providers"), ("forecast", "Forecast"), ("anomalies", "Anomalies"),
    ("recommendations", "Recommendations"),
)  # fmt: skip

T = TypeVar("T", bound=str)


def one_of(allowed: tuple[T, ...], wanted: str | None, otherwise: T) -> T:
    """What the URL asks for, if there is such a thing."""
    return next((each for each in allowed if each == wanted), otherwise)


def to_one(filters: Filters, where: str) -> RedirectResponse | None:
    """On to the page of the one that the tab's URL names, if it names one."""
    named = filters.others.get("id")
    return None if named is None else RedirectResponse(f"{where}/{quote(named, safe='')}", 303)


class Choice(NamedTuple):
    """A field of the tab's form: its name in the URL, what it is called, pairs of value and words, what is chosen."""

    name: str
    words: str
    options: Sequence[tuple[str, str]]
    chosen: str
