"""What a ledger offers, whatever database holds it. Moments are nanoseconds since the epoch; money is nano-dollars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from tollkeeper.model import Call, LineItem
from tollkeeper.model.calendar import Interval

Dimension = Literal[
    "provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config"
]  # fmt: skip
DIMENSIONS: tuple[Dimension, ...] = (
    "provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config",
)  # fmt: skip
"""What usage can be grouped and filtered by. `model` is the response's, else the request's; absent values are ''."""

OWN = "tollkeeper"
"""The emitter of our own records."""


class Entry(NamedTuple):
    """One attempt, priced, as it goes into the ledger.

    `digest` (16 bytes) is of what was reported: the same id and attempt with another digest is a conflict. `emitter`
    names who reported it: `tollkeeper`, or the foreign instrumentation whose span or event it was. Reports of one call
    by others never conflict, as a span and an event of it differ: all but the first are duplicates.
    """

    call: Call
    digest: bytes
    emitter: str = OWN
    parent_span_id: str | None = None


class Started(NamedTuple):
    """A call that was begun, of which nothing more was heard: its process died. `call` has what was known then."""

    call: Call


class Rejection(NamedTuple):
    """An entry that cannot be recorded, however often it is sent, and why."""

    id: str
    attempt: int
    reason: str


class Recorded(NamedTuple):
    """What became of a batch. Duplicates had been recorded before, with the same content."""

    new: int
    duplicates: int
    conflicts: int
    rejected: tuple[Rejection, ...] = ()


class Retraction(NamedTuple):
    """A call that is to be in no total any more, as it turned out to be another call, reported twice."""

    id: str
    attempt: int
    reason: str


class Adjustment(NamedTuple):
    """What a recorded call is to cost from now on; `nano_usd` of `None` is no price at all."""

    id: str
    attempt: int
    nano_usd: int | None
    price_version: str | None = None
    line_items: tuple[LineItem, ...] = ()


class Kept(NamedTuple):
    """A call as it was recorded, and what it costs by now: adjustments may have changed that.

    `unpriced`: its usage is known, and its model has no price.
    """

    call: Call
    emitter: str
    nano_usd: int | None
    price_version: str | None
    unpriced: bool


class Adjusted(NamedTuple):
    """A correction of what a call costs, made at `at`: by so many nano-dollars, so that it costs `nano_usd` then.

    `nano_usd` of `None`: it has no price any more. `call` is as it was recorded.
    """

    call: Call
    at: int
    repricing_id: str
    reason: str
    delta_nano_usd: int
    nano_usd: int | None


class Traced(NamedTuple):
    """A recorded call of a trace: what it takes to see whether it is nested in another one, or the same."""

    id: str
    attempt: int
    emitter: str
    trace_id: str
    span_id: str | None
    parent_span_id: str | None
    started_at: int
    duration: float | None
    provider: str
    operation: str
    request_model: str | None
    response_model: str | None
    response_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    error_type: str | None
    nano_usd: int | None
    retracted: bool


class Difference(NamedTuple):
    """A rollup that is not the sum of its calls. `bucket` is the start of its hour or day."""

    table: str
    bucket: int
    group: tuple[str, ...]
    kept: Totals
    true: Totals


class LedgerUnavailable(Exception):
    """The database cannot be used just now: locked, away, or full. Nothing of the batch is recorded; to be repeated."""


class Totals(NamedTuple):
    """Sums over calls, without those that were retracted.

    Tokens, money and durations sum what is known. `unpriced` counts the calls whose usage is known and whose model has
    no price, `unmeasured` those that succeeded and whose usage nobody counted. `costed` are those whose cost is known,
    `timed` those whose duration is: averages are over them.
    """

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
    costed: int = 0
    duration_ns: int = 0
    timed: int = 0


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
    """Calls in a range, newest or dearest first. `after` is the cursor that the page before ended with.

    `trace_id` and `response_id`: only the calls of that trace, or of that answer of a provider.
    """

    start: int = 0
    end: int = 2**63 - 1
    filters: Mapping[Dimension, tuple[str, ...]] = {}
    outcome: Literal["succeeded", "failed", "unpriced", "unmeasured"] | None = None
    order: Literal["newest", "dearest"] = "newest"
    after: str | None = None
    limit: int = 50
    trace_id: str | None = None
    response_id: str | None = None


class Ledger(Protocol):
    """Everything that has been recorded. Safe to use from several threads and processes at once."""

    def record(self, entries: Sequence[Entry], retractions: Sequence[Retraction] = ()) -> Recorded:
        """Keep a batch and its rollups, in one transaction. When this returns, it survives a crash.

        An entry that no database could hold is rejected, alone. Raises `LedgerUnavailable`.
        """

    def retract(self, retractions: Sequence[Retraction]) -> int:
        """Take calls out of the totals. Their rows stay. Returns how many were counted until now."""

    def find_in_trace(self, trace_ids: Sequence[str]) -> list[Traced]:
        """The calls of these traces that were recorded in the last three days, retracted ones too, oldest first."""

    def select_calls(
        self, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]] | None = None
    ) -> Iterator[Kept]:
        """Every call of a period that counts, oldest first, without holding them all in memory."""

    def select_adjustments(
        self, start: int, end: int, filters: Mapping[Dimension, tuple[str, ...]] | None = None
    ) -> Iterator[Adjusted]:
        """Every correction of the calls of a period that count, by when the calls began; not all in memory."""

    def kept_since(self) -> int:
        """Calls that started earlier were deleted; their sums are kept."""

    def adjust(self, repricing_id: str, adjustments: Sequence[Adjustment], author: str, reason: str) -> int:
        """Correct what calls cost. Each call once for each `repricing_id`: repeating it changes nothing.

        Returns how many calls were adjusted; those that cost the same already are not.
        """

    def mark_started(self, started: Sequence[Started]) -> None:
        """Note calls that were begun and never reported. One that is reported after all is no orphan any more."""

    def orphans(self, limit: int = 100) -> list[Started]:
        """The calls that were begun and never reported, newest first."""

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        """Sums, adjustments of re-priced periods included. Rows are sorted by interval, then by group."""

    def newest(self, before: int) -> Mapping[str, int]:
        """When the newest call of each provider began, without days that begin at `before` or later."""

    def calls(self, query: CallQuery) -> tuple[list[Mapping[str, Any]], str | None]:
        """A page of calls, and the cursor of the next page, if there is one. Rows are as `call` gives them."""

    def call(self, id: str) -> list[Mapping[str, Any]]:
        """Every attempt of a call: all columns, with line items, conflicts and adjustments."""

    def label_sets(self, found: Sequence[tuple[str, ...]], most: int) -> set[tuple[str, ...]]:
        """The first `most` label sets that there were. New ones are noted, in their order, while there is room."""

    def check_rollups(self, start: int, end: int) -> list[Difference]:
        """Where the rollups of a period are not the sums of its calls. Whole days of UTC are checked."""

    def rebuild_rollups(self, start: int, end: int) -> None:
        """Make the rollups of a period from its calls again, day by day of UTC."""

    def prune(self, before: int, rollups_before: int = 0) -> int:
        """Delete the calls that started earlier, and return how many. Their rollups stay, but for those asked for.

        From then on a call that started earlier is rejected, as its repeats could not be told. So keep calls for
        longer than any spool may hold them.
        """

    def close(self) -> None:
        """Let go of connections."""
