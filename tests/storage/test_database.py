"""A database by its URL: what it may be, how its transactions behave, and its schema."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from tollkeeper.storage import migrations
from tollkeeper.storage.access_keys import ACCESS_KEYS
from tollkeeper.storage.alerts import tables as alert_tables
from tollkeeper.storage.audit import AUDIT_LOG
from tollkeeper.storage.database import METADATA, Database
from tollkeeper.storage.ledger import tables
from tollkeeper.storage.provider_keys import PROVIDER_KEYS
from tollkeeper.storage.sessions import SESSIONS
from tollkeeper.storage.users import USERS


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    opened = Database(empty_database_url)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no database URL"),
        ("ledger.db", "no database URL"),
        ("mysql://host/name", "sqlite and postgresql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_cannot_be(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Database(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_names_of_postgresql(scheme: str) -> None:
    assert Database(f"{scheme}://host/name").url.drivername == "postgresql+psycopg"


def test_a_folder_is_made_for_the_file(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/deep/er/ledger.db").read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_reader_sees_one_state_and_waits_for_nobody(database: Database) -> None:
    with database.write() as writer:
        writer.execute(text("CREATE TABLE numbers (number INTEGER)"))
        writer.execute(text("INSERT INTO numbers VALUES (1)"))
    count = text("SELECT count(*) FROM numbers")
    with database.read() as reader:
        assert reader.execute(count).scalar() == 1
        with database.write() as writer:
            writer.execute(text("INSERT INTO numbers VALUES (2)"))
        assert reader.execute(count).scalar() == 1
    with database.read() as reader:
        assert reader.execute(count).scalar() == 2


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with database.write() as writer:
        writer.execute(text("CREATE TABLE numbers (number INTEGER)"))
    with pytest.raises(RuntimeError), database.write() as writer:
        writer.execute(text("INSERT INTO numbers VALUES (1)"))
        raise RuntimeError
    with database.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM numbers")).scalar() == 0


def test_several_may_migrate_at_once(empty_database_url: str) -> None:
    databases = [Database(empty_database_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Database.migrate, databases))
    databases[0].migrate()
    with databases[0].read() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None
    for one in databases:
        one.close()


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    database.migrate()
    found = inspect(database.engine)
    known = [
        *vars(tables).values(),
        *vars(alert_tables).values(),
        ACCESS_KEYS,
        AUDIT_LOG,
        PROVIDER_KEYS,
        SESSIONS,
        USERS,
    ]
    ours = [table for table in METADATA.sorted_tables if table in known]
    assert len(ours) == 22
    for table in ours:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert columns.keys() == set(table.columns.keys())
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable, (table.name, column.name)
            kind = column.type.compile(database.engine.dialect)
            assert (
                columns[column.name]["type"].compile(database.engine.dialect).split(" COLLATE")[0]
                == kind.split(" COLLATE")[0]
            )
        assert indexes(database, table.name) == {index.name for index in table.indexes}


def indexes(database: Database, table: str) -> set[str]:
    """The names of a table's indexes, other than of its key. SQLAlchemy does not see those of expressions."""
    statement = (
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :table"
        if database.is_sqlite
        else "SELECT indexname FROM pg_indexes WHERE tablename = :table AND indexname NOT LIKE 'pk_%'"
    )
    with database.read() as connection:
        return set(connection.execute(text(statement), {"table": table}).scalars())


def test_the_ledgers_migration_can_be_taken_back(database: Database) -> None:
    database.migrate()
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    left = set(inspect(database.engine).get_table_names())
    assert left <= {"alembic_version"}
    database.migrate()


def test_an_adapter_of_the_host_stays(tmp_path: Path) -> None:
    """SQLite's driver has one list of adapters for the whole process; we add to it what changes nothing."""
    code = (
        "import sqlite3, sys; from tollkeeper.storage.database import Database\n"
        "sqlite3.register_adapter(bytes, bytes.hex)\n"
        "with Database(sys.argv[1]).read() as connection:\n"
        "    values = (None, True, b'a', 1, 'x')\n"
        "    print(tuple(connection.exec_driver_sql('SELECT ?, ?, ?, ?, ?', values).one()))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/any.db"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "(None, 1, '61', 1, 'x')"
