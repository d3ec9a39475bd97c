"""The price book: one's own prices, aliases and discounts, in the database. Nothing in it is ever changed.

A change, a correction and a withdrawal are each a new version, which says what holds from one moment to another. A
version that begins in the future is a change that is scheduled: calls are priced at the moment when they were made, so
nothing has to run when it comes. What the book said at an earlier time can still be asked.

Of the rows about a call, the one for its tenant wins, then the one that names the model more precisely, then the
newest. All moments are nanoseconds since the epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import groupby

from sqlalchemy import Connection

from tollkeeper.pricing.overlay import Alias, Discount, Overlay, PriceRow
from tollkeeper.pricing.price_file import Reader, moment_text
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.prices import records
from tollkeeper.storage.prices.records import HistoryQuery
from tollkeeper.storage.prices.statement import Fields, Signature, Statement, changed, in_force, read, target_of
from tollkeeper.storage.prices.tables import PRICE_VERSIONS
from tollkeeper.storage.prices.versions import PriceVersion, Span, at_moment, overlap, spans
from tollkeeper.storage.revision import Revision

WHERE = "price book"


class UnknownRow(LookupError):
    """No row, or no version, has this number."""


class PriceConflict(Exception):
    """The book says something else by now, or already says something about the same calls."""


class PriceBook:
    """The price book of one database. Any number of threads and processes may use it at once.

    What changes it takes an author and a reason, raises `OverlayError` with all that is wrong, and is audited. All of
    it raises `LedgerUnavailable` while the database cannot be used.
    """

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)
        self._revision = Revision(database, PRICE_VERSIONS)

    def add(self, kind: str, fields: Fields, *, author: str, reason: str, source: str = "") -> PriceVersion:
        """A new row, from now on unless `valid_from` says otherwise. Raises `PriceConflict` if there is such a row."""
        return self.add_all([(kind, fields)], author=author, reason=reason, source=source)[0]

    def add_all(
        self, rows: Iterable[tuple[str, Fields]], *, author: str, reason: str, source: str = ""
    ) -> list[PriceVersion]:
        """Several new rows, or none of them."""
        signature, reader = Signature(author, reason, source), Reader(WHERE)
        signature.check(reader)
        statements = [read(reader, kind, fields) for kind, fields in rows]
        reader.finish()
        with told_apart(self._database), self._database.write() as connection:
            pages = _Pages(connection, self._audit, self._clock, signature)
            return [pages.begin(statement) for statement in statements if statement is not None]

    def change(
        self, row: int, fields: Fields, *, author: str, reason: str, source: str = "", expected: int | None = None
    ) -> PriceVersion:
        """Set some fields of a row, from now on, or from `valid_from`: a moment that has passed makes it a correction.

        A field that is `None` is taken away. Without a `valid_to` it holds for as long as what it replaces would have
        held, so that later changes that are scheduled stay. Raises `UnknownRow`; and `PriceConflict` if `expected` is
        not the version that it replaces, as somebody else was quicker.
        """
        return self._change(row, fields, Signature(author, reason, source), expected, "change")

    def schedule(
        self, row: int, fields: Fields, *, author: str, reason: str, source: str = "", expected: int | None = None
    ) -> PriceVersion:
        """As `change`, at a moment that is yet to come."""
        return self._change(row, fields, Signature(author, reason, source), expected, "schedule")

    def withdraw(
        self, row: int, *, author: str, reason: str, source: str = "", at: int | None = None,
        expected: int | None = None,
    ) -> PriceVersion:  # fmt: skip
        """End a row, now or at another moment; scheduled changes after it are withdrawn with it.

        Raises `UnknownRow`; and `PriceConflict` if nothing of the row would hold then anyway, or if `expected` is not
        the version that it ends.
        """
        signature = _checked(Signature(author, reason, source))
        with told_apart(self._database), self._database.write() as connection:
            pages = _Pages(connection, self._audit, self._clock, signature)
            start = pages.now if at is None else at // 1000 * 1000
            ended = [span for span in spans(pages.versions_of(row)) if overlap(start, None, span)]
            if not ended:
                raise PriceConflict(f"row {row} is withdrawn already")
            first = ended[0].version
            if expected not in (None, first.id):
                raise PriceConflict(f"row {row} is not at version {expected} any more")
            said = first._replace(withdrawn=True, valid_from=start, valid_to=None)
            return pages.write(said, first, "withdraw", ended[0])

    def cancel(self, version: int, *, author: str, reason: str, source: str = "") -> PriceVersion:
        """Undo a scheduled change or withdrawal: what holds before it goes on.

        Raises `UnknownRow`; and `PriceConflict` if it is in force already, or something else was said since.
        """
        signature = _checked(Signature(author, reason, source))
        with told_apart(self._database), self._database.write() as connection:
            pages = _Pages(connection, self._audit, self._clock, signature)
            found = next((one for one in pages.all if one.id == version), None)
            if found is None:
                raise UnknownRow(f"no version {version} in the price book")
            held = spans(pages.versions_of(found.row))
            span = _scheduled(held, found)
            if span is None or span.valid_from <= pages.now:
                raise PriceConflict(f"version {version} is not to come: there is nothing to cancel")
            before = at_moment(held, span.valid_from - 1)
            goes_on = found._replace(withdrawn=True) if before is None else before.version
            said = goes_on._replace(valid_from=span.valid_from, valid_to=span.valid_to)
            return pages.write(said, found, "cancel", span)

    def _change(
        self, row: int, fields: Fields, signature: Signature, expected: int | None, action: str
    ) -> PriceVersion:
        reader = Reader(WHERE)
        signature.check(reader)
        with told_apart(self._database), self._database.write() as connection:
            pages = _Pages(connection, self._audit, self._clock, signature)
            versions = pages.versions_of(row)
            last = versions[-1]
            # Read once for the moment, as it decides which version the other fields are taken from.
            start = _start(last, fields, pages.now)
            held = spans(versions)
            before = at_moment(held, start)
            statement = read(reader, last.kind, changed(before.version if before else last, fields))
            if action == "schedule" and start <= pages.now:
                reader.mistake(last.kind, "valid_from", fields.get("valid_from"), "a moment that is yet to come")
            end = _end(held, start) if statement is None or statement.valid_to is None else statement.valid_to
            _check_order(reader, last.kind, start, end)
            reader.finish()
            if expected is not None and expected != (before.version.id if before else None):
                raise PriceConflict(f"row {row} is not at version {expected} any more")
            assert statement is not None
            return pages.replace(row, statement._replace(valid_from=start, valid_to=end), before, action)

    def history(self, query: HistoryQuery = HistoryQuery()) -> tuple[list[PriceVersion], str | None]:  # noqa: B008
        """A page of what was said, newest first, and the cursor of the next page."""
        with told_apart(self._database), self._database.read() as connection:
            return records.page(connection, query)

    def current(self, at: int | None = None, known_at: int | None = None) -> list[Span]:
        """What holds at a moment (now), as far as was known at another (now), the row that wins first."""
        moment = self._clock() if at is None else at
        return [span for span in self.timeline(known_at) if span.holds(moment)]

    def timeline(self, known_at: int | None = None) -> list[Span]:
        """What held, holds and will hold, as far as was known at a moment (now), the row that wins first."""
        with told_apart(self._database), self._database.read() as connection:
            return _timeline(records.load(connection, known_at))

    def revision(self) -> int:
        """0 for an empty book, and more after each change. Takes some microseconds."""
        with told_apart(self._database):
            return self._revision.read()

    def overlay(self, known_at: int | None = None) -> Overlay:
        """The book for a catalogue. Its name tells its revision."""
        with told_apart(self._database), self._database.read() as connection:
            versions = records.load(connection, known_at)
        return _overlay(versions, f"{WHERE} {max((version.id for version in versions), default=0)}")

    def supposed(self, kind: str, fields: Fields, row: int | None = None) -> tuple[Statement, Overlay]:
        """What would be kept if somebody said this, of a new row or of one that is there, and the book with it.

        Without `valid_from`, as if it had always been said. Nothing is written. Raises `OverlayError` and `UnknownRow`.
        """
        reader = Reader(WHERE)
        with told_apart(self._database), self._database.read() as connection:
            versions = records.load(connection)
        of = [version for version in versions if version.row == row]
        if row is not None and not of:
            raise UnknownRow(f"no row {row} in the price book")
        if of:
            held = at_moment(spans(of), self._clock())
            kind, fields = of[-1].kind, changed(of[-1] if held is None else held.version, fields)
        statement = read(reader, kind, fields)
        reader.finish()
        assert statement is not None
        id = versions[-1].id + 1 if versions else 1
        start = statement.valid_from or 0
        said = PriceVersion(
            id, row or id, statement.kind, statement.content, False, start, statement.valid_to, 0, "", "", "", None
        )
        return statement, _overlay([*versions, said], f"{WHERE} as supposed")

    def broken(self) -> list[int]:
        """The versions whose hash is not that of what they say, or that are missing: somebody has changed the table."""
        with told_apart(self._database), self._database.read() as connection:
            versions = records.load(connection)
        found = {version.id for version in versions}
        changed = {version.id for version in versions if version.hashed().hash != version.hash}
        return sorted(changed | (set(range(1, max(found, default=0) + 1)) - found))

    def close(self) -> None:
        """Let go of the connection that reads the revision."""
        self._revision.close()


class _Pages:
    """The book while somebody writes in it: nobody else does, until the transaction ends."""

    def __init__(
        self, connection: Connection, audit: AuditTrail, clock: Callable[[], int], signature: Signature
    ) -> None:
        audit.take_turn(connection)
        self._connection = connection
        self._audit = audit
        self._signature = signature
        self.all = records.load(connection)
        # Clocks differ between hosts. What was recorded later must not seem to have been known earlier.
        self.now = max(clock() // 1000 * 1000, max((version.recorded_at for version in self.all), default=0))

    def versions_of(self, row: int) -> list[PriceVersion]:
        versions = [version for version in self.all if version.row == row]
        if not versions:
            raise UnknownRow(f"no row {row} in the price book")
        return versions

    def begin(self, statement: Statement) -> PriceVersion:
        id = self._next
        start = self.now if statement.valid_from is None else statement.valid_from
        reader = Reader(WHERE)
        _check_order(reader, statement.kind, start, statement.valid_to)
        reader.finish()
        first = PriceVersion(
            id, id, statement.kind, statement.content, False, start, statement.valid_to, 0, "", "", "", None
        )
        self._alone(first)
        version = self.write(first, None, "add", None)
        self._about.setdefault(statement.target, []).append(Span(version, version.valid_from, version.valid_to))
        return version

    def replace(self, row: int, statement: Statement, before: Span | None, action: str) -> PriceVersion:
        last = before.version if before is not None else self.versions_of(row)[-1]
        said = last._replace(
            content=statement.content, withdrawn=False, valid_from=statement.valid_from or 0,
            valid_to=statement.valid_to,
        )  # fmt: skip
        self._alone(said)
        return self.write(said, last, action, before)

    def write(self, said: PriceVersion, last: PriceVersion | None, action: str, before: Span | None) -> PriceVersion:
        version = said._replace(
            id=self._next, recorded_at=self.now, author=self._signature.author, reason=self._signature.reason,
            source=self._signature.source, replaces=last.id if last is not None else None,
        ).hashed()  # fmt: skip
        records.insert_version(self._connection, version)
        self.all.append(version)
        self._audit.record(
            self._connection,
            author=version.author,
            action=action,
            kind=version.kind,
            object_id=str(version.row),
            before=None if before is None else before.version.document(),
            after=version.document(),
            reason=version.reason,
        )
        return version

    @property
    def _next(self) -> int:
        return self.all[-1].id + 1 if self.all else 1

    def _alone(self, said: PriceVersion) -> None:
        for span in self._about.get(target_of(said.kind, said.content), ()):
            if span.version.row != said.row and overlap(said.valid_from, said.valid_to, span):
                raise PriceConflict(f"row {span.version.row} is about the same calls at the same time: change that")

    @cached_property
    def _about(self) -> dict[tuple[object, ...], list[Span]]:
        """What holds at some time, by what it is about: as many rows as one likes are added without reading again."""
        found: dict[tuple[object, ...], list[Span]] = {}
        for span in _timeline(self.all):
            found.setdefault(target_of(span.version.kind, span.version.content), []).append(span)
        return found


def _overlay(versions: list[PriceVersion], name: str) -> Overlay:
    reader = Reader(WHERE)
    rows = [in_force(reader, span) for span in _timeline(versions)]
    reader.finish()
    return Overlay(
        name,
        tuple(row for row in rows if isinstance(row, PriceRow)),
        tuple(row for row in rows if isinstance(row, Alias)),
        tuple(row for row in rows if isinstance(row, Discount)),
    )


def _timeline(versions: list[PriceVersion]) -> list[Span]:
    ordered = sorted(versions, key=lambda version: (version.row, version.id))
    held = [span for _, of in groupby(ordered, key=lambda version: version.row) for span in spans(of)]
    return sorted(held, key=_precedence, reverse=True)


def _precedence(span: Span) -> tuple[object, ...]:
    content = span.version.content
    match = records.match_of(content)
    return ("tenant" in content, match.precision, span.version.id, span.valid_from)


def _checked(signature: Signature) -> Signature:
    reader = Reader(WHERE)
    signature.check(reader)
    reader.finish()
    return signature


def _start(last: PriceVersion, fields: Fields, now: int) -> int:
    said = read(Reader(WHERE), last.kind, changed(last, fields))
    return now if said is None or said.valid_from is None else said.valid_from


def _check_order(reader: Reader, kind: str, start: int, end: int | None) -> None:
    if end is not None and end <= start:
        reader.mistake(kind, "valid_to", moment_text(end), f"a moment after {moment_text(start)}, when it begins")


def _scheduled(held: list[Span], version: PriceVersion) -> Span | None:
    """The time that a version is about, unless something else was said about it later."""
    if version.withdrawn:
        taken = at_moment(held, version.valid_from)
        return None if taken else Span(version, version.valid_from, _end(held, version.valid_from))
    return next((span for span in held if span.version.id == version.id), None)


def _end(held: list[Span], start: int) -> int | None:
    """The end of what holds then; where nothing does, the start of what comes next."""
    span = at_moment(held, start)
    if span is not None:
        return span.valid_to
    return min((later.valid_from for later in held if later.valid_from > start), default=None)
