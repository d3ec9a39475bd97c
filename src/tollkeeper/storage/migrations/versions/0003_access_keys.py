"""Keys to the sidecar's API: their hashes, never themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0003_access_keys"
down_revision = "0002_prices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "scopes")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("expires_at", "revoked_at", "last_used_at")),
        sa.PrimaryKeyConstraint("prefix", name="pk_access_keys"),
    )


def downgrade() -> None:
    op.drop_table("access_keys")
