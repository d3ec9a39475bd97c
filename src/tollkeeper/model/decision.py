"""What becomes of a call before it is sent, and how a limit stood when that was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tollkeeper.model.limit import Limit, Measure


class Bound(NamedTuple):
    """The most that a call can use. `None` is what nobody can tell beforehand; `why` says the reason.

    `unpriced`: the reason is that the model has no price. `likely_output` and `likely_usd` (nano-dollars) are what it
    will hardly use more than, by what such calls have used: an estimate, for soft limits only.
    """

    input_tokens: int | None
    output_tokens: int | None
    nano_usd: int | None
    why: str | None = None
    unpriced: bool = False
    likely_output: int | None = None
    likely_usd: int | None = None

    def by_measure(self) -> dict[Measure, int | None]:
        """In the unit of each measure."""
        input_tokens, output_tokens, nano_usd = self[:3]
        return {
            "requests": 1,
            "tokens": None if input_tokens is None or output_tokens is None else input_tokens + output_tokens,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "usd": nano_usd,
            "concurrency": 1,
        }

    def likely(self) -> Bound:
        """The same with what is likely in place of the most, where it is known."""
        nano_usd = self.nano_usd if self.likely_usd is None else self.likely_usd
        return Bound(self.input_tokens, self.likely_output, nano_usd)


class Status(NamedTuple):
    """How a limit stands, for whom. `used` includes what is `held` by calls under way.

    `resets_at` is in nanoseconds since the epoch; `None` where nothing begins anew.
    """

    limit: Limit
    scope: Mapping[str, str]
    used: int
    held: int
    resets_at: int | None

    @property
    def remaining(self) -> int:
        """What is left; never below zero."""
        return max(self.limit.amount - self.used, 0)

    @property
    def percent(self) -> float:
        """Of the amount; a display figure. A limit of nothing is used up."""
        return 100.0 * self.used / self.limit.amount if self.limit.amount else 100.0


Reason = Literal[
    "used_up", "call_too_large", "unbounded", "unpriced", "unavailable", "shed", "step", "emergency", "anomaly"
]  # fmt: skip
"""`used_up`: no room is left. `call_too_large`: there never is for such a call. `unbounded`: nobody can tell what it
may use. `unpriced`: nor what it costs. `unavailable`: the counters cannot be reached, and the limit says to deny.
`shed`: the limit is so far used that calls of its priority do not go; `step`: that none does. `emergency`: until it is
over, calls of its priority do not go. `anomaly`: nor do such calls, in which a rule has found what is unusual."""


class Denial(NamedTuple):
    """Why a call was not sent. `estimate` is what it could have used, in the unit of the limit's measure.

    `retry_after` is in seconds; `None` where nobody can tell, or waiting does not help. `detail` says more.
    """

    status: Status
    estimate: int | None
    retry_after: float | None
    reason: Reason
    detail: str | None = None
