"""People who sign in to the page, and their sessions: hashes of passwords and tokens, never themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0008_users"
down_revision = "0007_bi_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "role", "hash")),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("password_set_at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("disabled_at", "last_signed_in_at")),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("user", "key_prefix")),
        sa.Column("password_set_at", sa.BigInteger),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("created_at", "last_seen_at", "expires_at")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("address", "agent")),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("uq_sessions_hash", "sessions", ["hash"], unique=True)


def downgrade() -> None:
    for table in ("sessions", "users"):
        op.drop_table(table)
