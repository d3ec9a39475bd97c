"""A ledger that a command reads straight, without a sidecar."""

from __future__ import annotations

from pathlib import Path

from tollkeeper.storage.database import Database


def opened(url: str) -> Database:
    """Raises `ValueError` where there is none: to open it would make an empty one."""
    is_sqlite, file = url.startswith("sqlite:///"), url.removeprefix("sqlite:///").partition("?")[0]
    if is_sqlite and not Path(file).is_file():
        raise ValueError(f"there is no ledger at {url}; name it with --ledger")
    database = Database(url)
    database.migrate()
    return database
