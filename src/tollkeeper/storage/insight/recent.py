"""What the last hour's calls have used, told apart by whose they are and by session: the ledger's sums know none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, exists, func, select

from tollkeeper.insight.anomaly.rules import Used
from tollkeeper.insight.anomaly.runaway import LONG, MINUTE, NARROWEST, SHORT, Hour, Row, Sums
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.ledger.tables import CALLS, RETRACTIONS

_counts = ~exists().where(RETRACTIONS.c.id == CALLS.c.id, RETRACTIONS.c.attempt == CALLS.c.attempt)
_tokens = func.coalesce(CALLS.c.input_tokens, 0) + func.coalesce(CALLS.c.output_tokens, 0)
_cost = func.coalesce(CALLS.c.nano_usd, 0)
_failed = case((CALLS.c.error_type.is_not(None), 1), else_=0)
_SUMMED: tuple[Any, ...] = (1, _failed, _tokens, _cost)


class RecentUse:
    """Of one database. A price that was corrected since is not looked at: within the hour hardly any is.

    All of it raises `LedgerUnavailable`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def hour(self, now: int) -> Hour:
        """What was used in the hour before, by whom."""
        named, start = NARROWEST[1:], now - LONG
        with told_apart(self._database), self._database.read() as connection:
            hourly = [Row(*each) for each in _sums(connection, named, start, now)]
            late = [Row(*each) for each in _sums(connection, NARROWEST, now - SHORT, now)]
            sessions = {
                values["session"]: sums for values, sums in _sums(connection, ("session",), start, now) if values
            }
        return Hour(hourly, sessions, late)

    def minutes(self, scope: Mapping[str, str], now: int) -> Sequence[Sums]:
        """Of calls with these values: each minute of the last hour, the oldest first."""
        start = now - LONG
        minute = ((CALLS.c.started_at - start) // MINUTE).label("minute")
        asked = select(minute, *(_whole(func.sum(each)) for each in _SUMMED))
        asked = asked.where(_between(start, now), *_of(scope)).group_by("minute")
        with told_apart(self._database), self._database.read() as connection:
            found = {int(row[0]): Sums(*row[1:]) for row in connection.execute(asked)}
        return [found.get(minute, Sums()) for minute in range(LONG // MINUTE)]

    def total(self, scope: Mapping[str, str], start: int, end: int) -> Sums:
        """All that calls with these values have used from `start` to `end`."""
        asked = select(*(_whole(func.coalesce(func.sum(each), 0)) for each in _SUMMED))
        with told_apart(self._database), self._database.read() as connection:
            return Sums(*connection.execute(asked.where(_between(start, end), *_of(scope))).one())

    def groups(
        self,
        names: Sequence[str],
        start: int,
        end: int,
        scope: Mapping[str, str] = {},  # noqa: B006  never changed
    ) -> list[tuple[tuple[str, ...], Used]]:
        """By values of these columns, what calls from `start` to `end` have used; what a call does not say is empty.

        `scope`: only of calls with these values.
        """
        columns = [CALLS.c[name] for name in names]
        is_counted = (CALLS.c.error_type.is_(None)) & (CALLS.c.usage_source != "unknown")
        ones = (CALLS.c.nano_usd.is_not(None), is_counted, CALLS.c.duration.is_not(None))
        costed, counted, timed = [_whole(func.sum(case((one, 1), else_=0))) for one in ones]
        seconds = func.coalesce(func.sum(CALLS.c.duration), 0.0)
        sums = [_whole(func.sum(each)) for each in _SUMMED]
        asked = select(*columns, *sums, costed, counted, seconds, timed).where(_between(start, end), *_of(scope))
        asked = asked.group_by(*columns)
        with told_apart(self._database), self._database.read() as connection:
            rows = connection.execute(asked).all()
        return [(tuple(value or "" for value in row[: len(names)]), Used(*row[len(names) :])) for row in rows]


def _between(start: int, end: int) -> ColumnElement[bool]:
    return and_(CALLS.c.started_at >= start, CALLS.c.started_at < end, _counts)


def _of(scope: Mapping[str, str]) -> list[ColumnElement[bool]]:
    return [
        CALLS.c[name] == value if value else func.coalesce(CALLS.c[name], "") == "" for name, value in scope.items()
    ]


def _whole(each: Any) -> Any:
    return cast(each, BigInteger)


def _sums(connection: Connection, names: Sequence[str], start: int, end: int) -> Iterator[tuple[dict[str, str], Sums]]:
    columns = [CALLS.c[name] for name in names]
    asked = select(*columns, *(_whole(func.sum(each)) for each in _SUMMED)).where(_between(start, end))
    for row in connection.execute(asked.group_by(*columns)):
        values = {name: value for name, value in zip(names, row, strict=False) if value}
        yield values, Sums(*row[len(names) :])
