"""Tells, once each, that a limit has come to one of its percentages, and that it was exceeded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from tollkeeper.model import Limit, Status
from tollkeeper.model.finding import Severity, severity_at
from tollkeeper.policy.forms import amount_text, write_form
from tollkeeper.policy.period import LENGTHS
from tollkeeper.policy.wording import whom

log = logging.getLogger("tollkeeper")

EXCEEDED = 101
HYSTERESIS = 5
"""So many percentage points below a percentage, what empties by itself may be told of again."""
QUIET_SECONDS = 60.0
"""After so long without a word of it, the calls under way are others."""

KEPT = 4096

Key = tuple[object, ...]


class Crossing(NamedTuple):
    """A limit has come to `percent` of its amount, or is beyond it: then it is `EXCEEDED`.

    `severity` is `info`, `warning`, `critical` or `emergency`.
    """

    status: Status
    percent: int
    severity: Severity = "warning"

    @property
    def used(self) -> int:
        """In the unit of the limit's measure. What calls under way only hold is not used yet, but of concurrency."""
        status = self.status
        return status.used if status.limit.measure == "concurrency" else status.used - status.held

    @property
    def message(self) -> str:
        """For people: which limit, for whom, and how far it is used."""
        limit = self.status.limit
        stands = "exceeded" if self.percent == EXCEEDED else f"at {self.percent} %"
        used = amount_text(limit.measure, self.used)
        return f"limit {limit.name!r} ({write_form(limit)}){whom(self.status)} is {stands}: used {used}"


class _Told(NamedTuple):
    """The highest percentage that was told and still holds, and when the limit was last looked at."""

    percent: int
    seen_at: float


NOTHING = _Told(0, 0.0)


class Thresholds:
    """Knows what was told of each limit, scope and period; `tell` is given each crossing, and must not fail.

    What empties by itself, a rolling limit or one of concurrency, has no periods: it is told of again when it has been
    well below, or when nobody has looked for as long as it takes to be empty. `clock` is in seconds, and only forward.
    """

    def __init__(self, tell: Callable[[Crossing], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[Key, _Told] = {}

    def __call__(self, status: Status) -> None:
        """Look at how a limit stands now. What calls under way only hold is not used yet, but of concurrency."""
        limit, used = status.limit, Crossing(status, 0).used
        if not limit.at:
            return
        key = (limit.name, *status.scope.values(), status.resets_at)
        told, now = self._told.get(key, NOTHING), self._clock()
        if (lasting := _empties_in(limit)) is not None:
            told = NOTHING if now - told.seen_at >= lasting else told._replace(percent=_holding(limit, used, told))
        percent = _reached(limit, used)
        if percent > told.percent:
            self._say(status, percent)
        if percent or key in self._told:
            self._note(key, _Told(max(percent, told.percent), now))

    def _note(self, key: Key, told: _Told) -> None:
        if len(self._told) >= KEPT and key not in self._told:
            self._told = {}
        self._told[key] = told

    def _say(self, status: Status, percent: int) -> None:
        crossing = Crossing(status, percent, severity_at(percent))
        log.warning("%s", crossing.message)
        self._tell(crossing)


def _reached(limit: Limit, used: int) -> int:
    """The highest percentage that it has come to; 0 for none."""
    if used > limit.amount:
        return EXCEEDED
    return max((at for at in limit.at if used * 100 >= limit.amount * at), default=0)


def _holding(limit: Limit, used: int, told: _Told) -> int:
    """What of that which was told is not yet well above how it stands."""
    known = (at for at in (*limit.at, EXCEEDED) if at <= told.percent)
    return max((at for at in known if used * 100 > limit.amount * max(min(at, 100) - HYSTERESIS, 0)), default=0)


def _empties_in(limit: Limit) -> float | None:
    """How many seconds it takes to be empty, if nothing more is used; `None` for what does not empty by itself."""
    window = limit.window
    if window is None:
        return QUIET_SECONDS if limit.measure == "concurrency" else None
    if not window.rolling or not limit.amount:
        return None
    burst = limit.amount if window.burst is None else max(window.burst, limit.amount)
    return LENGTHS[window.unit] / 1e9 * burst / limit.amount
