"""One database, SQLite or PostgreSQL, by its URL: connections, transactions, and the schema brought up to date."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of ours; each noun's file adds its own."""

BUSY_MILLISECONDS = 30_000
"""How long a writer of SQLite waits for another one."""

PAGES_BETWEEN_CHECKPOINTS = 8_192
"""32 MB. With SQLite's own 4 MB, a page that many transactions change is copied into the file nearly as often."""

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class Database:
    """A database that several threads and processes use at once. Raises `ValueError` for a URL that it cannot take."""

    def __init__(self, url: str, pool_size: int = 5, busy_milliseconds: int = BUSY_MILLISECONDS) -> None:
        self.url = _with_driver(url)
        self.is_sqlite = self.url.drivername.startswith("sqlite")
        self.engine = (
            _sqlite(self.url, busy_milliseconds) if self.is_sqlite else create_engine(self.url, pool_size=pool_size)
        )
        _OPEN.add(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one state, and waits for nobody."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes. SQLite has one such at a time, and takes its turn here rather than half-way."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(tollkeeper_writes=True)
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema up to date. Harmless when it is, and when several processes do it at once."""
        # Alembic takes 0.3 s to import, and only those who open a database need it.
        from tollkeeper.storage.migrations.upgrade import upgrade  # noqa: PLC0415

        upgrade(self)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()


_OPEN: WeakSet[Database] = WeakSet()


def _forget_connections() -> None:
    """Two processes must not use one connection: a forked child opens its own."""
    for database in list(_OPEN):
        database.engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


def _with_driver(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(f"{text!r} is no database URL; expected sqlite:///FILE or postgresql://HOST/NAME") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError(f"{url.drivername!r} is no database that is supported; there are sqlite and postgresql")
    if driver.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise ValueError("a SQLite ledger needs a file: sqlite:///FILE")
    return url.set(drivername=driver)


def _same(value: Any) -> Any:
    return value


def _spare_the_driver() -> None:
    """SQLite's driver looks for an adapter of such a value; to find none takes it 0.3 µs, ten times a call."""
    for kind in (type(None), bool, bytes):
        if (kind, sqlite3.PrepareProtocol) not in sqlite3.adapters:
            sqlite3.register_adapter(kind, _same)


def _sqlite(url: URL, busy_milliseconds: int) -> Engine:
    _spare_the_driver()
    Path(str(url.database)).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": busy_milliseconds / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # The driver's own transactions begin too late, and not at all before a SELECT: ours begin where they are written.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA wal_autocheckpoint={PAGES_BETWEEN_CHECKPOINTS}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tollkeeper_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
