"""The ledger's tables. What a column means is said here once; the schema itself is made by the migrations.

Moments are nanoseconds since the epoch, money is nano-dollars, `NULL` is unknown. Texts are clean (`clean.py`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

from tollkeeper.storage.database import METADATA
from tollkeeper.storage.ledger.contract import DIMENSIONS, Totals

NS_AN_HOUR = 3_600_000_000_000
NS_A_DAY = 24 * NS_AN_HOUR

NS_A_TRACE_BLOCK = 6 * NS_AN_HOUR
"""Trace ids are random. Indexed by the time of recording first, new ones come close together, and stay in memory."""
TRACE_END = "substr(trace_id, 27)"
"""The last six digits: enough to find a trace by, and a fifth of what all take to index. Some begin with a time."""


def _only(where: str) -> dict[str, Any]:
    return {"sqlite_where": text(where), "postgresql_where": text(where)}


ID = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Sorted by its bytes everywhere, as Python does."""

CALLS = Table(
    "calls",
    METADATA,
    Column("id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("month", Integer, nullable=False),  # of the id, not of the call: PostgreSQL's table is partitioned by it
    Column("started_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("emitter", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),  # of the response, else of the request, else ''
    Column("operation", Text, nullable=False),
    Column("request_model", Text),
    Column("response_model", Text),
    Column("endpoint", Text),
    Column("service_tier", Text),
    Column("stream", Boolean, nullable=False),
    Column("status_code", BigInteger),
    Column("error_type", Text),  # not NULL: the call has failed
    Column("duration", Double),  # seconds
    Column("time_to_first_chunk", Double),  # seconds
    Column("tenant", Text),
    Column("project", Text),
    Column("user", Text),
    Column("session", Text),
    Column("service", Text),
    Column("feature", Text),
    Column("config", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_source", Text, nullable=False),
    Column("nano_usd", BigInteger),
    Column("price_status", Text),
    Column("price_version", Text),
    Column("cost_source", Text),
    Column("response_id", Text),
    Column("trace_id", Text),
    Column("span_id", Text),
    Column("parent_span_id", Text),
    Column("line_items", Text),  # JSON: [[meter, quantity, unit price, amount, model], …]
    Column("tags", Text),  # JSON: the free tags
    Column("details", Text),  # JSON: what of the call is in no other column
    PrimaryKeyConstraint("id", "attempt"),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_dearest", text(f"(started_at / {NS_A_DAY})"), "nano_usd"),
    Index("ix_calls_failed", "started_at", **_only("error_type IS NOT NULL")),
    Index(
        "ix_calls_trace",
        text(f"(recorded_at / {NS_A_TRACE_BLOCK})"),
        text(TRACE_END),
        **_only("trace_id IS NOT NULL"),
    ),
)
"""A row for each attempt of each call. It is written once, and never changed."""

STARTED = Table(
    "started",
    METADATA,
    Column("id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("id", "attempt"),
)
"""Marks of calls that were begun. One without a row in `calls` is an orphan."""

CONFLICTS = Table(
    "conflicts",
    METADATA,
    Column("id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("emitter", Text, nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("id", "attempt", "digest"),
)
"""What was reported under an id that another call has: kept whole, and not counted."""

RETRACTIONS = Table(
    "retractions",
    METADATA,
    Column("id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("id", "attempt"),
)
"""Calls that are in no total any more: they turned out to be another call, reported twice."""

ADJUSTMENTS = Table(
    "adjustments",
    METADATA,
    Column("repricing_id", Text, nullable=False),
    Column("id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),  # of the call
    Column("recorded_at", BigInteger, nullable=False),
    Column("delta_nano_usd", BigInteger, nullable=False),
    Column("delta_unpriced", Integer, nullable=False),  # -1: it has a price now; 1: it has none any more
    Column("delta_costed", Integer, nullable=False),  # 1: its cost is known now; -1: it is not any more
    Column("nano_usd", BigInteger),  # what the call costs from now on
    Column("old_price_version", Text),
    Column("new_price_version", Text),
    Column("line_items", Text),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    PrimaryKeyConstraint("id", "attempt", "repricing_id"),
    Index("ix_adjustments_started_at", "started_at"),
    Index("ix_adjustments_unpriced", "started_at", **_only("nano_usd IS NULL")),
)
"""Corrections of a call's price, made later. A call costs its own `nano_usd` and all of its deltas."""

DIMENSION_VALUES = Table(
    "dimensions",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, nullable=False) for name in DIMENSIONS),
)
"""Every combination of values that usage was counted for. The id is a hash of them; rows are never removed."""


def _rollup(name: str) -> Table:
    return Table(
        name,
        METADATA,
        Column("bucket", Integer, nullable=False),
        Column("dimension", BigInteger, nullable=False),
        *(Column(total, BigInteger, nullable=False) for total in Totals._fields),
        PrimaryKeyConstraint("bucket", "dimension"),
        sqlite_with_rowid=False,
    )


HOURLY = _rollup("usage_hourly")
DAILY = _rollup("usage_daily")
HOURLY_BROAD = _rollup("usage_hourly_broad")
DAILY_BROAD = _rollup("usage_daily_broad")
"""Sums by hour or day of UTC (counted from the epoch) and dimension. The broad ones do not tell users apart, who can be
so many that a row in them is hardly more than a call."""

LABEL_SETS = Table(
    "metric_label_sets",
    METADATA,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("labels", Text, nullable=False),  # JSON: values, in the order of the metrics' labels
)
"""The label sets that metrics show, in the order in which they were first seen. Rows are added, and never changed."""

STATE = Table(
    "ledger_state",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`pruned_before`: calls that started earlier were deleted, so that a repeat of one could not be told."""
