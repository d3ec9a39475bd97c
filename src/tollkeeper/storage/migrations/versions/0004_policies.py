"""The policy's versions, and what was booked beside calls when usage was reset. Rows of both are only ever added."""

import sqlalchemy as sa
from alembic import op

revision = "0004_policies"
down_revision = "0003_access_keys"
branch_labels = None
depends_on = None

APPEND_ONLY = ("policy_versions", "usage_resets")


def upgrade() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        *_texts("author", "reason", "hash"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_versions"),
    )
    op.create_table(
        "usage_resets",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        *_texts("limit_name", "scope"),
        sa.Column("period_start", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("amount", "calls", "failed", "tokens")),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        *_texts("author", "reason"),
        sa.PrimaryKeyConstraint("id", name="pk_usage_resets"),
    )
    op.create_index("ix_usage_resets_period_start", "usage_resets", ["period_start"])
    op.create_table(
        "quota_alerts",
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("config", name="pk_quota_alerts"),
    )
    for table in APPEND_ONLY:
        _refuse_changes(table)


def downgrade() -> None:
    op.drop_table("quota_alerts")
    for table in APPEND_ONLY:
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _refuse_changes(table: str) -> None:
    """The function is that of the price book's revision."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tollkeeper_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
