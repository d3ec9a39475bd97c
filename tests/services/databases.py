"""Databases for tests: empty ones, and migrated ones that one test after the other has to itself."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, make_url, text

from tollkeeper.storage.database import Database

SHAPE = """
SELECT relations.relname, relations.relkind, columns.attname, columns.atttypid::int, columns.attnotnull
FROM pg_class AS relations JOIN pg_attribute AS columns ON columns.attrelid = relations.oid
WHERE relations.relnamespace = 'public'::regnamespace
UNION ALL SELECT tgname, tgenabled, '', tgfoid::int, false FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT nspname, 'n', '', 0, false FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
UNION ALL SELECT version_num, 'v', '', 0, false FROM alembic_version
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
CUT_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""


class PostgresDatabases:
    """Those of one server. One that was migrated is emptied for the next test, in a tenth of what a new one takes."""

    def __init__(self, server_url: str) -> None:
        self._url = make_url(server_url).set(drivername="postgresql+psycopg")
        self._spare: list[str] = []
        self._shape: set[Any] | None = None
        self._tables: set[str] = set()

    @contextmanager
    def empty(self) -> Iterator[str]:
        name = self._create()
        yield self._url_of(name)
        self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """One without a row. A test may leave rows, tables of its own and connections in it, such as a month's calls;
        if it changed the schema otherwise, it was the last.
        """
        name = self._spare.pop() if self._spare else self._migrate(self._create())
        yield self._url_of(name)
        if self._emptied(name):
            self._spare.append(name)
        else:
            self._drop(name)

    def _url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def _connected(self, name: str | None = None) -> Iterator[Connection]:
        url = self._url.set(database=name) if name else self._url
        with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
            yield connection

    def _create(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        with self._connected() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return name

    def _drop(self, name: str) -> None:
        with self._connected() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    def _migrate(self, name: str) -> str:
        database = Database(self._url_of(name))
        database.migrate()
        database.close()
        with self._connected(name) as connection:
            assert not self._filled(connection), "a migrated database has rows: emptied, it would not be the same"
            self._shape = self._shape or set(connection.execute(text(SHAPE)))
            self._tables = self._tables or set(connection.scalars(text(TABLES)))
        return name

    def _filled(self, connection: Connection) -> list[str]:
        tables = list(connection.scalars(text(TABLES)))
        parts = (f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables)
        return list(connection.scalars(text(" UNION ALL ".join(parts))))

    def _emptied(self, name: str) -> bool:
        with self._connected(name) as connection:
            connection.execute(text(CUT_OTHERS))
            if added := sorted(set(connection.scalars(text(TABLES))) - self._tables):
                connection.execute(text(f"DROP TABLE {', '.join(added)} CASCADE"))
            if set(connection.execute(text(SHAPE))) != self._shape:
                return False
            connection.execute(text("SET session_replication_role = replica"))  # no trigger forbids it
            if filled := self._filled(connection):
                connection.execute(text(f"TRUNCATE {', '.join(filled)} CASCADE"))
            connection.execute(text(RESTART_SEQUENCES))
        return True


class SqliteTemplate:
    """A migrated file, to be copied."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "migrated.db"
        database = Database(f"sqlite:///{self._file}")
        database.migrate()
        database.close()

    def copy_to(self, file: Path) -> str:
        shutil.copy(self._file, file)
        return f"sqlite:///{file}"
