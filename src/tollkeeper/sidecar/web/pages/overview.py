"""The overview: what was spent, where it will end, what needs somebody, and what could be cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.responses import Response

from tollkeeper.client.answers import Group, Usage
from tollkeeper.client.forecasting import ForecastState
from tollkeeper.client.keywords import Dimension
from tollkeeper.sidecar.web.charts import Band, Chart, Level, Line, Mark
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import Missing, View

GROUPS: tuple[Dimension, ...] = ("provider", "model", "tenant", "user", "feature", "service", "operation")
"""What spend can be shown by, in this order."""
MOST_LINES = 7
"""With "Other", as many as there are colours."""
OTHER = "Other"
NOTHING = "(none)"
RANKED = 12
ADVICE = 3
MOST_ALERTS = 6
MOST_MARKS = 5
HOURLY_DAYS = 2
"""Ranges of up to so many days are drawn by the hour."""


async def overview(view: View) -> Response:
    """The whole page. What insight has not found yet, or what cannot be had just now, is said in its place."""
    filters = view.filters
    by = chosen(view)
    hourly = filters.period.days <= HOURLY_DAYS
    today = {**filters.asked(), "start": filters.today.isoformat(), "end": None}
    parts = await view.together(
        usage=view.api.usage(**filters.asked(), group_by=by, interval="hour" if hourly else "day"),
        groups=view.api.usage(**filters.asked(), group_by=by),
        before=view.api.usage(**filters.asked(filters.before), group_by=by),
        today=view.api.usage(**today),
        month=view.api.usage(**{**today, "start": filters.today.replace(day=1).isoformat()}),
        forecasts=view.api.forecasts(horizon="month"),
        budgets=view.api.forecasts(by="limit"),
        health=view.api.provider_health(window="24h"),
        alerts=view.api.alerts(firing=True, limit=50),
        anomalies=view.api.anomalies(),
        advice=view.api.recommendations(),
        state=view.api.overview(),
        patterns=view.api.patterns(window="30d"),
        prices=view.api.prices(),
    )
    month_end = None if filters.wanted else _total(parts["forecasts"])
    context: dict[str, Any] = {
        "title": "Overview", "live": True, "by": by, "dimensions_of_chart": GROUPS, "month_end": month_end,
        "cumulative": view.filters.others.get("view") == "cumulative",
        "worst": worst_budget(parts["budgets"]), "ranking": ranking(parts, by), "most_alerts": MOST_ALERTS,
        "most_advice": ADVICE,
    }  # fmt: skip
    if isinstance(parts["usage"], Missing):
        return view.page("overview.html", **context, **parts, chart=None)
    chart = spend_chart(view, parts, by, hourly, month_end)
    return view.page("overview.html", **context, **parts, chart=chart)


def chosen(view: View) -> Dimension:
    """What the chart and the ranking are by."""
    asked = view.filters.others.get("by")
    return next((each for each in GROUPS if each == asked), "provider")


class Ranked(NamedTuple):
    """One row of the ranking. `key` is `None` for all that are not shown by themselves."""

    name: str
    key: str | None
    cost: Decimal | None
    before: Decimal | None
    calls: int
    tokens: int | None
    unpriced: int
    share: Decimal


def ranking(parts: dict[str, Any], by: Dimension) -> list[Ranked]:
    """Who has cost how much, the dearest first, and what all others have cost together."""
    groups, before = parts["groups"], parts["before"]
    if isinstance(groups, Missing):
        return []
    costs = {} if isinstance(before, Missing) else {each.group[by]: each.cost for each in before.groups}
    all_cost = groups.total_cost or Decimal(0)
    rows = [
        Ranked(
            each.group[by] or NOTHING, each.group[by], each.cost, costs.get(each.group[by]), each.calls, each.tokens,
            each.unpriced_calls, (each.cost or Decimal(0)) / all_cost if all_cost else Decimal(0),
        )
        for each in dearest_first(groups.groups)
    ]  # fmt: skip
    shown, rest = rows[:RANKED], rows[RANKED:]
    return [*shown, _together(rest)] if rest else shown


def _together(rows: Sequence[Ranked]) -> Ranked:
    known = [row.cost for row in rows if row.cost is not None]
    counted = [row.tokens for row in rows if row.tokens is not None]
    return Ranked(
        f"{OTHER} ({len(rows)})", None, sum(known, Decimal(0)) if known else None, None,
        sum(row.calls for row in rows), sum(counted) if counted else None, sum(row.unpriced for row in rows),
        sum((row.share for row in rows), Decimal(0)),
    )  # fmt: skip


def dearest_first(groups: Sequence[Group]) -> list[Group]:
    """By cost, then by calls; those whose cost is not known last."""
    return sorted(groups, key=lambda each: (each.cost is None, -(each.cost or 0), -each.calls))


def spend_chart(
    view: View, parts: dict[str, Any], by: Dimension, hourly: bool, month_end: ForecastState | None
) -> Chart:
    """Spend over time, stacked; or the month so far and where it will end."""
    if view.filters.others.get("view") == "cumulative" and month_end is not None:
        return month_chart(view.filters, parts["month"], month_end)
    usage: Usage = parts["usage"]
    moments = _moments(usage, hourly, view.now)
    top = [each.group[by] for each in dearest_first(parts["groups"].groups)] if parts["groups"] else []
    lines = stacked(usage.groups, by, moments, top)
    return Chart(
        title=f"Spend by {by}",
        unit="usd",
        moments=moments,
        lines=lines,
        zone=view.filters.zone_name,
        by_hour=hourly,
        marks=[*_anomalies(parts["anomalies"], moments), *_price_changes(parts["prices"], moments)],
        csv=_csv(view, by, "hour" if hourly else "day"),
    )


def stacked(groups: Sequence[Group], by: Dimension, moments: Sequence[datetime], top: Sequence[str]) -> list[Line]:
    """A line for each of the dearest, and one for all others. Where there was nothing, nothing was spent."""
    kept = list(top[:MOST_LINES])
    costs: dict[str, dict[datetime, Decimal]] = {name: {} for name in (*kept, OTHER)}
    for each in groups:
        name = each.group[by] if each.group[by] in kept else OTHER
        if each.start is not None and each.cost is not None:
            costs[name][each.start] = costs[name].get(each.start, Decimal(0)) + each.cost
    if not costs[OTHER]:
        del costs[OTHER]
    return [
        Line(name or NOTHING, [found.get(at, Decimal(0)) for at in moments]) for name, found in costs.items()
    ]  # fmt: skip


def month_chart(filters: Filters, month: Usage, end: ForecastState) -> Chart:
    """The month's cost so far, and the band that its end is in, four times of five."""
    zone = ZoneInfo(month.zone)
    days = [each for each in month.by_day if each.date < filters.today]
    so_far: list[Decimal] = []
    for day in days:
        so_far.append((so_far[-1] if so_far else Decimal(0)) + (day.cost or 0))
    # A day's sum stands at the end of the day, as the forecast's points do.
    ends = [datetime.combine(day.date + timedelta(days=1), datetime.min.time(), zone) for day in days]
    ahead = [point for point in end.band if not ends or point.at > ends[-1]]
    nothing: list[Decimal | None] = [None] * len(ahead)
    last = so_far[-1:]
    joined: list[Decimal | None] = [*([None] * (len(days) - 1)), *last] if days else []
    middle = [*joined, *(point.middle for point in ahead)]
    return Chart(
        title="This month, all in all", unit="usd", form="lines", moments=[*ends, *(point.at for point in ahead)],
        lines=[Line("So far", [*so_far, *nothing]), Line("Forecast", middle, dashed=True)],
        band=Band(
            "4 of 5 times", [*joined, *(point.low for point in ahead)], [*joined, *(point.high for point in ahead)]
        ),
        levels=[Level(end.amount, "Limit")] if end.amount is not None else [], zone=month.zone,
        source="ledger and forecast",
    )  # fmt: skip


