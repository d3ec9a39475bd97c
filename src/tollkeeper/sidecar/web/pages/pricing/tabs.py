"""Where the page is, and the tabs it has."""

from __future__ import annotations

from tollkeeper.sidecar.web.filters import Filters

PATH = "/pricing"
TABS = (
    ("catalogue", "Catalogue"), ("scheduled", "Scheduled"), ("unpriced", "Unpriced"), ("history", "History"),
    ("discounts", "Discounts"),
)  # fmt: skip


def tab(filters: Filters, name: str, **parameters: str) -> str:
    """The address of a tab."""
    return filters.elsewhere(PATH, **({} if name == "catalogue" else {"tab": name}), **parameters)
