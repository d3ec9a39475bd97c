"""The schedules of reports that people have set."""

import sqlalchemy as sa
from alembic import op

revision = "0009_report_schedules"
down_revision = "0008_users"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_schedules",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "document")),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_report_schedules"),
    )


def downgrade() -> None:
    op.drop_table("report_schedules")
