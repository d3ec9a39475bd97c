"""The number of the last change of a table whose rows are only added: a connection of its own, nothing in between."""

from __future__ import annotations

import os
import threading
from typing import Any

from sqlalchemy import Table

from tollkeeper.storage.database import Database


class Revision:
    """Reads the highest id of a table. Through the pool, the same question takes ten times as long."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._question = f"SELECT max(id) FROM {table.name}"  # noqa: S608  a name of ours
        self._lock = threading.Lock()
        self._cursor: Any = None
        self._process = 0
        self._away: type[Exception] = database.engine.dialect.loaded_dbapi.Error

    def read(self) -> int:
        """0 for an empty table, and more after each change. Raises what the database does when it is away."""
        with self._lock:
            if self._cursor is None or self._process != os.getpid():
                # A connection that was inherited through a fork is the parent's.
                self._cursor, self._process = self._open(), os.getpid()
            try:
                return self._ask()
            except self._away:
                # The server may have been started anew since; if that was not it, the second error is raised.
                self._drop()
                self._cursor = self._open()
                return self._ask()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    def _ask(self) -> int:
        self._cursor.execute(self._question)
        # All of it: a statement that is not at its end keeps the WAL from being cleared.
        ((last,),) = self._cursor.fetchall()
        return int(last or 0)

    def _open(self) -> Any:
        pooled = self._database.engine.raw_connection()
        driver: Any = pooled.driver_connection
        pooled.detach()
        if not self._database.is_sqlite:
            driver.autocommit = True
        return driver.cursor()

    def _drop(self) -> None:
        if self._cursor is not None and self._process == os.getpid():
            self._cursor.connection.close()
        self._cursor = None
