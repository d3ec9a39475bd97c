"""Which providers' keys are set where apps run, as they have said."""

import sqlalchemy as sa
from alembic import op

revision = "0010_provider_keys"
down_revision = "0009_report_schedules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_keys",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("service", "variable", "last_four")),
        sa.Column("is_set", sa.Boolean, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("service", "variable", "is_set", "last_four", name="pk_provider_keys"),
    )


def downgrade() -> None:
    op.drop_table("provider_keys")
