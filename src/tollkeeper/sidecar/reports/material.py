"""What reports are made from: the same questions to the ledger that the API asks, and what was evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tollkeeper.model.calendar import Interval, zone_named
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.totals import add
from tollkeeper.storage.alerts.store import AlertStore
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluation, Evaluations
from tollkeeper.storage.ledger import Ledger, Totals, UsageQuery, UsageRow
from tollkeeper.storage.ledger.contract import Dimension

NANO = 1_000_000_000
NANOSECONDS_A_MILLISECOND = 1_000_000


class Paper(NamedTuple):
    """How a PDF is made: `fonts` are paths of TrueType files for letters that ours have not."""

    fonts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where reports look things up. They raise `LedgerUnavailable`."""

    database: Database
    ledger: Ledger
    uses: LimitUses
    use: LedgerUse
    limiting: Limiting
    alerts: AlertStore
    evaluations: Evaluations
    paper: Paper = Paper()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls a report is about. Moments are nanoseconds since the epoch; `end` is not included.

    `zone` is the IANA name of the time zone whose days are meant; `now` is when it is asked.
    """

    start: int
    end: int
    now: int
    zone: str = "UTC"
    filters: Mapping[Dimension, tuple[str, ...]] = field(default_factory=dict)

    def before(self) -> Asked:
        """The same length of time, just before; of whole days, as many days.

        Of what is not over yet, only as much of that as has gone by: 22 days are not compared with a whole month.
        """
        first, last = self.days[0], self.days[-1]
        if self.start == _midnight(first, self.zone) and self.end == _midnight(last + timedelta(days=1), self.zone):
            start = _midnight(first - timedelta(days=len(self.days)), self.zone)
        else:
            start = 2 * self.start - self.end
        end = min(self.start, start + self.now - self.start) if self.start < self.now < self.end else self.start
        return Asked(start, end, self.now, self.zone, self.filters)

    @property
    def days(self) -> list[date]:
        """The days of the zone's calendar that have a part in it."""
        first, last = self.shown(self.start).date(), self.shown(self.end - 1).date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def shown(self, moment: int) -> datetime:
        """A moment as the zone's clock shows it, to the microsecond."""
        seconds, rest = divmod(moment, NANO)
        at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
        return at.astimezone(zone_named(self.zone))

    def fits(self, scope: Mapping[str, str]) -> bool:
        """Whether what is of this scope may be shown: it is of nobody whom the filters leave out.

        With filters, what is of everybody is not shown: it would tell of others.
        """
        return all(scope.get(name) in values for name, values in self.filters.items())

    @property
    def about(self) -> str:
        """Whose calls these are, in words; empty for everybody's."""
        said = (f"{name} {' or '.join(value or '(none)' for value in values)}" for name, values in self.filters.items())
        return ", ".join(said)


class Material:
    """What there is to say about what was asked."""

    def __init__(self, sources: Sources, asked: Asked) -> None:
        self.sources = sources
        self.asked = asked

    def usage(
        self, group_by: Sequence[Dimension] = (), interval: Interval | None = None, asked: Asked | None = None
    ) -> list[UsageRow]:
        """Sums, as `GET /usage` answers them."""
        of = asked or self.asked
        query = UsageQuery(of.start, of.end, tuple(group_by), of.filters, interval, of.zone)
        return self.sources.ledger.usage(query)

    def total(self, asked: Asked | None = None) -> Totals:
        """All of it together."""
        return add(row.totals for row in self.usage(asked=asked))

    def by_day(self, group_by: Sequence[Dimension] = ()) -> dict[date, dict[tuple[str, ...], Totals]]:
        """Sums of each day up to today; a day without calls is empty."""
        today = self.asked.shown(self.asked.now).date()
        found: dict[date, dict[tuple[str, ...], Totals]] = {day: {} for day in self.asked.days if day <= today}
        for row in self.usage(group_by, "day"):
            day = self.asked.shown(row.bucket or 0).date()
            found.setdefault(day, {})[row.group] = row.totals
        return dict(sorted(found.items()))

    def evaluation(self, name: str) -> Evaluation | None:
        """What an evaluator found last; `None` before it has."""
        return self.sources.evaluations.latest(name)

    def evaluated(self, name: str) -> tuple[Any, str]:
        """The body of it, and what to say of when that was; of what was not evaluated, `None` and that."""
        found = self.evaluation(name)
        if found is None:
            return None, "Not evaluated yet."
        return found.body, f"Evaluated at {self.asked.shown(found.at):%Y-%m-%d %H:%M} {self.asked.zone}."


def _midnight(day: date, zone: str) -> int:
    """The first moment of a day, in nanoseconds."""
    clock = zone_named(zone)
    at = datetime(day.year, day.month, day.day, tzinfo=clock)
    # By way of UTC, a time that no clock shows becomes the one that it shows instead.
    at = at.astimezone(UTC).astimezone(clock) if isinstance(clock, ZoneInfo) else at
    return int(at.timestamp()) * NANO
