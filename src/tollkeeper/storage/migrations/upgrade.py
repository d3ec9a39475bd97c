"""Brings a database to the newest revision, one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import text

if TYPE_CHECKING:
    from tollkeeper.storage.database import Database

LOCK = 7_611_040_119
"""PostgreSQL's advisory lock of everyone who changes our schema; the number means nothing."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply the revisions that are missing, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