def worst_budget(budgets: Any) -> ForecastState | None:
    """The budget of which most is used."""
    if isinstance(budgets, Missing):
        return None
    used = [each for each in budgets.forecasts if each.amount]
    return max(used, key=lambda each: each.used / each.amount, default=None)


def _total(forecasts: Any) -> ForecastState | None:
    if isinstance(forecasts, Missing):
        return None
    return next((each for each in forecasts.forecasts if not each.scope and each.measure == "usd"), None)


def _moments(usage: Usage, hourly: bool, now: datetime) -> list[datetime]:
    zone = ZoneInfo(usage.zone)
    if not hourly:
        return [datetime.combine(day.date, datetime.min.time(), zone) for day in usage.by_day]
    starts = {each.start for each in usage.groups if each.start is not None}
    at = usage.start
    while at < min(usage.end, now):
        starts.add(at)
        # By way of UTC: an hour is an hour, whatever the clocks do.
        at = (at.astimezone(ZoneInfo("UTC")) + timedelta(hours=1)).astimezone(zone)
    return sorted(starts)


def _anomalies(anomalies: Any, moments: Sequence[datetime]) -> list[Mark]:
    if isinstance(anomalies, Missing) or not moments:
        return []
    found = [each for each in anomalies.anomalies if each.began_at >= moments[0] and each.metric == "spend"]
    found.sort(key=lambda each: each.excess or 0, reverse=True)
    return [
        Mark(each.began_at, each.title, "▲", f"/analyze?tab=anomalies&id={quote(each.id)}")
        for each in found[:MOST_MARKS]
    ]  # fmt: skip


def _price_changes(prices: Any, moments: Sequence[datetime]) -> list[Mark]:
    if isinstance(prices, Missing) or not moments:
        return []
    found = [each for each in prices.prices if each.valid_from and moments[0] <= each.valid_from <= moments[-1]]
    found.sort(key=lambda each: each.valid_from, reverse=True)
    return [
        Mark(each.valid_from, f"{each.kind} of {each.provider} {each.model}", "◆", "/pricing?tab=history")
        for each in found[:MOST_MARKS]
    ]  # fmt: skip


def _csv(view: View, by: Dimension, interval: str) -> str:
    asked = {**view.filters.asked(), "group_by": by, "interval": interval}
    return Filters(others=asked).link("/download/usage.csv")


ROUTES = (Show("/", overview),)
