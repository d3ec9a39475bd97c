"""The filter bar: which calls a page is about, from when to when, and in which time zone. All of it is in the URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlencode
from zoneinfo import available_timezones

from starlette.datastructures import QueryParams

from tollkeeper.model.calendar import zone_named

RangeName = Literal["today", "7d", "30d", "90d", "month", "last-month", "custom"]
RANGES: tuple[RangeName, ...] = get_args(RangeName)
RANGE_WORDS: Mapping[str, str] = {
    "today": "Today", "7d": "7 days", "30d": "30 days", "90d": "90 days", "month": "This month",
    "last-month": "Last month", "custom": "Custom",
}  # fmt: skip
NAMED_RANGES: Mapping[str, str] = {name: words for name, words in RANGE_WORDS.items() if name != "custom"}
"""Those that need no days to be said."""
DIMENSIONS = ("service", "provider", "model", "tenant", "user", "feature", "project", "operation", "config")
"""What calls can be told apart by, in the order of the bar; the first six are always there."""
FIRST = 6
LAST_DAYS: Mapping[str, int] = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
NONE = "(none)"
"""How calls without a value are asked for, as an empty field is one that nobody has filled in."""


class Period(NamedTuple):
    """Whole days of the zone's calendar, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def asked(self) -> dict[str, str]:
        """As arguments of the client."""
        return {"start": self.first.isoformat(), "end": self.last.isoformat()}


@dataclass(frozen=True)
class Filters:
    """What the bar says. `mistakes`: what of the URL could not be understood, in words."""

    range: RangeName = "30d"
    zone_name: str = "UTC"
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    custom: Period | None = None
    compare: bool = True
    wanted: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()

    @property
    def zone(self) -> tzinfo:
        return zone_named(self.zone_name)

    @property
    def period(self) -> Period:
        if self.custom is not None:
            return self.custom
        if self.range == "month":
            return Period(self.today.replace(day=1), self.today)
        if self.range == "last-month":
            last = self.today.replace(day=1) - timedelta(days=1)
            return Period(last.replace(day=1), last)
        return Period(self.today - timedelta(days=LAST_DAYS.get(self.range, 30) - 1), self.today)

    @property
    def before(self) -> Period:
        """The period that it is compared with: as many days, right before."""
        period = self.period
        return Period(period.first - timedelta(days=period.days), period.first - timedelta(days=1))

    @property
    def words(self) -> str:
        """The range as it is told."""
        return RANGE_WORDS[self.range] if self.custom is None else f"{self.custom.first} to {self.custom.last}"

    @property
    def scope(self) -> dict[str, str]:
        """The filters by dimensions, as arguments of the client."""
        return {name: "" if value == NONE else value for name, value in self.wanted.items()}

    def asked(self, period: Period | None = None) -> dict[str, Any]:
        """Range, zone and filters, as arguments of the client's `usage` and its like."""
        return {**(period or self.period).asked(), "zone": self.zone_name, **self.scope}

    def link(self, path: str = "", **changes: str | None) -> str:
        """The same page, or another, with these changes; `None` takes a parameter out."""
        query = {**dict(self.parameters()), **{name.replace("_", "-"): value for name, value in changes.items()}}
        told = urlencode({name: value for name, value in query.items() if value is not None})
        return f"{path}?{told}" if told else path or "?"

    def elsewhere(self, path: str, **parameters: str) -> str:
        """Another page or tab about the same calls: of this one's own parameters, none."""
        return replace(self, others=parameters).link(path)

    def parameters(self) -> Iterator[tuple[str, str]]:
        """What of it is not as it would be anyway, then the page's own parameters."""
        if self.range != "30d":
            yield "range", self.range
        if self.custom is not None:
            yield "start", self.custom.first.isoformat()
            yield "end", self.custom.last.isoformat()
        if self.zone_name != "UTC":
            yield "zone", self.zone_name
        if not self.compare:
            yield "compare", "no"
        yield from self.wanted.items()
        yield from self.others.items()


@cache
def zone_names() -> frozenset[str]:
    """All that are known on this machine. To find them takes longer than most pages."""
    return frozenset(available_timezones())


def read_filters(query: QueryParams, now: datetime) -> Filters:
    """Of a URL. What makes no sense is left out, and told in `mistakes`."""
    mistakes: list[str] = []
    zone_name = query.get("zone") or "UTC"
    if zone_name not in zone_names():
        mistakes.append(f"There is no time zone {zone_name!r}; times are in UTC.")
        zone_name = "UTC"
    range_name: RangeName = next((each for each in RANGES if each == query.get("range")), "30d")
    today = now.astimezone(zone_named(zone_name)).date()
    custom = None
    # The bar sends its dates along whatever is chosen.
    if range_name == "custom" or (query.get("start") and not query.get("range")):
        range_name, custom = "custom", _custom(query, today, mistakes)
    bar = {"range", "start", "end", "zone", "compare", *DIMENSIONS}
    return Filters(
        range=range_name,
        zone_name=zone_name,
        today=today,
        custom=custom,
        compare=query.get("compare") != "no",
        wanted={name: value for name in DIMENSIONS if (value := query.get(name))},
        others={name: value for name, value in query.items() if name not in bar and value},
        mistakes=tuple(mistakes),
    )


def _custom(query: QueryParams, today: date, mistakes: list[str]) -> Period:
    """The days that are said; while they are not, the last thirty, to be changed."""
    usual = Period(today - timedelta(days=29), today)
    if not query.get("start") and not query.get("end"):
        return usual
    try:
        first, last = date.fromisoformat(query.get("start", "")), date.fromisoformat(query.get("end", ""))
    except ValueError:
        mistakes.append("A range of one's own needs a first and a last day, such as 2026-01-31; shown are 30 days.")
        return usual
    if first > last:
        first, last = last, first
    if (last - first).days > 3650 or first.year < 1971 or last.year > 2199:
        mistakes.append("A range has ten years at the most; shown are 30 days.")
        return usual
    return Period(first, last)
