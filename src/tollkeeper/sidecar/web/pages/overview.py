"""The overview: what was spent, where it will end, what needs somebody, and what could be cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.responses import Response

from tollkeeper.client.answers import Usage
from tollkeeper.client.forecasting import ForecastState
from tollkeeper.client.keywords import Dimension
from tollkeeper.client.standings import LimitUsage
from tollkeeper.sidecar.web.charts import Band, Chart, Level, Line, Mark
from tollkeeper.sidecar.web.pages.analyze.breakdown import MOST_HOURLY_DAYS, Asked, over_time, ranked, rows
from tollkeeper.sidecar.web.pages.analyze.tabs import one_of
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import Missing, View

GROUPS: tuple[Dimension, ...] = ("provider", "model", "tenant", "user", "feature", "service", "operation")
"""What spend can be shown by, in this order."""
EVERY_CALL = "every call"
"""How the API says of a limit that it binds all of them."""
RANKED, ADVICE, MOST_ALERTS, MOST_MARKS = 12, 3, 6, 5


async def overview(view: View) -> Response:
    """The whole page. What insight has not found yet, or what cannot be had just now, is said in its place."""
    filters, asked = view.filters, read_asked(view)
    today = {**filters.asked(), "start": filters.today.isoformat(), "end": None}
    month = {**today, "start": filters.today.replace(day=1).isoformat()}
    parts = await view.together(
        usage=view.api.usage(**filters.asked(), group_by=asked.by, details=False),
        before=view.api.usage(**filters.asked(filters.before), group_by=asked.by, details=False),
        today=view.api.usage(**today, details=False),
        month=view.api.usage(**month, details=asked.cumulative),
        forecasts=view.api.forecasts(horizon="month"),
        budgets=view.api.limit_usage(most=1),
        health=view.api.provider_health(window="24h"),
        alerts=view.api.alerts(firing=True, limit=50),
        anomalies=view.api.anomalies(),
        advice=view.api.recommendations(),
        state=view.api.overview(),
        caches=view.api.prompt_caches(window="30d"),
        prices=view.api.prices(),
    )
    usage = parts["usage"]
    groups = [] if isinstance(usage, Missing) else ranked(asked, usage, parts["before"])
    month_end = None if filters.wanted else of_everything(parts["forecasts"])
    if asked.cumulative and month_end is not None and parts["month"]:
        chart: Chart | Missing = month_chart(
            parts["month"], month_end, view.filters.today, month_limits(parts["budgets"])
        )
    else:
        chart = with_marks(await over_time(view, asked, usage, groups), parts)
    return view.page(
        "overview.html", title="Overview", live=True, by=asked.by, groups=GROUPS, cumulative=asked.cumulative,
        month_end=month_end, tightest=tightest_budget(parts["budgets"]), chart=chart, most_alerts=MOST_ALERTS,
        last_call=None if not usage or usage.total_calls or filters.wanted else await last_call(view),
        thirty_days=timedelta(days=29),
        ranking=rows(filters, asked, usage, parts["before"], groups), most_advice=ADVICE, **parts,
    )  # fmt: skip


async def last_call(view: View) -> datetime | None:
    """When the newest call of all began."""
    known = (await view.together(known=view.api.status()))["known"]
    return max((each.last_seen for each in known.providers if each.last_seen), default=None) if known else None


def read_asked(view: View) -> Asked:
    """What spend is shown by, as the URL says it."""
    said = view.filters.others
    return Asked(
        name="cost",
        by=one_of(GROUPS, said.get("by"), GROUPS[0]),
        sub=None,
        rank="largest",
        top=RANKED,
        rollup="hour" if view.filters.period.days <= MOST_HOURLY_DAYS else "day",
        cumulative=said.get("view") == "cumulative",
    )


def month_chart(month: Usage, end: ForecastState, today: date, limits: Sequence[LimitUsage]) -> Chart:
    """The month's cost so far, and the band that its end is in, four times of five; and what it may be."""
    zone = ZoneInfo(month.zone)
    days = [each for each in month.by_day if each.date < today]
    so_far = list(accumulate(day.cost or Decimal(0) for day in days))
    # A day's sum stands at the end of the day, as the forecast's points do.
    ends = [datetime.combine(day.date + timedelta(days=1), datetime.min.time(), zone) for day in days]
    ahead = [point for point in end.band if not ends or point.at > ends[-1]]
    joined: list[Decimal | None] = [*([None] * (len(days) - 1)), *so_far[-1:]] if days else []
    return Chart(
        title="This month, all in all",
        unit="usd",
        form="lines",
        moments=[*ends, *(point.at for point in ahead)],
        lines=[
            Line("So far", [*so_far, *([None] * len(ahead))]),
            Line("Forecast", [*joined, *(point.middle for point in ahead)], dashed=True),
        ],
        band=Band(
            "4 of 5 times", [*joined, *(point.low for point in ahead)], [*joined, *(point.high for point in ahead)]
        ),
        levels=[Level(limit.amount, limit.name) for limit in limits],
        zone=month.zone,
        source="ledger and forecast",
    )


def with_marks(chart: Chart | Missing, parts: dict[str, Any]) -> Chart | Missing:
    """With what was unusual, and when prices have changed."""
    if isinstance(chart, Missing) or not chart.moments:
        return chart
    marks = [*_anomalies(parts["anomalies"], chart.moments), *_price_changes(parts["prices"], chart.moments)]
    return replace(chart, marks=marks)


def tightest_budget(budgets: Any) -> LimitUsage | None:
    """The limit of money that is the fullest, with whoever has used it the most."""
    if isinstance(budgets, Missing):
        return None
    return next((each for each in budgets.limits if each.measure == "usd" and each.uses), None)


def month_limits(budgets: Any) -> list[LimitUsage]:
    """The limits of all that is spent in a month."""
    if isinstance(budgets, Missing):
        return []
    return [
        each
        for each in budgets.limits
        if (each.measure, each.window, each.calls) == ("usd", "month", EVERY_CALL) and not each.per
    ]


def of_everything(forecasts: Any) -> ForecastState | None:
    """The forecast of all that is spent."""
    if isinstance(forecasts, Missing):
        return None
    return next((each for each in forecasts.forecasts if not each.scope and each.measure == "usd"), None)


def _anomalies(anomalies: Any, moments: Sequence[datetime]) -> list[Mark]:
    if isinstance(anomalies, Missing):
        return []
    found = [each for each in anomalies.anomalies if each.began_at >= moments[0] and each.metric == "spend"]
    found.sort(key=lambda each: each.excess or 0, reverse=True)
    return [
        Mark(each.began_at, each.title, "▲", f"/analyze?tab=anomalies&id={quote(each.id)}")
        for each in found[:MOST_MARKS]
    ]  # fmt: skip


def _price_changes(prices: Any, moments: Sequence[datetime]) -> list[Mark]:
    if isinstance(prices, Missing):
        return []
    found = [each for each in prices.prices if each.valid_from and moments[0] <= each.valid_from <= moments[-1]]
    found.sort(key=lambda each: each.valid_from, reverse=True)
    return [
        Mark(each.valid_from, f"{each.kind} of {each.provider} {each.model}", "◆", "/pricing?tab=history")
        for each in found[:MOST_MARKS]
    ]  # fmt: skip


ROUTES = (Show("/", overview),)
