"""What providers say was used and billed: each line once, and all that it has said before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, text, update

from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.tables import INVOICE_DAYS, INVOICE_LINES
from tollkeeper.storage.ledger.clean import clean
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.tables import NS_A_DAY

TURN = 7_611_040_126
"""PostgreSQL's advisory lock of everyone who imports."""
KIND = "invoice"
"""What the audit trail calls it."""
AT_ONCE = 500
_EPOCH = date(1970, 1, 1)
_SAID = ("source", "provider", "told", "model", "item", "tier", "project", "key", "label")


class Imported(NamedTuple):
    """What became of lines: new ones, such as say something else by now, the same as before, and told no more."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0


class Told(NamedTuple):
    """The days of which a source was asked about a provider, and when last (nanoseconds since the epoch)."""

    source: str
    provider: str
    day: date
    at: int


class Invoices:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def plan(self, lines: Sequence[InvoiceLine]) -> Imported:
        """What importing these lines would do, those of a part of what a source has. Nothing is written."""
        with told_apart(self._database), self._database.read() as connection:
            known = _known(connection, lines, ())
        return _split(lines, known).counts(0)

    def keep(
        self, lines: Sequence[InvoiceLine], days: Collection[tuple[str, str, date]], *, whole: bool, author: str
    ) -> Imported:
        """Import lines, each once, and note the (source, provider, day) that they are of.

        `whole`: they are all that the source has of these days, so that others, which it told before, are gone.
        """
        with told_apart(self._database), self._database.write() as connection:
            return self._keep(connection, lines, days, whole, author)

    def upload(self, lines: Sequence[InvoiceLine], *, author: str, reason: str) -> Imported:
        """Import lines that a person has brought, and audit it. Days that they are of count as told."""
        lines = [_clean(line) for line in lines]
        days = {(line.source, line.provider, line.day) for line in lines}
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            done = self._keep(connection, lines, days, False, author)
            told = sorted(day.isoformat() for _, _, day in days)
            self._audit.record(
                connection, author=author, action="import", kind=KIND,
                object_id=", ".join(sorted({line.source for line in lines})),
                after={**done._asdict(), "first_day": told[0], "last_day": told[-1]} if told else done._asdict(),
                reason=reason,
            )  # fmt: skip
            return done

    def _keep(
        self,
        connection: Connection,
        lines: Sequence[InvoiceLine],
        days: Collection[tuple[str, str, date]],
        whole: bool,
        author: str,
    ) -> Imported:
        if not self._database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})
        now = self._clock()
        lines = [_clean(line) for line in lines]
        known = _known(connection, lines, days if whole else ())
        parts = _split(lines, known)
        told = {line.id for line in lines}
        gone = [id for id in known if id not in told] if whole else []
        _replace(connection, [*(line.id for line in parts.changed), *gone], now)
        versions = _last_versions(connection, [line.id for line in (*parts.changed, *parts.new)])
        rows = [_row(line, versions.get(line.id, 0) + 1, now, author) for line in (*parts.new, *parts.changed)]
        for at in range(0, len(rows), AT_ONCE):
            connection.execute(insert(INVOICE_LINES), rows[at : at + AT_ONCE])
        _note_days(connection, days, now)
        return parts.counts(len(gone))

    def lines(self, provider: str, first: date, last: date) -> list[InvoiceLine]:
        """What is said by now of a provider's days, both included."""
        rows = select(INVOICE_LINES).where(
            INVOICE_LINES.c.provider == provider,
            INVOICE_LINES.c.day >= nanoseconds(first),
            INVOICE_LINES.c.day <= nanoseconds(last),
            INVOICE_LINES.c.replaced_at.is_(None),
        )
        with told_apart(self._database), self._database.read() as connection:
            return [_line(row) for row in connection.execute(rows.order_by(INVOICE_LINES.c.day, INVOICE_LINES.c.id))]

    def days(self, first: date, last: date) -> list[Told]:
        """The days, both included, of which anybody was asked."""
        table = INVOICE_DAYS.c
        rows = select(INVOICE_DAYS).where(table.day >= nanoseconds(first), table.day <= nanoseconds(last))
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.order_by(table.day, table.provider, table.source)).all()
        return [Told(row.source, row.provider, day_of(row.day), row.told_at) for row in found]

    def history(self, id: str) -> list[InvoiceLine]:
        """All that a line has said, the newest first."""
        rows = select(INVOICE_LINES).where(INVOICE_LINES.c.id == id).order_by(INVOICE_LINES.c.version.desc())
        with told_apart(self._database), self._database.read() as connection:
            return [_line(row) for row in connection.execute(rows)]


