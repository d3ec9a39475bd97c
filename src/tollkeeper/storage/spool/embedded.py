"""Delivery to a ledger of this process's own: the embedded form, without a sidecar."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, LedgerUnavailable, Started
from tollkeeper.storage.ledger.failures import Refused as LedgerRefused
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.spool.contract import Batch, Refused, Unavailable
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import digest


class LedgerDestination:
    """The database at a URL, opened when it is first needed. Raises `ValueError` for a URL that it cannot take."""

    name = "the ledger"

    def __init__(self, url: str) -> None:
        self._url = url
        self._database = Database(url)
        self._ledger: SqlLedger | None = None
        self._inherited: list[Database] = []

    def ship(self, batch: Batch) -> None:
        try:
            entries = [
                Entry(decode(parcel.text), digest(parcel.text)) for parcel in batch.parcels if parcel.kind == "call"
            ]
            started = [Started(decode(parcel.text)) for parcel in batch.parcels if parcel.kind == "started"]
        except ValueError as error:
            raise Refused(str(error)) from None
        if not entries and not started:
            return
        try:
            ledger = self._open()
            rejected = ledger.record(entries).rejected if entries else ()
            if started:
                ledger.mark_started(started)
        except LedgerRefused as error:
            raise Refused(str(error)) from error
        except (LedgerUnavailable, SQLAlchemyError, OSError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if rejected:
            raise Refused("; ".join(each.reason for each in rejected)[:200])

    def _open(self) -> SqlLedger:
        if self._ledger is None:
            self._database.migrate()
            self._ledger = SqlLedger(self._database)
        return self._ledger

    def forget(self) -> None:
        # Kept for ever, so that nobody closes the parent's connections.
        self._inherited.append(self._database)
        self._database.engine.dispose(close=False)
        self._database, self._ledger = Database(self._url), None

    def close(self) -> None:
        self._database.close()
