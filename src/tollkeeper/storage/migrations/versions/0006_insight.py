"""What evaluators found last, anomalies, recommendations, and what providers say was used."""

import sqlalchemy as sa
from alembic import op

revision = "0006_insight"
down_revision = "0005_alerts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _evaluations()
    _anomalies()
    _recommendations()
    _invoice_lines()
    _benchmarks()


def downgrade() -> None:
    for table in ("benchmarks", "invoice_days", "invoice_lines", "recommendations", "anomalies", "evaluations"):
        op.drop_table(table)


def _evaluations() -> None:
    op.create_table(
        "evaluations",
        *_texts("name"),
        *_numbers("due_at"),
        *_texts("claimed_by"),
        sa.Column("at", sa.BigInteger),
        sa.Column("body", sa.Text),
        sa.PrimaryKeyConstraint("name", name="pk_evaluations"),
    )


def _anomalies() -> None:
    op.create_table(
        "anomalies",
        *_texts("id", "identity", "kind", "metric", "scope", "severity"),
        sa.Column("excess_nano_usd", sa.BigInteger),
        *_numbers("began_at", "found_at", "seen_at"),
        sa.Column("ended_at", sa.BigInteger),
        *_texts("document", "facts"),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("label", sa.Text),
        sa.Column("labelled_by", sa.Text),
        sa.Column("labelled_at", sa.BigInteger),
        sa.Column("note", sa.Text),
        sa.Column("response", sa.Text),
        sa.Column("responded_at", sa.BigInteger),
        sa.Column("response_ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_anomalies"),
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_anomalies_identity",
        "anomalies",
        ["identity"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    for moment in ("began_at", "ended_at", "labelled_at"):
        op.create_index(f"ix_anomalies_{moment}", "anomalies", [moment])


def _recommendations() -> None:
    op.create_table(
        "recommendations",
        *_texts("id", "kind", "scope", "state"),
        *_numbers("made_at", "seen_at"),
        sa.Column("saving_nano_usd", sa.BigInteger),
        *_texts("document"),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.Column("decided_saving_nano_usd", sa.BigInteger),
        sa.Column("before", sa.Text),
        sa.Column("tracking", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_recommendations"),
    )
    op.create_index("ix_recommendations_state", "recommendations", ["state"])


def _invoice_lines() -> None:
    op.create_table(
        "invoice_lines",
        *_texts("id"),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        *_texts("source", "provider"),
        *_numbers("day"),
        *_texts("told", "model", "item", "tier", "project", "key", "label"),
        sa.Column("tokens", sa.BigInteger),
        sa.Column("requests", sa.BigInteger),
        sa.Column("amount", sa.Text),
        *_numbers("imported_at"),
        sa.Column("replaced_at", sa.BigInteger),
        *_texts("author", "raw"),
        sa.PrimaryKeyConstraint("id", "version", name="pk_invoice_lines"),
    )
    current = sa.text("replaced_at IS NULL")
    op.create_index(
        "uq_invoice_lines_id", "invoice_lines", ["id"], unique=True, sqlite_where=current, postgresql_where=current
    )
    op.create_index("ix_invoice_lines_provider_day", "invoice_lines", ["provider", "day"])
    op.create_table(
        "invoice_days",
        *_texts("source", "provider"),
        *_numbers("day", "told_at"),
        sa.PrimaryKeyConstraint("source", "provider", "day", name="pk_invoice_days"),
    )


def _benchmarks() -> None:
    op.create_table(
        "benchmarks",
        *_texts("provider", "model", "metric", "value", "source"),
        *_numbers("changed_at"),
        *_texts("author"),
        sa.PrimaryKeyConstraint("provider", "model", "metric", name="pk_benchmarks"),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
