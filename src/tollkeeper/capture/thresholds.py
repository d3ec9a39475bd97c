"""Tells, once each, that a limit has come to one of its percentages, and that it was exceeded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from tollkeeper.model import Status
from tollkeeper.policy.forms import amount_text, write_form
from tollkeeper.policy.wording import whom

log = logging.getLogger("tollkeeper")

EXCEEDED = 101
WARNING, CRITICAL = 80, 95
"""From which percentages on a crossing is so severe."""

KEPT = 4096


class Crossing(NamedTuple):
    """A limit has come to `percent` of its amount, or is beyond it: then it is `EXCEEDED`.

    `severity` is `info`, `warning`, `critical` or `emergency`.
    """

    status: Status
    percent: int
    severity: str = "warning"


class Thresholds:
    """Knows what was told of each limit, scope and period; `tell` is given each crossing, and must not fail."""

    def __init__(self, tell: Callable[[Crossing], object]) -> None:
        self._tell = tell
        self._told: dict[tuple[object, ...], int] = {}

    def __call__(self, status: Status) -> None:
        """Look at how a limit stands now. What calls under way only hold is not used yet."""
        limit = status.limit
        spent = status.used - status.held
        if not limit.at or spent * 100 < limit.amount * limit.at[0]:
            return
        percent = EXCEEDED if spent > limit.amount else max(at for at in limit.at if spent * 100 >= limit.amount * at)
        key = (limit.name, *status.scope.values(), status.resets_at)
        if percent <= self._told.get(key, 0):
            return
        if len(self._told) >= KEPT:
            self._told = {}
        self._told[key] = percent
        log.warning(
            "limit %r (%s)%s is %s: used %s",
            limit.name,
            write_form(limit),
            whom(status),
            "exceeded" if percent == EXCEEDED else f"at {percent} %",
            amount_text(limit.measure, spent),
        )
        self._tell(Crossing(status, percent, _severity(percent)))


def _severity(percent: int) -> str:
    return "critical" if percent >= CRITICAL else "warning" if percent >= WARNING else "info"
