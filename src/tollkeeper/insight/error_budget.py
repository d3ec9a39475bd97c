"""How much a provider may fail, how much of that is used up, and how fast it goes: burn rates over several windows.

A window alone would tell too late (a long one) or of every hiccup (a short one). So a long one says that it matters,
and a short one that it still goes on: both must be above the threshold (Google, The Site Reliability Workbook,
chapter 5, "Alerting on SLOs": 2 % of a budget of 30 days in an hour, 5 % in six hours, 10 % in three days).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tollkeeper.model.finding import Severity

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIOD = 30 * DAY
"""Of the budget, in seconds."""

OBJECTIVE = 0.99
"""The share of calls that are to be answered, where nobody has set another one."""

FEWEST_FAILURES = 5
"""In the long window: one of ten calls in the night is no news."""


class Counted(NamedTuple):
    """Of the calls that a provider could answer: how many there were, and how many it has failed."""

    calls: int
    failed: int

    @property
    def failed_share(self) -> float | None:
        """Of one; `None` where there were no calls."""
        return self.failed / self.calls if self.calls else None


class Pair(NamedTuple):
    """A long window and a short one, in seconds; and the share of the period's budget that the long one may use."""

    long: int
    short: int
    share: float
    severity: Severity

    def threshold(self, period: int) -> float:
        """The burn rate at which the long window uses that share."""
        return self.share * period / self.long


PAIRS = (
    Pair(HOUR, 5 * MINUTE, 0.02, "critical"),
    Pair(6 * HOUR, 30 * MINUTE, 0.05, "critical"),
    Pair(3 * DAY, 6 * HOUR, 0.10, "warning"),
)
WINDOWS: tuple[int, ...] = tuple(sorted({PERIOD, *(pair.long for pair in PAIRS), *(pair.short for pair in PAIRS)}))
"""Of which calls are to be counted, in seconds until now."""


class Burn(NamedTuple):
    """How fast a pair of windows uses the budget up: 1 is just so that it lasts for the period."""

    pair: Pair
    threshold: float
    long: float | None
    short: float | None
    burning: bool


class ErrorBudget(NamedTuple):
    """Of one provider. `allowed` is how many of the period's calls may fail; `used` is a share of that (1 is all).

    `used` is `None` where there were no calls. `severity`: that of the worst pair of windows that burn too fast.
    """

    objective: float
    period: int
    calls: int
    failed: int
    allowed: float
    used: float | None
    burns: tuple[Burn, ...]
    severity: Severity | None


def error_budget(
    counts: Mapping[int, Counted], objective: float = OBJECTIVE, period: int = PERIOD, pairs: Sequence[Pair] = PAIRS
) -> ErrorBudget:
    """How a budget stands, of the calls by window (in seconds until now).

    Raises `ValueError` for an objective that is not between 0 and 1: without room for failure there is no budget.
    """
    if not 0 < objective < 1:
        raise ValueError(f"an objective of {objective!r}; expected a share between 0 and 1, such as 0.995")
    whole = counts[period]
    allowed = (1 - objective) * whole.calls
    burns = tuple(_burn(pair, counts, objective, period) for pair in pairs)
    return ErrorBudget(
        objective,
        period,
        whole.calls,
        whole.failed,
        allowed,
        whole.failed / allowed if whole.calls else None,
        burns,
        next((burn.pair.severity for burn in burns if burn.burning), None),
    )


def _burn(pair: Pair, counts: Mapping[int, Counted], objective: float, period: int) -> Burn:
    long, short = (_rate(counts[window], objective) for window in (pair.long, pair.short))
    threshold = pair.threshold(period)
    enough = counts[pair.long].failed >= FEWEST_FAILURES
    burning = enough and all(rate is not None and rate >= threshold for rate in (long, short))
    return Burn(pair, threshold, long, short, burning)


def _rate(counted: Counted, objective: float) -> float | None:
    share = counted.failed_share
    return None if share is None else share / (1 - objective)
