"""The ledger: calls, what came with them, and their rollups."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_ledger"
down_revision = None
branch_labels = None
depends_on = None

TEXT_COLUMNS = (
    "tenant", "project", "user", "session", "service", "feature", "config",
)  # fmt: skip
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
DIMENSIONS = ("provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config")
TOTALS = ("calls", "failed", "unmeasured", "unpriced", *TOKENS, "nano_usd", "costed", "duration_ns", "timed")
ROLLUPS = ("usage_hourly", "usage_daily", "usage_hourly_broad", "usage_daily_broad")


def upgrade() -> None:
    _calls()
    op.create_table("started", *_key(), _text("record"), sa.PrimaryKeyConstraint("id", "attempt", name="pk_started"))
    op.create_table(
        "conflicts",
        *_key(),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        _text("emitter"),
        _text("record"),
        sa.PrimaryKeyConstraint("id", "attempt", "digest", name="pk_conflicts"),
    )
    op.create_table(
        "retractions", *_key(), _text("reason"), sa.PrimaryKeyConstraint("id", "attempt", name="pk_retractions")
    )
    _adjustments()
    op.create_table(
        "dimensions",
        sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
        *(_text(name) for name in DIMENSIONS),
        sa.PrimaryKeyConstraint("id", name="pk_dimensions"),
    )
    for rollup in ROLLUPS:
        op.create_table(
            rollup,
            sa.Column("bucket", sa.Integer, nullable=False),
            _number("dimension"),
            *(_number(name) for name in TOTALS),
            sa.PrimaryKeyConstraint("bucket", "dimension", name=f"pk_{rollup}"),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "metric_label_sets",
        sa.Column("place", sa.Integer, nullable=False, autoincrement=False),
        _text("labels"),
        sa.PrimaryKeyConstraint("place", name="pk_metric_label_sets"),
    )
    op.create_table(
        "ledger_state",
        sa.Column("name", sa.Text, nullable=False),
        _number("value"),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_state"),
    )


def downgrade() -> None:
    for table in (
        *ROLLUPS, "metric_label_sets", "ledger_state", "dimensions", "adjustments", "retractions", "conflicts",
        "started", "calls",
    ):  # fmt: skip
        op.drop_table(table)


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _id() -> sa.Column[Any]:
    sorted_by_bytes = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column("id", sorted_by_bytes, nullable=False)


def _number(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _key() -> tuple[sa.Column[Any], ...]:
    return (
        _id(), sa.Column("attempt", sa.Integer, nullable=False), _number("started_at"), _number("recorded_at"),
    )  # fmt: skip


def _calls() -> None:
    partitioned = op.get_bind().dialect.name == "postgresql"
    # A partitioned table's primary key must have the partition key in it; the month follows from the id.
    key = ("id", "attempt", "month") if partitioned else ("id", "attempt")
    op.create_table(
        "calls",
        _id(),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("month", sa.Integer, nullable=False),
        _number("started_at"),
        _number("recorded_at"),
        _text("emitter"),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        _text("provider"),
        _text("model"),
        _text("operation"),
        *(_text(name, True) for name in ("request_model", "response_model", "endpoint", "service_tier")),
        sa.Column("stream", sa.Boolean, nullable=False),
        _number("status_code", True),
        _text("error_type", True),
        sa.Column("duration", sa.Double),
        sa.Column("time_to_first_chunk", sa.Double),
        *(_text(name, True) for name in TEXT_COLUMNS),
        *(_number(name, True) for name in TOKENS),
        _text("usage_source"),
        _number("nano_usd", True),
        *(_text(name, True) for name in ("price_status", "price_version", "cost_source")),
        *(_text(name, True) for name in ("response_id", "trace_id", "span_id", "parent_span_id")),
        *(_text(name, True) for name in ("line_items", "tags", "details")),
        sa.PrimaryKeyConstraint(*key, name="pk_calls"),
        postgresql_partition_by="LIST (month)" if partitioned else None,
    )
    if partitioned:
        op.execute("CREATE TABLE calls_others PARTITION OF calls FOR VALUES IN (0)")
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_index("ix_calls_dearest", "calls", [sa.text("(started_at / 86400000000000)"), "nano_usd"])
    failed, traced = sa.text("error_type IS NOT NULL"), sa.text("trace_id IS NOT NULL")
    op.create_index("ix_calls_failed", "calls", ["started_at"], sqlite_where=failed, postgresql_where=failed)
    trace = [sa.text("(recorded_at / 21600000000000)"), sa.text("substr(trace_id, 27)")]
    op.create_index("ix_calls_trace", "calls", trace, sqlite_where=traced, postgresql_where=traced)


def _adjustments() -> None:
    op.create_table(
        "adjustments",
        _text("repricing_id"),
        *_key(),
        _number("delta_nano_usd"),
        sa.Column("delta_unpriced", sa.Integer, nullable=False),
        sa.Column("delta_costed", sa.Integer, nullable=False),
        _number("nano_usd", True),
        _text("old_price_version", True),
        _text("new_price_version", True),
        _text("line_items", True),
        _text("reason"),
        _text("author"),
        sa.PrimaryKeyConstraint("id", "attempt", "repricing_id", name="pk_adjustments"),
    )
    op.create_index("ix_adjustments_started_at", "adjustments", ["started_at"])
    without = sa.text("nano_usd IS NULL")
    op.create_index(
        "ix_adjustments_unpriced", "adjustments", ["started_at"], sqlite_where=without, postgresql_where=without
    )
