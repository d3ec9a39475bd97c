"""The price book, and the audit trail of whatever people change. Rows of both are only ever added."""

import sqlalchemy as sa
from alembic import op

revision = "0002_prices"
down_revision = "0001_ledger"
branch_labels = None
depends_on = None

APPEND_ONLY = ("price_versions", "audit_log")


def upgrade() -> None:
    op.create_table(
        "price_versions",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("row", sa.Integer, nullable=False),
        *(_text(name) for name in ("kind", "provider", "model")),
        _text("tenant", True),
        _text("content"),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        *(_text(name) for name in ("author", "reason", "source")),
        sa.Column("replaces", sa.Integer),
        _text("hash"),
        sa.PrimaryKeyConstraint("id", name="pk_price_versions"),
    )
    op.create_index("ix_price_versions_row", "price_versions", ["row", "id"])
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(_text(name) for name in ("author", "action", "kind", "object_id")),
        *(_text(name, True) for name in ("before", "after")),
        *(_text(name) for name in ("reason", "hash")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_object", "audit_log", ["kind", "object_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION tollkeeper_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
        )
    for table in APPEND_ONLY:
        _refuse_changes(table)


def downgrade() -> None:
    for table in APPEND_ONLY:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION tollkeeper_append_only()")


def _text(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _refuse_changes(table: str) -> None:
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
