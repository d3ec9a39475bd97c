"""The tabs of the page, and where a limit stands on it."""

from __future__ import annotations

from urllib.parse import quote

PATH = "/budgets"
EMERGENCY = f"{PATH}?tab=emergency"
TITLE = "Budgets & limits"
TABS = (
    ("limits", "Budgets and limits"), ("quotas", "Quotas"), ("in-flight", "In flight"), ("history", "History"),
    ("emergency", "Emergency"),
)  # fmt: skip


def anchor(limit: str) -> str:
    """Of the limit of this name, in the list of limits."""
    return f"limit-{quote(limit, safe='')}"