def nanoseconds(day: date) -> int:
    """Where a day of UTC begins, since the epoch."""
    return (day - _EPOCH).days * NS_A_DAY


def day_of(moment: int) -> date:
    """The day of UTC that a moment is in."""
    return _EPOCH + timedelta(days=moment // NS_A_DAY)


class _Parts(NamedTuple):
    new: list[InvoiceLine]
    changed: list[InvoiceLine]
    unchanged: int

    def counts(self, gone: int) -> Imported:
        return Imported(len(self.new), len(self.changed), self.unchanged, gone)


def _split(lines: Iterable[InvoiceLine], known: Mapping[str, InvoiceLine]) -> _Parts:
    new, changed, unchanged = [], [], 0
    for line in lines:
        before = known.get(line.id)
        if before is None:
            new.append(line)
        elif before.figures != line.figures:
            changed.append(line)
        else:
            unchanged += 1
    return _Parts(new, changed, unchanged)


def _known(
    connection: Connection, lines: Sequence[InvoiceLine], days: Collection[tuple[str, str, date]]
) -> dict[str, InvoiceLine]:
    """What is said by now under the ids of these lines, and on these days."""
    found: dict[str, InvoiceLine] = {}
    current = select(INVOICE_LINES).where(INVOICE_LINES.c.replaced_at.is_(None))
    ids = [line.id for line in lines]
    for at in range(0, len(ids), AT_ONCE):
        rows = connection.execute(current.where(INVOICE_LINES.c.id.in_(ids[at : at + AT_ONCE])))
        found.update((row.id, _line(row)) for row in rows)
    for source, provider, day in days:
        of_day = (INVOICE_LINES.c.source == source) & (INVOICE_LINES.c.day == nanoseconds(day))
        rows = connection.execute(current.where(of_day, INVOICE_LINES.c.provider == provider))
        found.update((row.id, _line(row)) for row in rows)
    return found


def _replace(connection: Connection, ids: Sequence[str], now: int) -> None:
    for at in range(0, len(ids), AT_ONCE):
        current = INVOICE_LINES.c.id.in_(ids[at : at + AT_ONCE]) & INVOICE_LINES.c.replaced_at.is_(None)
        connection.execute(update(INVOICE_LINES).where(current).values(replaced_at=now))


def _last_versions(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in range(0, len(ids), AT_ONCE):
        rows = select(INVOICE_LINES.c.id, func.max(INVOICE_LINES.c.version)).group_by(INVOICE_LINES.c.id)
        some = connection.execute(rows.where(INVOICE_LINES.c.id.in_(ids[at : at + AT_ONCE])))
        found.update((id, version) for id, version in some)
    return found


def _note_days(connection: Connection, days: Iterable[tuple[str, str, date]], now: int) -> None:
    table = INVOICE_DAYS.c
    for source, provider, day in sorted(days):
        place = (table.source == source) & (table.provider == provider) & (table.day == nanoseconds(day))
        connection.execute(delete(INVOICE_DAYS).where(place))
        values = {"source": source, "provider": provider, "day": nanoseconds(day), "told_at": now}
        connection.execute(insert(INVOICE_DAYS), values)


def _clean(line: InvoiceLine) -> InvoiceLine:
    said: dict[str, Any] = {name: clean(getattr(line, name)) for name in _SAID}
    return line._replace(**said)


def _row(line: InvoiceLine, version: int, now: int, author: str) -> dict[str, Any]:
    return {
        **{name: getattr(line, name) for name in _SAID},
        "id": line.id,
        "version": version,
        "day": nanoseconds(line.day),
        "tokens": line.tokens,
        "requests": line.requests,
        "amount": None if line.amount is None else format(line.amount, "f"),
        "imported_at": now,
        "author": author,
        "raw": clean(json.dumps(line.raw, default=str)),
    }


def _line(row: Row[Any]) -> InvoiceLine:
    return InvoiceLine(
        **{name: getattr(row, name) for name in _SAID},
        day=day_of(row.day),
        tokens=row.tokens,
        requests=row.requests,
        amount=None if row.amount is None else Decimal(row.amount),
        raw=json.loads(row.raw),
    )
