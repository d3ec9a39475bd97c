"""Alerts, what is to be told of them and was, silences, and the channels that people have set."""

import sqlalchemy as sa
from alembic import op

revision = "0005_alerts"
down_revision = "0004_policies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        *_texts("id", "identity", "kind", "subject", "scope", "severity"),
        sa.Column("level", sa.Integer, nullable=False),
        *_moments("period_start", "period_end", "began_at", "seen_at"),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("acknowledged_level", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_alerts_identity", "alerts", ["identity"], unique=True, sqlite_where=still_open, postgresql_where=still_open
    )
    for moment in ("began_at", "ended_at"):
        op.create_index(f"ix_alerts_{moment}", "alerts", [moment])
    op.create_table(
        "notifications",
        *_texts("id", "alert_id", "channel", "event", "severity"),
        sa.Column("level", sa.Integer, nullable=False),
        *_texts("alert", "state"),
        *_moments("created_at", "next_at"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
    )
    op.create_index("ix_notifications_state_next_at", "notifications", ["state", "next_at"])
    op.create_index("ix_notifications_channel_state", "notifications", ["channel", "state"])
    op.create_index("ix_notifications_alert_id", "notifications", ["alert_id"])
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"])
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("match", sa.Text, nullable=False),
        *_moments("starts_at", "ends_at"),
        *_texts("author", "comment"),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
    )
    op.create_table(
        "channels",
        *_texts("name", "document"),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        *_texts("author"),
        sa.PrimaryKeyConstraint("name", name="pk_channels"),
    )


def downgrade() -> None:
    for table in ("channels", "silences", "notifications", "alerts"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moments(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
