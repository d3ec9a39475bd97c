"""What a driver raises, told apart: come again later, or never with this value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.contract import LedgerUnavailable

NO_PARTITION = "23514"
LIMIT_EXCEEDED = "54"


class Refused(ValueError):
    """The database will not hold this value, however often it is sent."""


class PartitionGone(LedgerUnavailable):
    """The month's partition was dropped meanwhile."""


@contextmanager
def told_apart(database: Database) -> Iterator[None]:
    """Raises `LedgerUnavailable` or `Refused` for the driver's errors; others are faults of ours, and stay."""
    driver: Any = database.engine.dialect.loaded_dbapi
    try:
        yield
    except PoolTimeout as error:
        raise LedgerUnavailable(str(error)) from error
    except DBAPIError as error:
        if (meant := _meaning(driver, error.orig)) is None:
            raise
        raise meant from error
    except driver.Error as error:
        # COPY runs on the driver's own cursor, whose errors SQLAlchemy does not wrap.
        if (meant := _meaning(driver, error)) is None:
            raise
        raise meant from error


def _meaning(driver: Any, error: Any) -> Exception | None:
    state = getattr(error, "sqlstate", None) or ""
    if state == NO_PARTITION:
        return PartitionGone(str(error))
    if state.startswith(LIMIT_EXCEEDED) or isinstance(error, driver.DataError):
        return Refused(str(error))
    if isinstance(error, driver.OperationalError | driver.InternalError | driver.InterfaceError):
        return LedgerUnavailable(str(error))
    return None
