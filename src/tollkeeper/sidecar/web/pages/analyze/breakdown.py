"""What spend is made up of: any figure by any two dimensions, over time, and by hours of the week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any, Literal, get_args

from starlette.responses import Response

from tollkeeper.client.answers import Group, Usage
from tollkeeper.client.asks import Interval
from tollkeeper.client.keywords import Dimension
from tollkeeper.sidecar.web.charts import Chart, Line, Number
from tollkeeper.sidecar.web.filters import NONE, Filters
from tollkeeper.sidecar.web.pages.analyze.heat_map import heat_map
from tollkeeper.sidecar.web.pages.analyze.intervals import csv, starts
from tollkeeper.sidecar.web.pages.analyze.metrics import METRICS, Metric, MetricName
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import Missing, View

Rank = Literal["largest", "smallest", "change", "name"]

GROUPS: tuple[Dimension, ...] = get_args(Dimension)
INTERVALS: tuple[Interval, ...] = get_args(Interval)
RANKS: Mapping[Rank, str] = {
    "largest": "Largest first", "smallest": "Smallest first", "change": "Largest change first", "name": "By name",
}  # fmt: skip
TOPS = ("5", "10", "20", "50")
MOST_LINES = 7
"""With "Other", as many as there are colours."""
MOST_HOURLY_DAYS, MOST_DAILY_DAYS = 2, 120
"""Days of a range up to which it is drawn by the hour, and by the day, unless something else is asked for."""
LONGEST_HOURLY_DAYS = 31
OTHER = "Other"
HOURS = f"{PATH}/hours"
NOT_ASKED = Missing("nothing is compared")
NEXT: Mapping[str, str] = {"provider": "model", "tenant": "user", "project": "service", "service": "feature"}
"""What a group is looked at by, once one is chosen."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the tab's own part of the URL says."""

    name: MetricName
    by: Dimension
    sub: Dimension | None
    rank: Rank
    top: int
    rollup: Interval
    cumulative: bool

    @property
    def metric(self) -> Metric:
        return METRICS[self.name]

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return (self.by,) if self.sub is None else (self.by, self.sub)

    def key(self, group: Group) -> tuple[str, ...]:
        """Which one it is."""
        return tuple(group.group[each] for each in self.dimensions)

    def words(self, key: Sequence[str]) -> str:
        return " / ".join(value or NONE for value in key)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ranking. `sums` is `None` of all others together, and links are, too."""

    words: str
    value: Number | None
    before: Number | None
    share: Decimal | None
    sums: Group | None = None
    inside: str | None = None
    calls: str | None = None


def read_asked(filters: Filters) -> Asked:
    """Of the URL; what makes no sense is as it would be otherwise."""
    said, days = filters.others, filters.period.days
    by = one_of(GROUPS, said.get("by"), "model")
    sub = next((each for each in GROUPS if each == said.get("sub") and each != by), None)
    usual: Interval = "hour" if days <= MOST_HOURLY_DAYS else "day" if days <= MOST_DAILY_DAYS else "week"
    rollup = one_of(INTERVALS, said.get("rollup"), usual)
    if rollup == "hour" and days > LONGEST_HOURLY_DAYS:
        rollup = "day"
    name = one_of(get_args(MetricName), said.get("metric"), "cost")
    return Asked(
        name, by, sub, one_of(get_args(Rank), said.get("rank"), "largest"),
        int(one_of(TOPS, said.get("top"), "10")), rollup, said.get("view") == "cumulative" and METRICS[name].adds_up,
    )  # fmt: skip


async def breakdown(view: View) -> Response:
    """The tab. The chart is asked for once it is known who is in it."""
    filters, asked = view.filters, read_asked(view.filters)
    parts = await view.together(
        usage=view.api.usage(**filters.asked(), group_by=asked.dimensions, details=False),
        **({"before": view.api.usage(**filters.asked(filters.before), group_by=asked.dimensions, details=False)}
           if filters.compare else {}),
    )  # fmt: skip
    before = parts.get("before", NOT_ASKED)
    groups = [] if isinstance(parts["usage"], Missing) else ranked(asked, parts["usage"], before)
    return view.page(
        "analyze_breakdown.html",
        title="Analyze", tabs=TABS, tab="breakdown", asked=asked, choices=choices(filters, asked),
        usage=parts["usage"], rows=rows(filters, asked, parts["usage"], before, groups),
        chart=await over_time(view, asked, parts["usage"], groups),
        csv=csv(filters, asked.dimensions, None), hours=filters.link(HOURS),
    )  # fmt: skip


def choices(filters: Filters, asked: Asked) -> list[Choice]:
    """What the tab's form asks for. Hours are offered of ranges that are not too long for them."""
    groups = [(each, each.capitalize()) for each in GROUPS]
    rollups = INTERVALS if filters.period.days <= LONGEST_HOURLY_DAYS else INTERVALS[1:]
    return [
        Choice("metric", "Show", [(name, each.words) for name, each in METRICS.items()], asked.name),
        Choice("by", "By", groups, asked.by),
        Choice("sub", "And by", [("", "Nothing else"), *groups], asked.sub or ""),
        Choice("rank", "Order", list(RANKS.items()), asked.rank),
        Choice("top", "Rows", [(each, each) for each in TOPS], str(asked.top)),
        Choice("rollup", "Per", [(each, each.capitalize()) for each in rollups], asked.rollup),
        Choice("view", "Chart", [("", "Period by period"), ("cumulative", "Running total")],
               "cumulative" if asked.cumulative else ""),
    ]  # fmt: skip


