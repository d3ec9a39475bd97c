"""Delivery to a ledger of this process's own: the embedded form, without a sidecar."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from tollkeeper.model import Call
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Entry, LedgerUnavailable, Started
from tollkeeper.storage.ledger.failures import Refused as LedgerRefused
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer
from tollkeeper.storage.spool.contract import Batch, Refused, Unavailable
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import digest


class LedgerDestination:
    """The database at a URL, opened when it is first needed. Raises `ValueError` for a URL that it cannot take.

    Calls are priced by the price book of the same database, then by the app's own prices, then by the catalogue.
    """

    name = "the ledger"

    def __init__(self, url: str) -> None:
        self._opened = _Opened(url)
        self._inherited: list[_Opened] = []

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
            rejected = self._opened.record(entries, started)
        except LedgerRefused as error:
            raise Refused(str(error)) from error
        except (LedgerUnavailable, SQLAlchemyError, OSError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if rejected:
            raise Refused("; ".join(rejected)[:200])

    def forget(self) -> None:
        # Kept for ever, so that nobody closes the parent's connections.
        self._inherited.append(self._opened)
        self._opened.forget()
        self._opened = _Opened(self._opened.url)

    def close(self) -> None:
        self._opened.close()


class _Opened:
    """The ledger and the price book of a database, both opened with the first batch."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(url)
        self._ledger = SqlLedger(self._database)
        self._book = PriceBook(self._database)
        self._pricer: Pricer | None = None

    def record(self, entries: Sequence[Entry], started: Sequence[Started]) -> list[str]:
        """Returns why some of them will never be taken."""
        pricer = self._open()
        price(pricer, [entry.call for entry in entries])
        rejected = self._ledger.record(entries).rejected if entries else ()
        if started:
            self._ledger.mark_started(started)
        return [each.reason for each in rejected]

    def _open(self) -> Pricer:
        if self._pricer is None:
            self._database.migrate()
            self._pricer = Pricer(self._book)
        return self._pricer

    def forget(self) -> None:
        """Let go of the connections, without closing them."""
        self._database.engine.dispose(close=False)

    def close(self) -> None:
        """Let go of the connections. They are opened again when they are needed."""
        self._book.close()
        self._database.close()


def price(pricer: Pricer, calls: Sequence[Call]) -> None:
    """Price calls by the book. What the app's own price file has said stands, unless the book says something else."""
    said = [(call.cost, call.price_status) for call in calls]
    for call, (cost, status) in zip(pricer.price(calls), said, strict=True):
        if cost is not None and cost.source == "overlay" and call.cost is not None and call.cost.source == "catalog":
            call.cost, call.price_status = cost, status
