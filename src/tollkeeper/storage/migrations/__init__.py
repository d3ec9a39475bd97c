"""The schema, step by step: Alembic's revisions, one file each."""