async def hours_of_week(view: View) -> Response:
    """The heat map: a part of the page that comes after it, as it is of many hours."""
    filters, asked = view.filters, read_asked(view.filters)
    hours = (await view.together(hours=view.api.usage(**filters.asked(), interval="hour", details=False)))["hours"]
    return view.page(
        "analyze_hours.html", title="Hours of the week", csv=csv(filters, (), "hour"),
        heat=hours if isinstance(hours, Missing) else heat_map(hours, asked.metric, view.now),
    )  # fmt: skip


def ranked(asked: Asked, usage: Usage, before: Usage | Missing) -> list[Group]:
    """All groups, in the order that is asked for. What is not known comes last."""
    values = _before(asked, before)
    found = sorted(usage.groups, key=lambda each: asked.words(asked.key(each)).lower())
    if asked.rank == "name":
        return found

    def weight(group: Group) -> tuple[bool, Decimal]:
        value = asked.metric.of(group)
        size = Decimal(str(value or 0))
        if asked.rank == "change":
            size = abs(size - Decimal(str(values.get(asked.key(group)) or 0)))
        return value is None, size if asked.rank == "smallest" else -size

    return sorted(found, key=weight)


def rows(
    filters: Filters, asked: Asked, usage: Usage | Missing, before: Usage | Missing, groups: Sequence[Group]
) -> list[Row]:
    """The first so many groups, and the others in one."""
    if isinstance(usage, Missing):
        return []
    values, total = _before(asked, before), getattr(usage, asked.metric.total)
    shown = [
        Row(
            asked.words(asked.key(each)), asked.metric.of(each), values.get(asked.key(each)),
            _share(asked, asked.metric.of(each), total), each, *_links(filters, asked, each),
        )
        for each in groups[: asked.top]
    ]  # fmt: skip
    rest = groups[asked.top :]
    if not rest:
        return shown
    value = _sum(asked.metric.of(each) for each in rest) if asked.metric.adds_up else None
    seen = {asked.key(each) for each in groups[: asked.top]}
    was = _sum(each for key, each in values.items() if key not in seen) if asked.metric.adds_up else None
    return [*shown, Row(f"{OTHER} ({len(rest)})", value, was, _share(asked, value, total))]


def _links(filters: Filters, asked: Asked, group: Group) -> tuple[str, str]:
    """The same page of this group only, and its calls."""
    wanted = {name: value or NONE for name, value in group.group.items()}
    deeper = NEXT.get(asked.by, "model" if asked.by != "model" else "feature")
    here = filters.link(PATH, **wanted, by=deeper, sub=None)
    return here, filters.elsewhere("/requests", **wanted)


def _before(asked: Asked, before: Usage | Missing) -> dict[tuple[str, ...], Number | None]:
    return {} if isinstance(before, Missing) else {asked.key(each): asked.metric.of(each) for each in before.groups}


def _share(asked: Asked, value: Number | None, total: Number | None) -> Decimal | None:
    if not asked.metric.adds_up or value is None or not total:
        return None
    return Decimal(str(value)) / Decimal(str(total))


def _sum(values: Any) -> Decimal | None:
    known = [Decimal(value) for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


async def over_time(view: View, asked: Asked, usage: Usage | Missing, groups: Sequence[Group]) -> Chart | Missing:
    """The first groups over time, and of what adds up, all others in one."""
    if isinstance(usage, Missing):
        return usage
    top = list(groups[: min(asked.top, MOST_LINES)])
    given = view.filters.asked()
    only = {**given, asked.by: sorted({each.group[asked.by] for each in top})}
    has_others = len(groups) > len(top) and asked.metric.adds_up
    parts = await view.together(
        lines=view.api.usage(
            **(only if top else given), group_by=asked.dimensions, interval=asked.rollup, details=False
        ),
        **({"all": view.api.usage(**given, interval=asked.rollup, details=False)} if has_others else {}),
    )
    for part in parts.values():
        if isinstance(part, Missing):
            return part
    moments = starts(usage, asked.rollup, view.now)
    keys = [asked.key(each) for each in top]
    found: dict[Any, dict[datetime, Number | None]] = {key: {} for key in keys}
    for each in parts["lines"].groups:
        if each.start is not None and asked.key(each) in found:
            found[asked.key(each)][each.start] = asked.metric.of(each)
    every = {each.start: asked.metric.of(each) for each in parts["all"].groups} if has_others else None
    return Chart(
        title=f"{asked.metric.words} by {' and '.join(asked.dimensions)}", unit=asked.metric.unit, moments=moments,
        lines=_lines(asked, moments, [(asked.words(key), found[key]) for key in keys], every),
        form="lines" if asked.cumulative or not asked.metric.adds_up else "stack", zone=usage.zone,
        by_hour=asked.rollup == "hour", csv=csv(view.filters, asked.dimensions, asked.rollup),
    )  # fmt: skip


def _lines(
    asked: Asked,
    moments: Sequence[datetime],
    found: Sequence[tuple[str, Mapping[datetime, Number | None]]],
    every: Mapping[datetime | None, Number | None] | None,
) -> list[Line]:
    nothing = 0 if asked.metric.adds_up else None
    lines = [Line(words, [values.get(at, nothing) for at in moments]) for words, values in found]
    if every is not None:
        shown = [
            sum((Decimal(value or 0) for value in at), Decimal(0))
            for at in zip(*(line.values for line in lines), strict=True)
        ]
        lines.append(Line(OTHER, [Decimal(every.get(at) or 0) - each for at, each in zip(moments, shown, strict=True)]))
    if not asked.cumulative:
        return lines
    return [Line(line.label, list(accumulate(Decimal(value or 0) for value in line.values))) for line in lines]


ROUTES = (Show(HOURS, hours_of_week),)
