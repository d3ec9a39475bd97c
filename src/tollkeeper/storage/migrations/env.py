"""Run by Alembic: hands it the connection that `upgrade` has opened."""

from alembic import context

from tollkeeper.storage.database import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
