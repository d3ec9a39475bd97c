"""What advice is made from: sums of the ledger's calls, prepared for it. Money is nano-dollars, moments nanoseconds.

All of it is of whole days of UTC, the last of them yesterday, and of calls that nobody has retracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tollkeeper.insight.advice.prices import PricesNow
from tollkeeper.model import Limit
from tollkeeper.policy import Policy


class Task(NamedTuple):
    """Calls of one feature to one model, as it was asked for. An empty feature: calls without one."""

    feature: str
    provider: str
    asked: str
    operation: str = "chat"


class Use(NamedTuple):
    """Sums over calls of a task that were answered by one model, in one tier, and priced alike.

    `tier` is empty for standard processing; `tenant` is told apart only where tenants have discounts. `above`: the
    calls have more input tokens than that, and no more than the next threshold of a price. `named`: the provider itself
    named their cost. Of the squares, the sums are floats. Only text was billed.
    """

    task: Task
    model: str
    tier: str = ""
    tenant: str = ""
    above: int = -1
    named: bool = False
    calls: int = 0
    costed: int = 0
    nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    streamed: int = 0
    attended: int = 0
    """Calls with a tag `session` or `user`: somebody may be waiting for them."""
    input_squares: float = 0.0
    output_squares: float = 0.0
    duration: float = 0.0
    """Seconds, all together."""


class Rhythm(NamedTuple):
    """When the calls of a task come. `windows`: in how many times of five minutes there was any; `hours`: in how many
    hours, 0 if that is not known. By hours of UTC.
    """

    windows: int
    calls_by_hour: tuple[int, ...]
    hours: int = 0


class Histogram(NamedTuple):
    """How many calls had so many tokens: (the most of a bucket, calls), ascending."""

    buckets: tuple[tuple[int, int], ...]

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(number for _, number in self.buckets)

    def least_of(self, share: float) -> int:
        """What so great a share of the calls had no more than; up to the width of a bucket too high."""
        wanted, seen = share * self.calls, 0
        for most, number in self.buckets:
            seen += number
            if seen >= wanted:
                return most
        return self.buckets[-1][0] if self.buckets else 0


class Answers(NamedTuple):
    """How long the answers of a task were, of the calls that asked for at most `max_tokens`."""

    task: Task
    max_tokens: int
    lengths: Histogram


class Repeated(NamedTuple):
    """Prompts of a task that were sent more than once. `repeats` are all calls but the first of each prompt.

    `repeats_a_day` leaves out the first of each day, too.
    """

    task: Task
    prompts: int
    calls: int
    repeats: int
    repeats_nano_usd: int
    repeats_a_day: int
    repeats_a_day_nano_usd: int


class Failed(NamedTuple):
    """Calls of a task that brought nothing: by how they ended, an `error.type` or `abandoned`."""

    task: Task
    ended: str
    calls: int
    costed: int
    nano_usd: int
    input_tokens: int
    output_tokens: int


class Priceless(NamedTuple):
    """A model that has no price; `near` is one of the price list whose name is much the same."""

    provider: str
    model: str
    calls: int
    tokens: int
    reason: str
    near: str | None


class Filled(NamedTuple):
    """How far a limit was used in each whole period of late, the oldest first: by whoever used the most of it.

    In the unit of its measure; in nano-dollars, what it was used by has cost.
    """

    limit: Limit
    peaks: tuple[int, ...]


class Facts(NamedTuple):
    """All of it. `days` of them are looked at; `daily` is what a task has cost each day, the oldest first."""

    days: int
    policy: Policy
    prices: PricesNow
    uses: tuple[Use, ...] = ()
    daily: Mapping[Task, tuple[int, ...]] = {}
    rhythms: Mapping[Task, Rhythm] = {}
    inputs: Mapping[Task, Histogram] = {}
    answers: tuple[Answers, ...] = ()
    repeated: tuple[Repeated, ...] = ()
    failed: tuple[Failed, ...] = ()
    priceless: tuple[Priceless, ...] = ()
    filled: tuple[Filled, ...] = ()
