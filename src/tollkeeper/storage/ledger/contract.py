"""What a ledger offers, whatever database holds it. Moments are nanoseconds since the epoch; money is nano-dollars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from tollkeeper.model import Call

Dimension = Literal[
    "provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config"
]  # fmt: skip
DIMENSIONS: tuple[Dimension, ...] = (
    "provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config",
)  # fmt: skip
"""What usage can be grouped and filtered by. `model` is the response's, else the request's; absent values are ''."""

Interval = Literal["hour", "day", "week", "month"]


class Entry(NamedTuple):
    """One attempt, priced, as it goes into the ledger.

    `digest` (16 bytes) is of what was reported: the same id and attempt with another digest is a conflict. `emitter`
    names who reported it: `tollkeeper`, or the foreign instrumentation whose span or event it was.
    """

    call: Call
    digest: bytes
    emitter: str = "tollkeeper"


class Started(NamedTuple):
    """A call that was begun, of which nothing more was heard: its process died. `call` has what was known then."""

    call: Call


class Recorded(NamedTuple):
    """What became of a batch. Duplicates had been recorded before, with the same content."""

    new: int
    duplicates: int
    conflicts: int


class Totals(NamedTuple):
    """Sums over calls. Tokens and money sum what is known; `unmeasured` and `unpriced` count the calls that lack it."""

    calls: int = 0
    failed: int = 0
    unmeasured: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    nano_usd: int = 0
    duration_ns: int = 0


class UsageQuery(NamedTuple):
    """Usage from `start` (included) to `end` (not included), by groups and by intervals of a time zone's calendar."""

    start: int
    end: int
    group_by: tuple[Dimension, ...] = ()
    filters: Mapping[Dimension, tuple[str, ...]] = {}
    interval: Interval | None = None
    zone: str = "UTC"


class UsageRow(NamedTuple):
    """One group in one interval. `bucket` is the interval's start, in nanoseconds; `None` without intervals."""

    bucket: int | None
    group: tuple[str, ...]
    totals: Totals


class CallQuery(NamedTuple):
    """Calls in a range, newest or dearest first. `after` is the cursor that the page before ended with."""

    start: int = 0
    end: int = 2**63 - 1
    filters: Mapping[Dimension, tuple[str, ...]] = {}
    outcome: Literal["succeeded", "failed", "unpriced", "unmeasured"] | None = None
    order: Literal["newest", "dearest"] = "newest"
    after: str | None = None
    limit: int = 50


class Ledger(Protocol):
    """Everything that has been recorded. Safe to use from several threads and processes at once."""

    def record(self, entries: Sequence[Entry]) -> Recorded:
        """Keep a batch and its rollups, in one transaction. When this returns, it survives a crash."""

    def mark_started(self, started: Sequence[Started]) -> None:
        """Note calls that were begun and never reported. One that is reported after all is no orphan any more."""

    def orphans(self, limit: int = 100) -> list[Started]:
        """The calls that were begun and never reported, newest first."""

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        """Sums, adjustments of re-priced periods included. Rows are sorted by interval, then by group."""

    def calls(self, query: CallQuery) -> tuple[list[Mapping[str, Any]], str | None]:
        """A page of calls, and the cursor of the next page, if there is one. Rows are as `call` gives them."""

    def call(self, id: str) -> list[Mapping[str, Any]]:
        """Every attempt of a call: all columns, with line items, conflicts and adjustments."""

    def close(self) -> None:
        """Let go of connections."""
